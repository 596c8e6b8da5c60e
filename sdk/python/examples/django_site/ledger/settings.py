"""Everything that whoever runs a ledger may want to change is an environment variable: LEDGER_..."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from ledger import __version__

HERE = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LEDGER_DATA", HERE / "data")).absolute()
DATA.mkdir(parents=True, exist_ok=True)


def is_on(variable, default):
    return os.environ.get(variable, default).strip().lower() in {"1", "on", "true", "yes"}


DEBUG = is_on("LEDGER_DEBUG", "off")
# Of this process alone unless it is given: enough for a site that nobody signs in to.
SECRET_KEY = os.environ.get("LEDGER_SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = os.environ.get("LEDGER_HOSTS", "localhost,127.0.0.1").split(",")

INSTALLED_APPS = ["ledger", "shm_sdk.django"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "ledger.urls"
WSGI_APPLICATION = "ledger.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "ledger.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

# The identity of this installation is kept beside its data: whoever keeps the one keeps the other.
SHM = {
    "SERVER_URL": os.environ.get("LEDGER_TELEMETRY_URL", "https://telemetry.example.org"),
    "APP_NAME": "Ledger",
    "APP_VERSION": __version__,
    "DATA_DIR": DATA,
    "ENVIRONMENT": os.environ.get("LEDGER_ENVIRONMENT", "production"),
    "PROVIDER": "ledger.telemetry.numbers",
}
# Where nothing is said, telemetry is on unless DEBUG is.
if "LEDGER_TELEMETRY" in os.environ:
    SHM["ENABLED"] = is_on("LEDGER_TELEMETRY", "off")

# Telemetry says at the start what it sends and where, and how to stop it.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"shm_sdk": {"handlers": ["console"], "level": "INFO"}},
}
