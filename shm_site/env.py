"""Typed reading of the process environment.

Every reader raises ImproperlyConfigured with one sentence that names the variable, so that a typing
error stops the start instead of showing up later as odd behaviour. `NAME_FILE` may hold the path of a
file with the value, for secrets that come as mounted files.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from environ import Env
from psycopg.conninfo import conninfo_to_dict

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
LONGEST = timedelta(days=36500)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def raw(name: str) -> str | None:
    """The variable's text, from NAME or from the file that NAME_FILE names; None when unset or empty."""
    value = os.environ.get(name, "").strip()
    path = os.environ.get(f"{name}_FILE", "").strip()
    if value and path:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if path:
        try:
            value = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path!r}, which cannot be read: {error}.") from error
        if not value:
            raise ImproperlyConfigured(f"{name}_FILE names {path!r}, which is empty.")
    return value or None


def _read(name: str, default: T, cast: Callable[[str], T], expected: str) -> T:
    value = raw(name)
    if value is None:
        return default
    try:
        return cast(value)
    except (ValueError, KeyError, OverflowError) as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be {expected}.") from error


def text(name: str, default: str = "") -> str:
    return _read(name, default, str, "text")


def boolean(name: str, default: bool) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    return _read(name, default, lambda value: words[value.lower()], "true or false")


def integer(name: str, default: int, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    def cast(value: str) -> int:
        number = int(value)
        if not minimum <= number <= maximum:
            raise ValueError
        return number

    return _read(name, default, cast, f"a whole number from {minimum} to {maximum}")


def duration(name: str, default: timedelta, minimum: str = "") -> timedelta:
    """A span of time in Go's notation, which SHM's variables use: 90s, 10m, 1h30m; `d` for days besides.

    A century is for ever: what is longer would lead to beyond the calendar's ends.
    """

    def cast(value: str) -> timedelta:
        span = _span(value)
        if span <= timedelta(0) or (minimum and span < _span(minimum)):
            raise ValueError
        return min(span, LONGEST)

    at_least = f", of {minimum} or more" if minimum else ""
    return _read(name, default, cast, f"a span of time such as 90s, 10m or 1h30m{at_least}")


def _span(text: str) -> timedelta:
    if not _DURATION.fullmatch(text):
        raise ValueError
    return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text)))


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """One of a few words, in any case."""

    def cast(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError
        return value.lower()

    return _read(name, default, cast, f"one of {', '.join(choices)}")


def words(name: str, default: list[str]) -> list[str]:
    return _read(name, default, lambda value: [word.strip() for word in value.split(",") if word.strip()], "a list")


def networks(name: str) -> list[Network]:
    def cast(value: str) -> list[Network]:
        return [ipaddress.ip_network(word.strip(), strict=False) for word in value.split(",") if word.strip()]

    return _read(name, [], cast, "a comma-separated list of addresses or networks, such as 127.0.0.1,10.0.0.0/8")


def database(names: list[str], default: str) -> dict[str, Any]:
    """Django's settings of one database, from the first of the variables that is set.

    Accepts URLs (postgres://, sqlite:///) and libpq's "host=... dbname=..." form, which SHM_DB_DSN may have.
    """
    for name in names:
        value = raw(name)
        if value is None:
            continue
        expected = f"{name} must be a database URL, such as postgres://user:password@host:5432/name or sqlite:///path"
        try:
            config = _from_dsn(value) if "://" not in value else dict(Env.db_url_config(value))
        except Exception as error:  # Whatever the parsers raise, the password in the value must not be repeated.
            raise ImproperlyConfigured(f"{expected}.") from error
        if config.get("ENGINE") not in ("django.db.backends.postgresql", "django.db.backends.sqlite3"):
            raise ImproperlyConfigured(f"{expected}; only PostgreSQL and SQLite are supported.")
        if not config.get("NAME"):
            raise ImproperlyConfigured(f"{expected}; it names no database.")
        return config
    return dict(Env.db_url_config(default))


def _from_dsn(value: str) -> dict[str, Any]:
    parts = {key: str(part) for key, part in conninfo_to_dict(value).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }
