"""What is answered to requests that never reach the site: JSON in the shape of the API's own refusals."""

import json
from http import HTTPStatus
from typing import NamedTuple

from gunicorn.http import errors  # type: ignore[import-untyped]
from gunicorn.util import http_date  # type: ignore[import-untyped]

from shm_site.arriving import MAX_BODY_BYTES, MAX_HEAD_BYTES, State

# From a request's first byte, or a new connection's beginning, until it is whole.
RECEIVE_SECONDS = 15.0


class Refusal(NamedTuple):
    status: HTTPStatus
    code: str
    detail: str

    def answer(self) -> bytes:
        """All of it, from the status line on. The connection ends with it."""
        body = json.dumps({"detail": self.detail, "code": self.code}, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nDate: {http_date()}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


TOO_LARGE = {
    State.HEAD_TOO_LARGE: Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes. Send fewer.",
    ),
    State.BODY_TOO_LARGE: Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body is larger than {MAX_BODY_BYTES} bytes. Send a smaller one.",
    ),
}
TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    f"The request has not arrived whole within {RECEIVE_SECONDS:g} seconds. Send it again, all at once.",
)
ENDED_EARLY = Refusal(HTTPStatus.BAD_REQUEST, "incomplete_body", "The request ended early. Send all of it.")
FAILED = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal_error",
    "The server failed; its log says where. Send the same request again later.",
)

# The parser's other complaints are 400, also the unknown coding that gunicorn answers with 501: no retry would help.
_STATUSES = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
_OWN_FAULTS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)


def of_parser(error: Exception) -> Refusal | None:
    """What the client has done wrong; None if it is not the client's fault."""
    if not isinstance(error, errors.ParseException) or isinstance(error, _OWN_FAULTS):
        return None
    status = _STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
    return Refusal(status, "malformed_request", f"The request is not valid HTTP/1.1: {error}. Set your client right.")
