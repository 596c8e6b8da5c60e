"""The setting SHM as the client's own configuration. Nothing here raises: what is wrong is for the checks to tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core import mail

from shm_sdk.config import Config

REQUIRED = ("SERVER_URL", "APP_NAME", "APP_VERSION")
SWITCHES = ("ENABLED", "COLLECT_SYSTEM_METRICS", "ALLOW_CI")
# Config's fields in capitals.
FIELDS = tuple(field.name.upper() for field in dataclasses.fields(Config))
KEYS = (*FIELDS, "PROVIDER")


def given() -> Mapping[str, Any]:
    """The setting; empty if it is missing or no dict."""
    value = getattr(settings, "SHM", None)
    return value if isinstance(value, Mapping) else {}


def config() -> Config:
    """What is missing is left empty, which is a problem to a Config and keeps it from sending anything."""
    shm = given()
    fields = {name.lower(): shm.get(name, "") for name in REQUIRED}
    fields.update({name.lower(): shm[name] for name in FIELDS if name in shm})
    # A text like "false", straight from the environment, is true to Python. It must not be a yes here.
    fields.update({name.lower(): shm[name] is True for name in SWITCHES if shm.get(name) is not None})
    return Config(**{**fields, "enabled": is_enabled()})


def is_enabled() -> bool:
    """As ENABLED says. Without it, wherever DEBUG is off: installations that count are not where one develops."""
    said = given().get("ENABLED")
    return not is_under_test() and (not settings.DEBUG if said is None else said is True)


def is_under_test() -> bool:
    """Whether Django's test environment has been set up: it collects the mails that it keeps from being sent here."""
    return hasattr(mail, "outbox")
