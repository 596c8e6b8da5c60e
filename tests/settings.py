"""The site's settings, with what a test run needs different. The database is DATABASE_URL's, SQLite without one."""

import atexit
import os
import shutil
import tempfile

if "SHM_DATA_DIR" not in os.environ:
    # The process that makes it also removes it; those that it starts find it in their environment.
    os.environ["SHM_DATA_DIR"] = tempfile.mkdtemp(prefix="shm-test-")
    atexit.register(shutil.rmtree, os.environ["SHM_DATA_DIR"], ignore_errors=True)
os.environ.setdefault("SHM_SECRET_KEY", "a key for tests, of no use anywhere else")

from shm_site.settings import *  # noqa: F403

STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
