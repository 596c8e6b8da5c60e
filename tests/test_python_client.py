"""The Python client and the real server, over real HTTP."""

import time

import pytest
from shm_sdk import Config, SHMClient, identity
from shm_sdk.consent import CI_VARIABLES
from shm_sdk.delivery import Delivery
from shm_sdk.reporter import Reporter
from shm_sdk.state import State, Unsent
from shm_sdk.transport import Unreachable

from tests.gunicorn_server import gunicorn_server, migrated_database

pytestmark = pytest.mark.server

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _no_build_service(monkeypatch):
    for variable in (*CI_VARIABLES, "DO_NOT_TRACK", "SHM_COLLECT_SYSTEM_METRICS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def database():
    with migrated_database() as database:
        yield database


@pytest.fixture
def server(database):
    with gunicorn_server(database, SHM_WORKERS="1") as server:
        yield server


class Process:
    """One process of an application, whose clock says what a test wants."""

    def __init__(self, server, folder, version="1.0.0"):
        self.now = time.time()
        self.calls = 0
        config = Config(f"http://127.0.0.1:{server.port}/", "Ledger", version, data_dir=folder)
        self.reporter = Reporter(config, lambda: self.numbers, 0.0, lambda: self.now)

    def numbers(self):
        self.calls += 1
        return {"documents_created": self.calls}

    def report(self, after=0.0):
        """Whether all was sent."""
        self.now += after
        self.reporter.tick()
        return self.reporter.has_sent_all


def stored(server):
    return server.query("SELECT timestamp, metrics FROM metrics_snapshot ORDER BY timestamp")


def instances(server):
    return server.query("SELECT state, app_version FROM instances_instance")


def test_a_first_report_makes_an_active_instance(server, tmp_path):
    assert Process(server, tmp_path).report()

    assert instances(server) == [("active", "1.0.0")]
    assert len(stored(server)) == 1


def test_a_program_that_ends_soon_does_the_same(server, tmp_path):
    client = SHMClient(Config(f"http://127.0.0.1:{server.port}", "Ledger", "1.0.0", data_dir=tmp_path))
    client.set_provider(lambda: {"documents_created": 7})

    assert client.send()
    assert len(stored(server)) == 1


def test_a_restart_says_nothing_and_an_upgrade_its_version(server, tmp_path):
    Process(server, tmp_path).report()
    Process(server, tmp_path).report(after=60)
    assert len(stored(server)) == 1

    Process(server, tmp_path, "1.1.0").report(after=60)

    assert instances(server) == [("active", "1.1.0")]
    assert len(stored(server)) == 1


def test_what_waited_is_stored_with_its_own_times(server, tmp_path):
    process = Process(server, tmp_path)
    process.now -= 20 * HOUR
    post, process.reporter.server.post = process.reporter.server.post, offline
    for _ in range(10):
        assert not process.report(after=1.8 * HOUR)
    process.reporter.server.post = post

    assert process.report(after=2 * HOUR)

    times = [timestamp for timestamp, _ in stored(server)]
    assert len(times) == process.calls == len(set(times)) == 11


def offline(request):
    raise Unreachable("The test is offline.")


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_an_installation_with_a_wrong_clock_counts(server, tmp_path, days):
    process = Process(server, tmp_path)
    process.now += days * 24 * HOUR
    assert process.report()

    assert len(stored(server)) == 1
    assert server.query("SELECT count(*) FROM instances_instance WHERE wrong_clock_at IS NOT NULL") == [(0,)]


def test_a_limit_of_the_server_is_kept_to(server, tmp_path):
    process = Process(server, tmp_path)
    process.report()
    assert process.reporter.turn(is_forced=True)
    process.reporter.turn(is_forced=True)
    assert not process.reporter.has_sent_all

    state = process.reporter.state()
    assert "429" in state.problem
    assert 1 <= state.not_before - process.now <= 70


def test_a_server_that_does_not_know_it_gets_to_know_it(server, tmp_path):
    """It has been put back from a backup, or begun anew; the client believes that it is registered there."""
    process = Process(server, tmp_path)
    folder = process.reporter.folder
    believed = State(server_url=process.reporter.config.url)
    believed.registered = Delivery(
        process.reporter.server, folder, identity.load_or_create(folder), believed, Unsent([]), has_new=False
    ).digest
    believed.save(folder)
    assert process.report()

    assert instances(server) == [("active", "1.0.0")]
    assert len(stored(server)) == 1
