"""The client of this process, and the moment at which it begins to report."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.signals import request_started

from shm_sdk.client import SHMClient
from shm_sdk.django import conf, provider

UID = "shm_sdk.django"

_made: list[SHMClient] = []


def client() -> SHMClient:
    """This process's client, always the same; where no request is answered, `client().start()` begins to report."""
    if not _made:
        # Two threads at one moment may both come here. The first that is in the list is the client of both.
        _made.append(SHMClient(conf.config(), provider.numbers if conf.given().get("PROVIDER") else None))
    return _made[0]


def begin(**kwargs: Any) -> None:
    """Receives request_started, once in a process: requests after the first do not pay for this."""
    if not request_started.disconnect(dispatch_uid=UID):
        return
    with suppress(Exception):
        if not conf.is_under_test():
            _import_provider()
            client().start()


def _import_provider() -> None:
    """Here, and not in the thread that reports: imports of one cycle by two threads can each see the other's half.

    One that fails fails again there, and is told then.
    """
    with suppress(Exception):
        if not client().refusal:
            provider.load()
