"""What could not be sent waits on disk, within bounds, and goes out when the server is back."""

from __future__ import annotations

import json

import pytest

from shm_sdk.folder import Folder
from shm_sdk.state import MAX_AGE, Unsent
from shm_sdk.wire import MAX_BATCH, MAX_BATCH_BYTES, Snapshot, rfc3339
from tests.server import Handler, answers

HOUR = 3600.0


@pytest.fixture
def count():
    """A provider that says how often it was asked."""
    calls = []

    def numbers():
        calls.append(1)
        return {"count": len(calls)}

    return numbers


def be_away(server, is_away=True):
    for path in ("/v1/register", "/v1/activate", "/v1/snapshot", "/v1/snapshots"):
        server.always.pop(path, None)
        if is_away:
            server.always[path] = answers(503)


def offline_for(hours, reporter, server, clock):
    be_away(server)
    for _ in range(hours * 2):
        reporter.tick()
        clock.pass_by(HOUR / 2)
    be_away(server, False)
    server.requests.clear()
    clock.pass_by(2 * HOUR)


def test_what_waited_goes_in_one_request(make_reporter, make_config, server, clock, count, folder):
    reporter = make_reporter(count)
    offline_for(10, reporter, server, clock)
    reporter.tick()

    assert server.paths == ["/v1/register", "/v1/activate", "/v1/snapshot", "/v1/snapshots"]
    counts = [snapshot["metrics"]["count"] for snapshot in server.snapshots]
    assert counts == [counts[0], *range(1, counts[0])]  # The newest first: it says that the installation is alive.
    assert counts[0] >= 8
    assert not (folder / "ledger_shm_unsent.json").exists()


def test_the_times_are_those_at_which_the_numbers_were_right(make_reporter, server, clock, count):
    reporter, began = make_reporter(count), clock()
    offline_for(3, reporter, server, clock)
    reporter.tick()

    assert min(snapshot["timestamp"] for snapshot in server.snapshots) == rfc3339(began)
    assert len({snapshot["timestamp"] for snapshot in server.snapshots}) == len(server.snapshots)


@pytest.mark.parametrize("status", [404, 405, 400, 413])
def test_a_server_without_batches_gets_them_one_by_one(make_reporter, server, clock, count, status):
    reporter = make_reporter(count)
    offline_for(4, reporter, server, clock)
    server.always["/v1/snapshots"] = answers(status, b"404 page not found")
    reporter.tick()

    assert server.paths[3] == "/v1/snapshots"
    assert set(server.paths[4:]) == {"/v1/snapshot"}
    counts = [snapshot["metrics"]["count"] for snapshot in server.snapshots]
    assert counts == [counts[0], *range(1, counts[0])]


def test_one_by_one_as_far_as_the_server_lets_them(make_reporter, server, clock, count, folder):
    reporter = make_reporter(count)
    offline_for(6, reporter, server, clock)
    server.always["/v1/snapshots"] = answers(404)
    server.behaviours["/v1/snapshot"] = [Handler.behave, Handler.behave, answers(429, Retry_After="60")]
    reporter.tick()

    waiting = json.loads((folder / "ledger_shm_unsent.json").read_text())["snapshots"]
    counts = [snapshot["metrics"]["count"] for snapshot in server.snapshots]
    assert counts[1:] == [1]
    assert [snapshot["metrics"]["count"] for snapshot in waiting] == list(range(2, counts[0]))

    clock.pass_by(70)
    reporter.tick()

    assert sorted(snapshot["metrics"]["count"] for snapshot in server.snapshots) == list(range(1, counts[0] + 1))


def test_a_repetition_keeps_its_time_so_that_it_counts_once(make_reporter, server, clock):
    """The server has stored it, but its answer was lost."""

    def answer_nothing(handler):
        handler.close_connection = True

    server.behaviours["/v1/snapshot"] = [answer_nothing]
    reporter = make_reporter()
    reporter.tick()
    clock.pass_by(70)
    reporter.tick()

    first, second = (body for path, body in server.requests if path == "/v1/snapshot")
    assert first == second


def test_snapshots_that_are_refused_in_a_batch_wait_no_longer(make_reporter, server, clock, count, folder, caplog):
    reporter = make_reporter(count)
    offline_for(4, reporter, server, clock)
    rejected = [{"index": 0, "code": "timestamp_out_of_range", "detail": "Too old."}]
    server.always["/v1/snapshots"] = answers(202, {"accepted": 3, "duplicates": 0, "rejected": rejected})
    reporter.tick()

    assert not (folder / "ledger_shm_unsent.json").exists()
    assert "Too old." in caplog.text


def test_a_restart_loses_nothing_that_waits(make_reporter, server, clock, count):
    be_away(server)
    for _ in range(5):
        make_reporter(count).tick()
        clock.pass_by(2 * HOUR)
    be_away(server, False)
    make_reporter(count).tick()

    assert sorted(snapshot["metrics"]["count"] for snapshot in server.snapshots) == [1, 2, 3, 4, 5, 6]


def test_what_is_older_than_a_server_takes_is_forgotten(config, clock):
    folder = Folder(config)
    unsent = Unsent([])
    unsent.add(Snapshot(clock() - MAX_AGE - 1, {"old": 1}))
    unsent.add(Snapshot(clock() - MAX_AGE + 1, {"new": 1}))
    unsent.save(folder)

    assert [snapshot.metrics for snapshot in Unsent.load(folder, clock()).snapshots] == [{"new": 1}]


@pytest.mark.parametrize("size", [1, 20_000])
def test_no_more_waits_than_goes_into_one_batch(size):
    unsent = Unsent([])
    for number in range(MAX_BATCH + 20):
        unsent.add(Snapshot(float(number), {"number": number, "text": "x" * size}))
    snapshots = unsent.snapshots

    assert snapshots[-1].metrics["number"] == MAX_BATCH + 19
    assert [snapshot.timestamp for snapshot in snapshots] == sorted(snapshot.timestamp for snapshot in snapshots)
    assert len(snapshots) == MAX_BATCH if size == 1 else 0 < len(snapshots) * size <= MAX_BATCH_BYTES
