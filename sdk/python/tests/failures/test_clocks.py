"""Clocks that are wrong are set right by the server's."""

from __future__ import annotations

import pytest

from shm_sdk.wire import rfc3339
from tests.server import answers

HOUR = 3600.0


@pytest.mark.parametrize("hours", [-24 * 400, -24, -1, 1, 24, 24 * 400])
def test_a_wrong_clock_is_set_right_by_the_servers(make_reporter, server, clock, hours):
    server.clock = lambda: clock() + hours * HOUR
    make_reporter().tick()

    (snapshot,) = server.snapshots
    assert snapshot["timestamp"][:16] == rfc3339(server.clock())[:16]


def test_a_clock_that_is_wrong_by_seconds_is_right(make_reporter, server, clock):
    server.clock = lambda: clock() + 20
    make_reporter().tick()

    assert server.snapshots[0]["timestamp"] == rfc3339(clock())


def test_a_snapshot_with_a_wrong_time_is_sent_again_with_the_right_one(make_reporter, server, clock):
    reporter = make_reporter()
    reporter.tick()
    clock.pass_by(2 * HOUR)
    right = clock() + 24 * HOUR
    server.clock = lambda: right
    server.behaviours["/v1/snapshot"] = [answers(400, {"detail": "Too old.", "code": "timestamp_out_of_range"})]
    reporter.tick()

    assert server.snapshots[-1]["timestamp"] == rfc3339(right)
