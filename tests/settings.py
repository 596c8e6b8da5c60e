"""The site's settings, with what a test run needs different. The database is DATABASE_URL's, SQLite without one."""

import os
import tempfile

os.environ.setdefault("SHM_DATA_DIR", tempfile.mkdtemp(prefix="shm-test-"))
os.environ.setdefault("SHM_SECRET_KEY", "a key for tests, of no use anywhere else")

from shm_site.settings import *  # noqa: F403

STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
