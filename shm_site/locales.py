"""Language and time zone of what people read, one page at a time. Client programs get English and UTC, whoever asks.

The language is the one chosen on the page, else the browser's, else SHM_LANGUAGE. The time zone is the browser's, which
a script tells by a cookie, or UTC where it has not told or the reader has chosen so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from shm_site.middleware import is_page

# Written by shell.js, so out of reach of no script, and believed for the look of times alone.
TIME_ZONE_COOKIE = "shm_time_zone"


class LocaleMiddleware:
    """Answers a page in its reader's language and time zone.

    Not Django's own: that one would leave the language behind in the thread, for the next API request to answer in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_page(request):
            return self.get_response(request)
        language, zone = language_of(request), browser_time_zone(request)
        request.browser_time_zone = zone  # type: ignore[attr-defined] # For the switch that goes back to it.
        wants_utc = request.COOKIES.get(settings.CLOCK_COOKIE_NAME) == "utc"
        with translation.override(language), timezone.override(UTC if wants_utc or zone is None else zone):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response


def language_of(request: HttpRequest) -> str:
    """One of settings.LANGUAGES."""
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    if chosen in dict(settings.LANGUAGES):
        return chosen
    for wanted, _ in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "").lower()):
        try:
            return translation.get_supported_language_variant(wanted)
        except LookupError:
            continue
    return settings.PAGE_LANGUAGE


def browser_time_zone(request: HttpRequest) -> ZoneInfo | None:
    """The time zone that the browser says it is in; None if it says none, or none that there is."""
    name = request.COOKIES.get(TIME_ZONE_COOKIE, "")
    return ZoneInfo(name) if name in time_zone_names() else None


@lru_cache(maxsize=1)
def time_zone_names() -> frozenset[str]:
    """All that there are. Looked up here first, because ZoneInfo makes the name that it is given a file's."""
    return frozenset(available_timezones())
