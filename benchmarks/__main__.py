"""`make bench`: starts a PostgreSQL, and measures against it in a process that finds it in its environment."""

import os
import signal
import subprocess
import sys
import tempfile

from tests.postgres import server

# A signal that ends this process must not leave the database server behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

with server() as postgres, tempfile.TemporaryDirectory() as folder:
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url,
        "SHM_DATA_DIR": folder,
        "SHM_RATELIMIT_ENABLED": "false",
        "SHM_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "shm_site.settings",
    }
    measured = subprocess.Popen([sys.executable, "-m", "benchmarks.measure", *sys.argv[1:]], env=environment)
    try:
        measured.wait()
    finally:
        # It has servers of its own to stop.
        measured.terminate()
        measured.wait()
sys.exit(measured.returncode)
