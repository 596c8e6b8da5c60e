"""What people need and client programs do not: sessions, users, messages, compression. The API's requests go past them.

An installation's request carries a signature and no cookie, and what these would make ready for it (a session store,
two message stores, each with a signer of its own) takes about as long as to check that signature.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponseBase
from django.middleware import gzip
from django.utils.deprecation import MiddlewareMixin

from shm_site.middleware import GetResponse, is_api
from shm_site.stack import roomy


class ForPages(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if is_api(request) else super().__call__(request)


class RoomMiddleware:
    """Templates nest deeply; what the API does fits into the stack as it is."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.get_page = roomy(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request) if is_api(request) else self.get_page(request)


class SessionMiddleware(ForPages, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(ForPages, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPages, messages.MessageMiddleware):
    pass


class GZipMiddleware(ForPages, gzip.GZipMiddleware):
    """A page of 90 KB is 12 KB compressed. What is streamed stays streamed."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if getattr(response, "is_uncompressed", False):
            return response
        return super().process_response(request, response)


def uncompressed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages that show a secret more than once: beside it stands the page's own address, which anybody can choose.

    The length of a compressed page would tell who reads along how much of the secret is in the address (BREACH).
    """

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(*args, **kwargs)
        response.is_uncompressed = True  # type: ignore[attr-defined] # A mark for the middleware above.
        return response

    return answered
