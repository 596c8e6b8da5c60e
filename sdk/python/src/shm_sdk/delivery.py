"""One conversation with the server: registers where that is due, and sends what waits."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import Callable

from shm_sdk import consent, rotation, wire
from shm_sdk.config import Config
from shm_sdk.folder import Folder
from shm_sdk.identity import Identity
from shm_sdk.state import State, Unsent
from shm_sdk.transport import MAX_ANSWER, MAX_WAIT, Answer, Transport, Unreachable
from shm_sdk.wire import Request, Snapshot

logger = logging.getLogger("shm_sdk")

FIRST_PAUSE = 60.0
# Clocks that differ less than that are taken as right: answers take their time.
TOLERANCE = 60.0
MAX_PROBLEM = 1000
OK = {200, 201, 202}
# What no server takes of this snapshot, however often it is sent.
UNACCEPTABLE = {400, 413, 422}
UNAUTHORISED = {401, 403}
NO_SUCH_ENDPOINT = {404, 405}


class Refused(Exception):
    """The server has answered, and it was not yes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


class Withdrawn(Exception):
    """The user has said no meanwhile."""


class Server:
    """The server as one installation speaks to it. `offset`: so many seconds its clock is ahead of ours."""

    def __init__(self, config: Config, transport: Transport, clock: Callable[[], float]) -> None:
        self.config = config
        self.transport = transport
        self.clock = clock
        self.offset = 0.0

    def now(self) -> float:
        """By the server's clock if ours is off: an installation with a wrong one shall count all the same."""
        return self.clock() + self.offset

    def post(self, request: Request) -> Answer:
        """Raises Unreachable and Withdrawn."""
        refusal = consent.refusal(self.config)
        if refusal:
            raise Withdrawn(refusal)
        return self.ask(request)

    def ask(self, request: Request, max_answer: int = MAX_ANSWER) -> Answer:
        """Whatever is switched off: for what users themselves ask of a server. Raises Unreachable."""
        answer = self.transport.post(request, max_answer)
        if answer.time is not None:
            offset = answer.time - self.clock()
            self.offset = offset if abs(offset) > TOLERANCE else 0.0
        return answer


class Delivery:
    """`state` and `unsent` are brought up to date; saving them is the caller's. Call `run` once.

    `has_new`: whether the newest of the unsent has just been taken. `has_sent`: whether the server has taken any.
    """

    def __init__(
        self, server: Server, folder: Folder, who: Identity, state: State, unsent: Unsent, has_new: bool
    ) -> None:
        self.server = server
        self.config = server.config
        self.folder = folder
        self.identity = who
        self.state = state
        self.unsent = unsent
        self.has_new = has_new
        self.has_sent = False
        self._has_registered = False

    @property
    def digest(self) -> str:
        """Changes with whatever a registration tells, and with the server that it tells it to."""
        registration = wire.register(self.identity, self.config)
        return hashlib.sha256(self.config.url.encode() + b"\n" + registration.body).hexdigest()

    @property
    def is_due(self) -> bool:
        return bool(self.unsent.snapshots) or self.state.registered != self.digest

    def run(self) -> bool:
        """Whether all is sent. Raises Unusable."""
        try:
            if self.state.registered != self.digest:
                self._register()
            if self.unsent.snapshots:
                self._send_newest()
            if self.unsent.snapshots:
                self._send_older()
        except Withdrawn as error:
            self.unsent.snapshots.clear()
            logger.info("Telemetry has been stopped: %s", error)
            return False
        except Unreachable as error:
            self._pause(str(error), None)
            return False
        except Refused as refusal:
            self._refused(refusal.answer)
            return False
        if self.state.failures:
            logger.info("Telemetry reaches %s again.", self.config.url)
        self.state.failures, self.state.not_before = 0, 0.0
        return True

    def _register(self) -> None:
        """Raises Refused."""
        self._has_registered = True
        answer = self.server.post(wire.register(self.identity, self.config))
        if answer.status not in OK and not (answer.code == "key_conflict" and self._finish_rotation()):
            raise Refused(answer)
        activated = self.server.post(wire.activate(self.identity))
        # The Go server answers 500 to whom it has activated before. What else is no 200 is asked again next time; the
        # snapshot that follows says that this installation is alive in any case.
        self.state.registered = self.digest if activated.status in {200, 500} else ""

    def _send_newest(self) -> None:
        snapshots = self.unsent.snapshots
        if self.has_new:
            # The registration's answer may just have told that our clock is wrong. Later it keeps its time, whatever
            # comes: by it the server knows a snapshot that it has got already.
            snapshots[-1] = Snapshot(round(self.server.now(), 3), snapshots[-1].metrics)
        answer = self._post_signed(lambda: self._snapshot(snapshots[-1]))
        if answer.code == "timestamp_out_of_range":
            self._set_right()
            answer = self._post_signed(lambda: self._snapshot(snapshots[-1]))
        self._sent(answer, snapshots[-1:])

    def _set_right(self) -> None:
        """All that waits was stamped by the same wrong clock."""
        shift = self.server.now() - self.unsent.snapshots[-1].timestamp
        self.unsent.snapshots[:] = [Snapshot(each.timestamp + shift, each.metrics) for each in self.unsent.snapshots]

    def _send_older(self) -> None:
        """In one request where the server has the endpoint, else one by one from the oldest, as far as it lets us."""
        waiting = list(self.unsent.snapshots)
        answer = self._post_signed(lambda: wire.snapshots(self.identity, waiting))
        if answer.status not in NO_SUCH_ENDPOINT | UNACCEPTABLE:
            self._sent(answer, waiting)
            return
        for snapshot in waiting:
            self._sent(self._post_signed(partial(self._snapshot, snapshot)), [snapshot])

    def _snapshot(self, snapshot: Snapshot) -> Request:
        return wire.snapshot(self.identity, snapshot)

    def _sent(self, answer: Answer, snapshots: list[Snapshot]) -> None:
        """Takes off the list what needs no sending any more. Raises Refused."""
        if answer.status not in OK | UNACCEPTABLE:
            raise Refused(answer)
        for snapshot in snapshots:
            self.unsent.snapshots.remove(snapshot)
        if answer.status in UNACCEPTABLE:
            self._tell(f"{self.config.url} does not take a snapshot, which is dropped: {answer.text}")
            return
        self.has_sent = True
        self.state.problem = ""
        self.state.last_sent = self.server.clock()
        self.state.latest_version = answer.said("latest_version")
        self.state.notice = answer.said("notice")
        rejected = answer.json.get("rejected")
        if rejected:
            logger.warning("%s has not taken all snapshots that waited: %.500s", self.config.url, rejected)

    def _post_signed(self, build: Callable[[], Request]) -> Answer:
        """Whoever is not known (any more) registers, and tries once more."""
        answer = self.server.post(build())
        if answer.status in UNAUTHORISED and answer.code != "revoked" and not self._has_registered:
            self._register()
            answer = self.server.post(build())
        if answer.status in UNAUTHORISED and answer.code != "revoked" and self._finish_rotation():
            answer = self.server.post(build())
        return answer

    def _finish_rotation(self) -> bool:
        """Whether a rotation that was cut off had reached the server, whose key is the new one then."""
        new = rotation.finish(self.folder, self.identity, self.server.post)
        if new is None:
            return False
        self.identity = new
        return True

    def _refused(self, answer: Answer) -> None:
        problem = f"{self.config.url} refuses: {answer.text}"
        if answer.code == "revoked":
            self.unsent.snapshots.clear()
            self._pause(problem, MAX_WAIT)
        elif 400 <= answer.status < 500 and answer.status not in {408, 429}:
            self.state.registered = ""
            self._pause(problem, answer.retry_after(self.server.clock()) or self.config.interval)
        else:
            self._pause(problem, answer.retry_after(self.server.clock()))

    def _pause(self, problem: str, wait: float | None) -> None:
        """Twice as long after each failure, up to the interval, unless it is known how long."""
        self._tell(problem)
        self.state.failures += 1
        if wait is None:
            longest = max(self.config.interval, FIRST_PAUSE)
            wait = min(FIRST_PAUSE * 2.0 ** min(self.state.failures - 1, 20), longest)
        # Those that were refused at one moment do not all come back at one moment.
        self.state.not_before = self.server.clock() + wait * (1 + self.identity.fraction / 10)

    def _tell(self, problem: str) -> None:
        """A warning for the first of a row of failures; the others are for those who look for them."""
        level = logging.DEBUG if self.state.problem else logging.WARNING
        # In front, because problems end as whoever has reported them liked to end them.
        logger.log(level, "What is not sent waits, and the application is not affected: %s", problem)
        self.state.problem = problem[:MAX_PROBLEM]
