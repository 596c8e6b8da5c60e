"""The function that SHM["PROVIDER"] names."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connections
from django.utils.module_loading import import_string

from shm_sdk.django.conf import given


def load() -> Any:
    """Raises whatever its module raises, and ImportError."""
    return import_string(given()["PROVIDER"])


def numbers() -> Any:
    """What it returns. The client calls this in a thread that ends afterwards, and the thread's connections with it."""
    provider = load()
    try:
        return async_to_sync(provider)() if iscoroutinefunction(provider) else provider()
    finally:
        _close_connections()


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        # In a thread of the client's own none is. Whoever calls this inside a transaction of theirs shall keep it.
        if not connection.in_atomic_block:
            connection.close()
