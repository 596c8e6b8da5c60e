"""How a reader wants the pages: in which language, and times in UTC or by their own clock. Kept by their browser."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

YEAR_SECONDS = 365 * 24 * 3600
CLOCKS = ("utc", "local")


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keeps `language` or `clock` of the form, whichever it has, and goes back to where it was. Open to everybody: who
    is about to sign in reads as well, and it changes nothing but their own browser."""
    response = redirect(_way_back(request))
    choices = {
        "language": (settings.LANGUAGE_COOKIE_NAME, dict(settings.LANGUAGES)),
        "clock": (settings.CLOCK_COOKIE_NAME, CLOCKS),
    }
    for field, (cookie, known) in choices.items():
        if (value := request.POST.get(field, "")) in known:
            _keep(response, cookie, value)
    return response


def _keep(response: HttpResponse, cookie: str, value: str) -> None:
    response.set_cookie(
        cookie,
        value,
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _way_back(request: HttpRequest) -> str:
    """The page that the form stood on, unless it names another site's."""
    page = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if is_ours else reverse("dashboard:overview")
