"""The body of a signed request: read once, never beyond its bound, and parsed as the wire format says."""

from collections.abc import Mapping
from typing import IO, Any

from django.http import HttpRequest
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from instances.exceptions import BodyTooLarge, InvalidBody
from instances.wire import Malformed, parse_json


def read_body(request: HttpRequest, limit: int) -> None:
    """Makes `request.body` the body, if it has at most `limit` bytes; raises BodyTooLarge before reading it if not.

    Without a Content-Length (a chunked body) no more than the limit is read to find out. Django would take such a
    body for an empty one.
    """
    length = request.META.get("CONTENT_LENGTH")
    if length:
        if not length.isdecimal():
            raise InvalidBody("Content-Length is no number. Send the body's length in bytes.", "incomplete_body")
        if len(length) > 18 or int(length) > limit:  # int() itself refuses a number of thousands of digits.
            raise BodyTooLarge(limit)
        try:
            body = request.body
        except OSError as error:
            raise InvalidBody("The body ended early. Send all of it.", "incomplete_body") from error
        if len(body) < int(length):
            raise InvalidBody("The body is shorter than its Content-Length. Send all of it.", "incomplete_body")
        return
    body = b""
    if request.META.get("wsgi.input_terminated"):
        try:
            body = request.META["wsgi.input"].read(limit + 1)
        except Exception as error:  # Each server has errors of its own for chunks that are none.
            raise InvalidBody("The chunked body cannot be read. Send it whole.", "incomplete_body") from error
    if len(body) > limit:
        raise BodyTooLarge(limit)
    request._body, request._read_started = body, True  # type: ignore[attr-defined]
    request.META["CONTENT_LENGTH"] = str(len(body))


def parse_body(body: bytes) -> Any:
    """The body's JSON value. Raises InvalidBody, also for an empty body, which DRF takes for an empty object."""
    try:
        return parse_json(body)
    except Malformed as error:
        raise InvalidBody.of(error) from error


class WireParser(BaseParser):
    """Any media type: clients are free to leave it out, and the body is JSON or nothing."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return parse_body(stream.read())


class AlwaysJSON(BaseContentNegotiation):
    """Answers JSON whatever the client says it accepts; clients look at the status."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser:
        return parsers[0]  # type: ignore[no-any-return]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type
