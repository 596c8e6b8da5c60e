"""What would be sent, to the byte, without sending it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from shm_sdk import identity, transport, wire
from shm_sdk.config import Config
from shm_sdk.delivery import Delivery
from shm_sdk.folder import Unusable
from shm_sdk.identity import Identity
from shm_sdk.reporter import Reporter
from shm_sdk.state import Unsent
from shm_sdk.wire import Request

# A secret, and previews are shown to others. It is no part of what is signed.
SECRET_HEADER = "X-Enrolment-Token"  # noqa: S105 (its name, not its value)


@dataclass(frozen=True)
class Shown:
    title: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Preview:
    """`problem`: why this installation's own identity could not be used; "" if it could, or if there is none yet."""

    requests: list[Shown]
    is_example: bool
    problem: str
    waiting: int


def preview(reporter: Reporter) -> Preview:
    """Calls the provider. Writes nothing anywhere."""
    who, problem, waiting, is_known = None, "", 0, False
    try:
        who = identity.load(reporter.folder)
        if who is not None:
            unsent = Unsent.load(reporter.folder, reporter.clock())
            delivery = Delivery(reporter.server, reporter.folder, who, reporter.state(), unsent, has_new=False)
            is_known = delivery.state.registered == delivery.digest
            waiting = len(unsent.snapshots)
    except Unusable as error:
        problem = str(error)
    shown = list(_requests(reporter, who or Identity.generate(), is_known))
    return Preview(shown, who is None, problem, waiting)


def _requests(reporter: Reporter, who: Identity, is_known: bool) -> Iterator[Shown]:
    once = (
        "left out now, as the server knows it already" if is_known else "once, and again when something in it changes"
    )
    yield _shown(reporter.config, f"The registration, {once}", wire.register(who, reporter.config))
    yield _shown(reporter.config, "Its activation, right behind it", wire.activate(who))
    every = f"every {reporter.config.interval / 60:g} minutes"
    yield _shown(reporter.config, f"The numbers, {every}", wire.snapshot(who, reporter.snapshot()))


def _shown(config: Config, title: str, request: Request) -> Shown:
    url = config.url + request.path
    headers = {
        **transport.headers(request),
        # What urllib adds.
        "Host": urlsplit(url).netloc,
        "Content-Length": str(len(request.body)),
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if SECRET_HEADER in headers:
        headers[SECRET_HEADER] = "(the enrolment token)"
    return Shown(title, url, headers, request.body)
