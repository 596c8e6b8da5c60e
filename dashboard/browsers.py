"""Browsers that an account has signed in with before, known by a cookie (OWASP calls it a device cookie).

It opens nothing: it only has tries at that account's password counted apart from those of strangers, who could
otherwise use up what the account has. It is signed, and void for another account, after a change of the password and
after settings.KNOWN_BROWSER_AGE. The server keeps no list of them.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from dashboard.guesses import same_name

# With a path, so a browser knows by the prefix that it came by HTTPS, and not that this very host has set it.
COOKIE = "__Secure-shm_browser" if settings.SESSION_COOKIE_SECURE else "shm_browser"
SALT = "dashboard.browsers"


def remember(response: HttpResponse, user: User) -> None:
    """Makes the browser known to the account that has just signed in."""
    content = {"user": user.pk, "password": _print_of(user), "browser": secrets.token_hex(8)}
    response.set_cookie(
        COOKIE,
        signing.dumps(content, salt=SALT),
        max_age=settings.KNOWN_BROWSER_AGE,
        path=reverse("admin:login"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def known_to(name: str, request: HttpRequest) -> str:
    """The id of the browser if it is known to the account of that name, else ""."""
    try:
        content = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=settings.KNOWN_BROWSER_AGE)
    except signing.BadSignature:
        return ""
    # Nobody but who has signed in before has such a cookie, so this query tells strangers nothing.
    user = User.objects.filter(pk=content["user"], is_active=True).first()
    if user is None or same_name(user.get_username()) != same_name(name):
        return ""
    return str(content["browser"]) if constant_time_compare(content["password"], _print_of(user)) else ""


def _print_of(user: User) -> str:
    """Another text once the password is another one."""
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()[:32]
