"""One installation's side of the wire protocol, over real HTTP with real signatures."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from metrics.simulation.installation import Installation

TIMEOUT_SECONDS = 10
# What to wait when the server says later, but not when.
RETRY_SECONDS = 10
# The demo's server is a local one; a proxy for the rest of the world does not know it.
_opener = build_opener(ProxyHandler({}))


class TryLaterError(Exception):
    """The server asks to wait: a limit, or its database is away."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The server asks to wait {seconds} s.")
        self.seconds = seconds


class RefusedError(Exception):
    """The server does not take it, and will not either when it is sent again."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.code = code


def is_healthy(url: str) -> bool:
    try:
        with _opener.open(f"{url}/api/v1/healthcheck", timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == HTTPStatus.OK)
    except (OSError, HTTPException):
        return False


def becomes_healthy(url: str, seconds: float) -> bool:
    """Whether the server answers, now or within so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_healthy(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


class Client:
    """Reports for one installation. `version` is what the server knows it to run, None if it does not know it yet."""

    def __init__(self, url: str, installation: Installation, version: str | None) -> None:
        self.url = url
        self.installation = installation
        self.version = version
        self._steps: list[Callable[[datetime], None]] = []

    def restart(self) -> None:
        """Has it register and activate before its next report, as real clients do at every start."""
        self._steps = [self._register, self._activate]

    def report(self, at: datetime) -> None:
        """Sends a snapshot of this moment, after a restart if there was one.

        Raises TryLaterError or RefusedError as the server answers, OSError or HTTPException when it does not. What of
        a start was done before is not done again: the next report goes on from there.
        """
        if self.version != self.installation.version(at) and not self._steps:
            self.restart()
        while self._steps:
            self._steps[0](at)
            del self._steps[0]
        metrics = self.installation.metrics(at)
        self._post_signed("/v1/snapshot", {"instance_id": self._id, "timestamp": at.isoformat(), "metrics": metrics})

    @property
    def _id(self) -> str:
        return str(self.installation.id)

    def _register(self, at: datetime) -> None:
        identity = {"instance_id": self._id, "public_key": self.installation.public_key}
        description = self.installation.description(at)
        self._post("/v1/register", {**identity, "app_name": self.installation.product.name, **description})
        self.version = description["app_version"]

    def _activate(self, at: datetime) -> None:
        self._post_signed("/v1/activate", {"action": "activate"})

    def _post_signed(self, path: str, body: dict[str, Any]) -> None:
        signature = self.installation.key.sign(_encode(body)).signature.hex()
        self._post(path, body, {"X-Instance-ID": self._id, "X-Signature": signature})

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        headers = {"Content-Type": "application/json", **(headers or {})}
        request = Request(self.url + path, _encode(body), headers)  # noqa: S310 - the command checks the scheme
        try:
            _opener.open(request, timeout=TIMEOUT_SECONDS).close()
        except HTTPError as error:
            with error:
                raise _refusal(error) from error


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _refusal(error: HTTPError) -> Exception:
    if error.code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        wait = error.headers.get("Retry-After", "")
        return TryLaterError(int(wait) if wait.isdecimal() else RETRY_SECONDS)
    try:
        answer = json.loads(error.read())
        return RefusedError(error.code, str(answer["code"]), str(answer["detail"]))
    except (ValueError, TypeError, KeyError):
        return RefusedError(error.code, "unknown", "The answer is not one of this server's.")
