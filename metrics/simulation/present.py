"""The demo's clock: which installation reports when, from now on. Reads the time, sleeps, and sends."""

import heapq
import itertools
import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http.client import HTTPException

from metrics.simulation.client import RETRY_SECONDS, Client, RefusedError, TryLaterError

# Well beyond the minute that the server's default limit asks for between two snapshots of one instance.
SHORTEST_PAUSE, LONGEST_PAUSE = 150, 330
# How soon to look again after an installation that is not up.
ASLEEP_PAUSE = 60


class Present:
    """Has each client report at once, in the order given, and then again every few minutes.

    `on_report` is called after a client's first report, be it stored or refused; `on_refusal` with each refusal,
    after which that client is left alone. A server that does not answer is asked again later.
    """

    def __init__(
        self, clients: Iterable[Client], on_report: Callable[[], object], on_refusal: Callable[[RefusedError], object]
    ) -> None:
        self._order = itertools.count()
        self._due = [(0.0, next(self._order), client) for client in clients]
        self._waiting = {client for _, _, client in self._due if client.installation.is_up(datetime.now(UTC))}
        self._on_report = on_report
        self._on_refusal = on_refusal

    @property
    def awaited(self) -> int:
        """How many are up and have not reported yet."""
        return len(self._waiting)

    def run_once(self, seconds: float) -> None:
        """Until every one that is up has reported, or so many seconds have passed; `awaited` says which."""
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            self._next(deadline)

    def run(self, seconds: float) -> None:
        """For so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._next(deadline)

    def _next(self, deadline: float) -> None:
        """Waits for the next report that is due, if it is so before the deadline, and sends it."""
        due = self._due[0][0] if self._due else deadline
        time.sleep(max(0.0, min(due, deadline) - time.monotonic()))
        if due > deadline or not self._due:
            return
        _, _, client = heapq.heappop(self._due)
        pause = self._send(client)
        if pause is not None:
            heapq.heappush(self._due, (time.monotonic() + pause, next(self._order), client))

    def _send(self, client: Client) -> float | None:
        """Has one client report. Returns the seconds to its next report; None if there shall be none."""
        now = datetime.now(UTC)
        if not client.installation.is_up(now):
            self._reported(client)
            return ASLEEP_PAUSE
        try:
            client.report(now)
        except TryLaterError as later:
            return later.seconds
        except RefusedError as refusal:
            self._reported(client)
            self._on_refusal(refusal)
            return None
        except (OSError, HTTPException):
            return RETRY_SECONDS
        self._reported(client)
        return random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE)  # noqa: S311 - spreads the load, nothing secret

    def _reported(self, client: Client) -> None:
        if client in self._waiting:
            self._waiting.remove(client)
            self._on_report()
