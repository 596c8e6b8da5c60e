"""Middleware for every request: who the client is behind a proxy, what a browser may do with the answer, and what to
say while the database is away."""

import ipaddress
import logging
import select
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
RETRY_AFTER_SECONDS = 10
UNAVAILABLE = (OperationalError, InterfaceError)


def is_api(request: HttpRequest) -> bool:
    """Whether a client program asks, to which every answer is JSON."""
    return request.path_info.lstrip("/").startswith(("v1/", "api/"))


def is_page(request: HttpRequest) -> bool:
    """Whether a person reads the answer. Badges are kept by caches for everybody, so they are the same for all; and so
    are tables to take away, which spreadsheets and scripts read."""
    path = request.path_info
    if is_api(request) or path == "/readyz" or path.startswith("/badge/"):
        return False
    return not (path.endswith(".csv") or "download" in request.GET)


class NoNulMiddleware:
    """Keeps NUL characters out of queries and cookies: nothing holds one, and Django would ask PostgreSQL for it.

    In its admin's searches, for one, and with any page for the session that a cookie names.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        if "%00" in (query := meta.get("QUERY_STRING", "")):
            # By a space and not by nothing: what is left of %%0000 would be another.
            meta["QUERY_STRING"] = query.replace("%00", "%20")
        # In quotes, a cookie's value may have it as an octal escape. No cookie of this site is like that.
        if "\\000" in (cookies := meta.get("HTTP_COOKIE", "")) or "\0" in cookies:
            del meta["HTTP_COOKIE"]
        return self.get_response(request)


class TrustedProxyMiddleware:
    """Takes the client's address and scheme from forwarding headers, if the peer is one of SHM_TRUSTED_PROXIES.

    Anybody else's forwarding headers are removed, so that nothing further in can be misled by them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        forwarded = meta.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = meta.pop("HTTP_X_FORWARDED_PROTO", "")
        if (forwarded or scheme) and _is_trusted(meta.get("REMOTE_ADDR", "")):
            meta["REMOTE_ADDR"] = _client(forwarded, meta["REMOTE_ADDR"])
            if scheme in ("http", "https"):
                meta["wsgi.url_scheme"] = scheme
        return self.get_response(request)


def _is_trusted(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A server that listens on IPv6 sees IPv4 peers as ::ffff:10.0.0.1.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in settings.TRUSTED_PROXIES)


def _without_port(hop: str) -> str:
    """Some proxies add the client's port, which is another one for each connection."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _client(forwarded: str, peer: str) -> str:
    """The last address in the chain that is not a trusted proxy: each one before it may be the client's invention."""
    for hop in reversed([_without_port(hop.strip()) for hop in forwarded.split(",") if hop.strip()]):
        if not _is_trusted(hop):
            return hop
    return peer


# Of what is no page nothing may load anything, should a browser be led to take it for one.
NO_PAGE_CSP = {
    "default-src": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
}


class BrowserMiddleware:
    """Tells browsers what to do with an answer, where the view has not.

    A page may load, run and use what settings.SECURE_CSP and PERMISSIONS_POLICY say; anything but a page may do
    nothing. None is kept anywhere, because nearly all show what is for one user, or for this moment, alone.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.page = policy(settings.SECURE_CSP)
        self.no_page = policy(NO_PAGE_CSP)
        self.permissions = ", ".join(f"{feature}={who}" for feature, who in settings.PERMISSIONS_POLICY.items())

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        headers = response.headers
        headers.setdefault("Cache-Control", "no-store")
        is_page = headers.get("Content-Type", "").startswith("text/html")
        if is_page:
            headers.setdefault("Permissions-Policy", self.permissions)
        # Django's pages for developers bring their own styles and scripts.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            headers.setdefault("Content-Security-Policy", self.page if is_page else self.no_page)
        return response


def policy(directives: dict[str, list[str]]) -> str:
    """The header's value."""
    return "; ".join(" ".join([name, *sources]) for name, sources in directives.items())


def unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    logger.error("The database does not answer: %s", error)
    response: HttpResponse
    if is_api(request):
        detail = "The database does not answer at the moment. Send the same request again in a few seconds."
        response = JsonResponse({"detail": detail, "code": "unavailable"}, status=503)
    else:
        detail = gettext("The database does not answer at the moment. Load the page again in a few seconds.")
        response = HttpResponse(detail, status=503, content_type="text/plain; charset=utf-8")
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


class UnavailableMiddleware(MiddlewareMixin):
    """Answers 503 with Retry-After while the database does not answer; the next request tries it again.

    Once it answers again so does the site, at once: a kept connection that broke meanwhile is replaced before a
    request is spent on finding that out.
    """

    def process_request(self, request: HttpRequest) -> None:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block and _has_word_from_database(connection) and not connection.is_usable():
                connection.close()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception) if isinstance(exception, UNAVAILABLE) else None


def _has_word_from_database(connection: BaseDatabaseWrapper) -> bool:
    """Whether there is anything to read on an idle connection, as there is when the other end has closed it.

    That is one system call; Django's own CONN_HEALTH_CHECKS asks the database before each request instead.
    """
    if connection.vendor != "postgresql" or connection.connection is None:
        return False
    try:
        idle = select.poll()
        idle.register(connection.connection.fileno(), select.POLLIN)
        return bool(idle.poll(0))
    except (psycopg.Error, OSError):  # psycopg knows already that it is closed.
        return True
