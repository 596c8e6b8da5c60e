"""Settings that are each sound and together are not: `manage.py check`; with --deploy also what production needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

W001 = checks.Warning(
    "SHM_DEBUG is on and SHM_ALLOWED_HOSTS lets any name in: whoever reaches the server sees its inner state.",
    hint="Set SHM_DEBUG=false, or SHM_ALLOWED_HOSTS=localhost,127.0.0.1 on a developer's machine.",
    id="shm.W001",
)
W002 = checks.Warning(
    "SHM_SECURE_COOKIES is on and SHM_TRUSTED_PROXIES is empty: the server takes every request for plain HTTP, so that "
    "signing in fails and browsers are not told to insist on HTTPS.",
    hint="Set SHM_TRUSTED_PROXIES to the address of the proxy that speaks HTTPS.",
    id="shm.W002",
)
W003 = checks.Warning(
    "SHM_TRUSTED_PROXIES holds every address: any client can say that it is another one, and so pass all limits.",
    hint="Name the proxies alone, such as 127.0.0.1 or 172.16.0.0/12.",
    id="shm.W003",
)
W004 = checks.Warning(
    "SHM_CSRF_TRUSTED_ORIGINS holds an http:// address and SHM_SECURE_COOKIES is on: forms could be sent from a page "
    "that anybody on the way may have changed.",
    hint="Write https:// there.",
    id="shm.W004",
)
W005 = checks.Warning(
    "SHM_ALLOWED_HOSTS lets any name in: a request with an invented one is answered with addresses that lead there.",
    hint="Set SHM_ALLOWED_HOSTS to the names of the site, such as shm.example.org.",
    id="shm.W005",
)
W006 = checks.Warning(
    "SHM_RATELIMIT_ENABLED is off: passwords can be guessed as fast as the server checks them.",
    hint="Remove it; each limit has a setting of its own.",
    id="shm.W006",
)


@register(Tags.security)
def combinations(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return list(_bad_combinations())


def _bad_combinations() -> Iterator[CheckMessage]:
    if settings.DEBUG and "*" in settings.ALLOWED_HOSTS:
        yield W001
    if settings.SESSION_COOKIE_SECURE and not settings.TRUSTED_PROXIES:
        yield W002
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield W003
    if settings.SESSION_COOKIE_SECURE and any(origin.startswith("http:") for origin in settings.CSRF_TRUSTED_ORIGINS):
        yield W004


@register(Tags.security, deploy=True)
def allowed_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [W005] if "*" in settings.ALLOWED_HOSTS else []


@register(Tags.security, deploy=True)
def limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [] if settings.RATELIMIT_ENABLED else [W006]
