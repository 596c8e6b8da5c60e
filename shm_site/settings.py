"""All settings, read from the environment. docs/settings.md lists each variable; a test holds the two together."""

import contextlib
import os
import tempfile
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy

from instances.rates import Rate
from shm_site import env

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("SHM_DATA_DIR", str(BASE_DIR / "data"))).absolute()


def kept_secret_key() -> str:
    """The key kept in the data folder; made at the first start, by whichever process is first."""
    path = DATA_DIR / "secret_key"
    try:
        if not path.exists():
            DATA_DIR.mkdir(parents=True, exist_ok=True)
            # Written whole beside its place and then linked there: a second process sees all of it or nothing.
            with tempfile.NamedTemporaryFile("w", dir=DATA_DIR) as draft:
                draft.write(get_random_secret_key())
                draft.flush()
                with contextlib.suppress(FileExistsError):  # Another process was first; its key is the one.
                    os.link(draft.name, path)
        key = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret key cannot be kept in {DATA_DIR}: {error}. "
            "Set SHM_SECRET_KEY, or SHM_DATA_DIR to a folder that can be written."
        ) from error
    if len(key) < 32:
        raise ImproperlyConfigured(
            f"{path} holds no secret key of 32 characters or more. Delete it, or set SHM_SECRET_KEY."
        )
    return key


DEBUG = env.boolean("SHM_DEBUG", False)
SECRET_KEY = env.text("SHM_SECRET_KEY") or kept_secret_key()
ALLOWED_HOSTS = env.words("SHM_ALLOWED_HOSTS", ["*"])
CSRF_TRUSTED_ORIGINS = env.words("SHM_CSRF_TRUSTED_ORIGINS", [])
TRUSTED_PROXIES = env.networks("SHM_TRUSTED_PROXIES")

INSTALLED_APPS = [
    # Before our own, which takes their secrets out of the admin again.
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "dashboard",
    "metrics",
    "instances",
    "unfold.apps.BasicAppConfig",
    "dashboard.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
]

MIDDLEWARE = [
    "shm_site.middleware.TrustedProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "shm_site.middleware.BrowserMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "shm_site.pages.RoomMiddleware",
    "shm_site.pages.GZipMiddleware",
    "shm_site.middleware.UnavailableMiddleware",
    "shm_site.middleware.NoNulMiddleware",
    "shm_site.locales.LocaleMiddleware",
    "shm_site.pages.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "shm_site.pages.AuthenticationMiddleware",
    "shm_site.pages.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "shm_site.urls"
WSGI_APPLICATION = "shm_site.wsgi.application"
APPEND_SLASH = False  # A redirected POST loses its body.

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Data

DATABASES = {"default": env.database(["DATABASE_URL", "SHM_DB_DSN"], f"sqlite:///{DATA_DIR / 'shm.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Readers never wait for the writer; a writer takes its place at once instead of failing when it first writes.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=20000;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    # Connections are kept: opening one costs more than storing a snapshot.
    DATABASES["default"]["CONN_MAX_AGE"] = env.integer("SHM_DB_CONN_MAX_AGE", 600)
    # A database whose machine has vanished says nothing: who waits for it is told so soon, and again able to work.
    options = {"connect_timeout": 3, "tcp_user_timeout": 10000, "keepalives_idle": 30, "keepalives_interval": 5}
    DATABASES["default"]["OPTIONS"] = {**options, **DATABASES["default"].get("OPTIONS", {})}
    # A transaction-pooling PgBouncer hands each transaction another connection, which a cursor must not outlive, and
    # which knows nothing of a prepared statement.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = env.boolean("SHM_DB_PGBOUNCER", False)
    if not DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"]:
        DATABASES["default"]["OPTIONS"].setdefault("prepare_threshold", 5)

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Sign-in

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("dashboard:overview")
REQUIRE_2FA = env.boolean("SHM_REQUIRE_2FA", False)
OTP_TOTP_ISSUER = "Self-Hosted Metrics"
# Codes are limited like passwords (dashboard.guesses); django-otp's own limit lets strangers lock an account.
OTP_TOTP_THROTTLE_FACTOR = OTP_STATIC_THROTTLE_FACTOR = 0
# Seconds for which a browser stays known to the account that has signed in with it (dashboard.browsers).
KNOWN_BROWSER_AGE = 90 * 24 * 3600
SESSION_COOKIE_AGE = max(60, int(env.duration("SHM_SESSION_LIFETIME", timedelta(days=14)).total_seconds()))

# What browsers are told

# One switch for a site that is reached by HTTPS only; a trial on http://localhost needs it off.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.boolean("SHM_SECURE_COOKIES", False)
CSRF_COOKIE_HTTPONLY = True  # Forms carry the token themselves.
LANGUAGE_COOKIE_NAME, CLOCK_COOKIE_NAME = "shm_language", "shm_clock"
if SESSION_COOKIE_SECURE:
    # By this prefix a browser takes the cookie from this host alone, over HTTPS, and from no other name of the domain.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    LANGUAGE_COOKIE_NAME, CLOCK_COOKIE_NAME = "__Host-shm_language", "__Host-shm_clock"
    SECURE_HSTS_SECONDS = int(env.duration("SHM_HSTS", timedelta(days=365)).total_seconds())
    # Only a trusted proxy says what came by HTTPS; without one, pages would be redirected to themselves for ever.
    SECURE_SSL_REDIRECT = bool(TRUSTED_PROXIES)
# Never what programs ask for: a redirected POST loses its body, and health checks come by plain HTTP from next door.
SECURE_REDIRECT_EXEMPT = [r"^(v1|api|badge)/", r"^readyz$"]
# Neither can be said for the other names of a domain whose owner may use them for something else.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# What a page may load and do, in the shape of the setting that Django has for it from 6.0 on: nothing from another
# host, nothing inside another site's frame, and no script or style element that stands in the page itself.
SECURE_CSP = {
    "default-src": ["'none'"],
    # The shell is made with Alpine.js, which turns the expressions in its templates' attributes into functions.
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'"],
    # Bars and bins of the pages have their size in a style attribute, and so do parts of the shell and of select2.
    "style-src-attr": ["'unsafe-inline'"],
    "img-src": ["'self'", "data:"],  # Small pictures in the style sheets of the shell and of Django's admin.
    "font-src": ["'self'"],
    "connect-src": ["'self'"],  # Autocompletion, and htmx.
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
}
# What no page here asks a browser for, and so nothing that was slipped into one may either.
_FEATURES = (
    "accelerometer camera display-capture geolocation gyroscope magnetometer microphone midi payment "
    "publickey-credentials-get screen-wake-lock serial usb xr-spatial-tracking"
)
PERMISSIONS_POLICY = dict.fromkeys(_FEATURES.split(), "()")

# Language and time

# What nobody has asked for otherwise: of logs, of the API, and of what is stored.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Of pages, for whose reader has chosen none and whose browser asks for none of these.
PAGE_LANGUAGE = env.choice("SHM_LANGUAGE", "en", [code for code, _ in LANGUAGES])
FORMAT_MODULE_PATH = ["shm_site.formats"]
TIME_ZONE = "UTC"
USE_TZ = True

# Files

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("SHM_STATIC_DIR", str(DATA_DIR / "static")))
STORAGES = {
    "staticfiles": {"BACKEND": "shm_site.static.StaticFiles"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# The look of admin and pages

UNFOLD = {
    "SITE_TITLE": "Self-Hosted Metrics",
    "SITE_HEADER": "Self-Hosted Metrics",
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("dashboard/favicon.svg")},
    ],
    "SITE_URL": reverse_lazy("dashboard:overview"),
    "SHOW_VIEW_ON_SITE": True,
    "SIDEBAR": {"navigation": "dashboard.navigation.sidebar"},
    "ACCOUNT": {
        "navigation": [
            {"title": gettext_lazy("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": gettext_lazy("Two-factor sign-in"), "link": reverse_lazy("admin:two_factor")},
        ]
    },
    "STYLES": [lambda request: static("dashboard/theme.css")],
}

# The signed API

REST_FRAMEWORK = {
    # What an endpoint of the signed API is made of stands in instances.views.WireView.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "instances.exceptions.handler",
    "UNAUTHENTICATED_USER": None,
}
MAX_BODY_BYTES = 64 * 1024
MAX_BATCH_BODY_BYTES = 1024 * 1024
MAX_BATCH = 500
ACCEPTANCE_WINDOW = env.duration("SHM_ACCEPTANCE_WINDOW", timedelta(days=7))
CLOCK_TOLERANCE = timedelta(minutes=5)

# How long each snapshot is kept, and then each instance's last of the day; after that, the last of the month.
KEEP_ALL = env.duration("SHM_KEEP_ALL", timedelta(days=30))
KEEP_DAILY = env.duration("SHM_KEEP_DAILY", timedelta(days=730))

# Who may register, where an application does not say so itself (instances.models.Application.Registration), and what
# becomes of the names of applications that nobody has heard of.
REGISTRATION = env.choice("SHM_REGISTRATION", "open", ["open", "approval", "token", "closed"])
UNKNOWN_APPLICATIONS = env.choice("SHM_UNKNOWN_APPLICATIONS", "create", ["create", "refuse"])
# What anybody can create without proving anything is bounded: in number, and in time.
MAX_UNCONFIRMED_APPLICATIONS = env.integer("SHM_MAX_UNCONFIRMED_APPLICATIONS", 1000)
# An hour is more than a client takes between its registration and its first signature, whatever holds it up.
KEEP_PENDING = env.duration("SHM_KEEP_PENDING", timedelta(days=7), minimum="1h")

RATELIMIT_ENABLED = env.boolean("SHM_RATELIMIT_ENABLED", True)
RATELIMIT_CLEANUP_INTERVAL = env.duration("SHM_RATELIMIT_CLEANUP_INTERVAL", timedelta(minutes=10), minimum="10s")


def rate(scope: str, requests: int, burst: int, period: timedelta = timedelta(minutes=1)) -> Rate:
    prefix = f"SHM_RATELIMIT_{scope}"
    return Rate(
        requests=env.integer(f"{prefix}_REQUESTS", requests, minimum=1),
        period=env.duration(f"{prefix}_PERIOD", period),
        burst=env.integer(f"{prefix}_BURST", burst, minimum=1),
    )


RATELIMITS = {
    # Per address. A client that is refused here stays silent until it is restarted, so a dozen that start at once
    # behind one address (a register and an activate each, at every start) must all pass.
    "register": rate("REGISTER", requests=60, burst=60),
    # Per instance, counted once its signature is known to be good.
    "snapshot": rate("SNAPSHOT", requests=1, burst=2),
    # The same for rotate, export and forget together: a handful in a row, for a client that tries again.
    "action": rate("ACTION", requests=10, burst=5, period=timedelta(hours=1)),
    # Per address: passwords and codes tried, whosever. Checking one is made to be expensive.
    "sign_in": rate("ADMIN", requests=30, burst=10),
}

# Passwords and codes tried at one account: from one address, or in one browser that it knows; and from everywhere else.
_tries = env.integer("SHM_RATELIMIT_BRUTEFORCE_THRESHOLD", 5, minimum=1)
_span = env.duration("SHM_RATELIMIT_BRUTEFORCE_BAN", timedelta(minutes=15))
RATELIMITS["guess"] = Rate(requests=_tries, period=_span, burst=_tries)
RATELIMITS["account"] = Rate(requests=10 * _tries, period=_span, burst=10 * _tries)

# What is said, and to whom. Nothing here or in gunicorn's configuration writes a client's address.

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "filters": {"without_clients": {"()": "shm_site.logs.WithoutClients"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_clients"]},
    },
    "root": {"handlers": ["console"], "level": env.text("SHM_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # A refused request is the client's affair and is answered to it; one line each would bury the rest.
        "django.request": {"level": "ERROR"},
        # Likewise. Django logs it as an error, for whoever types any name into a header.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Below this it prints whole contexts, requests among them.
        "django.template": {"level": "INFO"},
    },
}
