"""Clients as they are out there: each signs its snapshots, sends them, and after any failure the same bytes again."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.installation import Installation

PATIENCE_SECONDS = 60


class Reporter(threading.Thread):
    """An instance that registers and then reports, over one kept connection, until it is told to stop.

    `sent` and `acknowledged` are the timestamps' numbers: the snapshot `number` has {"number": number} as its metrics.
    """

    def __init__(self, port: int, first: datetime | None = None) -> None:
        super().__init__(daemon=True)
        self.installation = Installation()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self.first = first or datetime.now(UTC) - timedelta(days=1)
        self.sent: list[int] = []
        self.acknowledged: list[int] = []
        self.failures: list[str] = []  # Answers that were no acknowledgement, and exceptions.
        self.fatal: str | None = None
        self.told_to_stop = threading.Event()

    def at(self, number: int) -> datetime:
        return self.first + timedelta(milliseconds=number)

    def post(self, path: str, body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        data = json.dumps(body).encode()
        headers = {"X-Instance-ID": self.installation.id, "X-Signature": self.installation.sign(data)}
        self.connection.request("POST", path, data, headers)
        with self.connection.getresponse() as response:
            return response.status, dict(response.headers), response.read()

    def register(self) -> None:
        body = {"instance_id": self.installation.id, "public_key": self.installation.public_key, "app_name": "Ledger"}
        assert self.post("/v1/register", body)[0] == 201

    def snapshot(self, number: int) -> tuple[int, dict[str, str], bytes]:
        body = {
            "instance_id": self.installation.id,
            "timestamp": self.at(number).isoformat(),
            "metrics": {"number": number},
        }
        return self.post("/v1/snapshot", body)

    def insist(self, number: int) -> None:
        """Sends a snapshot until it is acknowledged, as clients may that have heard nothing."""
        self.sent.append(number)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                status, _, answer = self.snapshot(number)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                status, answer = 0, b""
                self.failures.append(type(error).__name__)
            if status == 202:
                assert json.loads(answer)["status"] in ("ok", "duplicate")
                self.acknowledged.append(number)
                return
            if status:
                self.failures.append(str(status))
            if 0 < status < 500:
                break
            time.sleep(0.02)  # The machine needs its time for what is to come back.
        raise AssertionError(f"snapshot {number} was never acknowledged: {self.failures[-3:]}")

    def run(self) -> None:
        number = 0
        try:
            while not self.told_to_stop.is_set():
                self.insist(number)
                if number % 5 == 0:  # Its acknowledgement may have been lost.
                    self.insist(number // 2)
                number += 1
        except BaseException as error:
            self.fatal = repr(error)


@contextlib.contextmanager
def reporting(port: int, instances: int) -> Iterator[list[Reporter]]:
    """Several at once. Afterwards all have stopped, with nothing of theirs unacknowledged."""
    reporters = [Reporter(port) for _ in range(instances)]
    for reporter in reporters:
        reporter.register()
        reporter.start()
    try:
        yield reporters
    finally:
        for reporter in reporters:
            reporter.told_to_stop.set()
        for reporter in reporters:
            reporter.join(2 * PATIENCE_SECONDS)
            reporter.connection.close()
    assert [reporter.fatal for reporter in reporters] == [None] * instances


def progress(reporters: list[Reporter], more: int) -> None:
    """Waits until each has had so many more acknowledged."""
    goals = [len(reporter.acknowledged) + more for reporter in reporters]
    until(lambda: all(len(r.acknowledged) >= goal or r.fatal for r, goal in zip(reporters, goals, strict=True)))
    assert not [reporter.fatal for reporter in reporters if reporter.fatal]


def until(condition, seconds: float = PATIENCE_SECONDS) -> float:
    """Waits for it, and returns for how long."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it has not come about in time"
        time.sleep(0.01)
    return time.monotonic() - began
