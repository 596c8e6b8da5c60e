"""202 means stored: also when gunicorn's workers are killed and PostgreSQL falls over while clients report."""

import json
import os
import signal
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.gunicorn_server import GunicornServer, migrate
from tests.load import Reporter, progress, reporting, until
from tests.postgres import server as postgresql

pytestmark = [pytest.mark.server, pytest.mark.postgres]

THREADS = 4


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL of its own, which the tests may kill."""
    with postgresql() as database:
        with tempfile.TemporaryDirectory() as folder:
            migrate(Path(folder), database.url)
        yield database


@pytest.fixture(params=[2], ids=lambda workers: f"{workers}-workers")
def server(request, database, tmp_path):
    variables = {"SHM_RATELIMIT_ENABLED": "false", "SHM_WORKERS": str(request.param), "SHM_THREADS": str(THREADS)}
    server = GunicornServer(tmp_path, database.url, "shm_site.wsgi", **variables)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def check_what_is_stored(database, reporters):
    """Everything that was acknowledged, once; nothing that was not sent; and the newest as the instance's latest."""
    with psycopg.connect(database.url) as connection:
        for reporter in reporters:
            rows = connection.execute(
                "SELECT timestamp, metrics::text FROM metrics_snapshot WHERE instance_id = %s",
                [reporter.installation.id],
            ).fetchall()
            stored = Counter((timestamp, json.loads(metrics)["number"]) for timestamp, metrics in rows)
            assert stored == {(reporter.at(number), number): 1 for number in set(reporter.sent)}
            assert set(reporter.acknowledged) == set(reporter.sent)
            newest, oldest = max(rows), min(rows)
            latest = connection.execute(
                "SELECT last_report_at, metrics::text, first_report_at, state FROM instances_instance WHERE id = %s",
                [reporter.installation.id],
            ).fetchone()
            assert (latest[0], json.loads(latest[1])) == (newest[0], json.loads(newest[1]))
            assert latest[2:] == (oldest[0], "active")


def failures(reporters):
    return Counter(failure for reporter in reporters for failure in reporter.failures)


def test_workers_that_are_killed_lose_nothing_that_was_acknowledged(database, server):
    with reporting(server.port, 6) as reporters:
        for _ in range(6):
            progress(reporters, 5)
            [victim, *others] = server.workers()
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: is_gone(victim))
            until(lambda others=others, victim=victim: len(set(server.workers()) - {victim}) > len(others), seconds=20)
        progress(reporters, 5)

    assert failures(reporters).keys() & {"RemoteDisconnected", "ConnectionResetError"}
    check_what_is_stored(database, reporters)


def test_a_database_that_falls_over_loses_nothing_that_was_acknowledged(database, server):
    workers = server.workers()
    with reporting(server.port, 6) as reporters:
        for _ in range(3):
            progress(reporters, 10)
            database.stop(signal.SIGQUIT)
            page = server.send("GET", "/", headers={"Cookie": f"sessionid={'a' * 32}"})
            database.start()
        progress(reporters, 10)

    assert (page.status, page.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert failures(reporters)["503"]
    assert failures(reporters).keys() == {"503"}
    assert server.workers() == workers
    check_what_is_stored(database, reporters)


def all_at_once(reporters, number):
    with ThreadPoolExecutor(len(reporters)) as pool:
        return list(pool.map(lambda reporter: reporter.snapshot(number), reporters))


@pytest.mark.parametrize("server", [1], indirect=True, ids=["1-worker"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_database_that_is_away_is_told_at_once_and_missed_no_longer_than_it_is(database, server, how):
    # More clients at once than there are threads, so that each thread has a connection that breaks.
    reporters = [Reporter(server.port) for _ in range(3 * THREADS)]
    try:
        for reporter in reporters:
            reporter.register()
        assert {status for status, _, _ in all_at_once(reporters, 0)} == {202}

        database.stop(how)
        try:
            began = time.monotonic()
            # One only: it finds one of the broken connections, and leaves the other threads' as they are.
            status, headers, answer = reporters[0].snapshot(1)
            took = time.monotonic() - began
            healthy = server.send("GET", "/api/v1/healthcheck")
        finally:
            database.start()
        back = [all_at_once(reporters, number) for number in range(1, 4)]
    finally:
        for reporter in reporters:
            reporter.connection.close()

    assert (status, json.loads(answer)["code"]) == (503, "unavailable")
    assert int(headers["Retry-After"]) >= 1
    assert took < 2
    assert healthy.status == 200
    # Not one of them pays for the connections that broke meanwhile.
    assert {status for answers in back for status, _, _ in answers} == {202}
