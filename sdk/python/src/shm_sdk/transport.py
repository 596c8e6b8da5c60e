"""One POST at a time over HTTP, with all that may go wrong there told as one kind of error."""

from __future__ import annotations

import email.utils
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from shm_sdk import __version__
from shm_sdk.folder import as_object
from shm_sdk.patience import Hanging, Patience
from shm_sdk.wire import Request

SOCKET_SECONDS = 10.0
# For a whole request: finding the host, TLS and an answer that arrives byte by byte included.
REQUEST_SECONDS = 30.0
MAX_ANSWER = 64 * 1024
PIECE = 64 * 1024
MAX_TEXT = 500
MAX_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}
MAX_WAIT = 24 * 3600.0


class Unreachable(Exception):
    """There was no answer. The text says why."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Empty if it is something else: what servers in front of a server answer is often HTML."""
        return as_object(self.content)

    @property
    def code(self) -> str:
        return str(self.json.get("code", ""))

    @property
    def text(self) -> str:
        """For people: the server's own sentence where it has one."""
        detail = self.said("detail")
        return f"{self.status}, {detail}" if detail else f"{self.status} {_phrase(self.status)}"

    def said(self, name: str) -> str:
        """A text of the answer, one line of it at most so long: it goes into logs and terminals."""
        value = self.json.get(name)
        return "".join(filter(str.isprintable, value))[:MAX_TEXT] if isinstance(value, str) else ""

    @property
    def time(self) -> float | None:
        """The server's clock, in seconds since 1970.

        Where a time was refused it stands in the answer. The Date may be a proxy's, whose clock nobody asked about.
        """
        said = _rfc3339(self.json.get("server_time")) if self.status == 400 else None
        return said or _seconds(self.headers.get("Date"))

    def retry_after(self, now: float) -> float | None:
        """Seconds to wait, as the server asks; at most a day, whatever it asks."""
        said = self.headers.get("Retry-After", "").strip()
        if said.isdigit():
            wait = float(said[:9])
        else:
            until = _seconds(said)
            if until is None:
                return None
            wait = until - (self.time or now)
        return min(max(wait, 0.0), MAX_WAIT)


class Transport:
    """Posts to one server. Raises nothing but Unreachable."""

    def __init__(self, url: str, seconds: float = REQUEST_SECONDS) -> None:
        self.url = url
        self._patience = Patience("The request", seconds)
        self._opener: urllib.request.OpenerDirector | None = None

    def post(self, request: Request, max_answer: int = MAX_ANSWER) -> Answer:
        url = self.url + request.path
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(url, request, max_answer)
            if answer.status not in REDIRECTS:
                return answer
            location = answer.headers.get("Location", "")
            if not _is_same_server(url, location):
                raise Unreachable(f"{url} redirects to {location[:200]!r}, another server; nothing was sent there.")
            url = urljoin(url, location)
        raise Unreachable(f"{self.url + request.path} redirects in a circle.")

    def _exchange(self, url: str, request: Request, max_answer: int) -> Answer:
        try:
            prepared = urllib.request.Request(url, request.body, headers(request), method="POST")  # noqa: S310 (http or https: Config)
            answer: Answer = self._patience.call(lambda: self._open(prepared, max_answer))
        except (Hanging, OSError, http.client.HTTPException, ValueError, RuntimeError) as error:
            raise Unreachable(f"{url} could not be reached: {_reason(error)}") from error
        return answer

    def _open(self, request: urllib.request.Request, max_answer: int) -> Answer:
        if self._opener is None:
            # The proxies of the environment are used, as everywhere else in Python. Reading the authorities that the
            # machine trusts takes longer than all else of a report, so it is done once.
            tls = urllib.request.HTTPSHandler(context=ssl.create_default_context())
            self._opener = urllib.request.build_opener(_NoRedirects, tls)
        try:
            response = self._opener.open(request, timeout=SOCKET_SECONDS)
        except urllib.error.HTTPError as error:  # Any status but 2xx.
            response = error
        with response:
            return Answer(response.status, response.headers, _content(response, max_answer))


def headers(request: Request) -> dict[str, str]:
    """Those that this client sets."""
    return {"Content-Type": "application/json", "User-Agent": f"shm-sdk-python/{__version__}", **request.headers}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would make a GET of a POST, and follow it to any host."""

    def http_error_302(self, *args: Any, **kwargs: Any) -> None:
        """Leaves it to whoever has asked."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _content(response: Any, most: int) -> bytes:
    """In pieces: before Python 3.11 a read takes as much memory as it might need."""
    pieces = []
    while most > 0:
        piece = response.read(min(most, PIECE))
        if not piece:
            break
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _is_same_server(url: str, location: str) -> bool:
    """The same host and port, or the same host by TLS now; never from TLS to plain HTTP."""
    try:
        old, new = urlsplit(url), urlsplit(urljoin(url, location))
        if (old.scheme, old.hostname, old.port) == (new.scheme, new.hostname, new.port):
            return True
        return (old.scheme, new.scheme, new.hostname) == ("http", "https", old.hostname)
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        error = inner
    return str(error) or type(error).__name__


def _phrase(status: int) -> str:
    return http.client.responses.get(status, "")


def _seconds(date: str | None) -> float | None:
    """Of an HTTP date (RFC 9110)."""
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _rfc3339(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
