"""The thread in a real process: it starts, survives forks, and never keeps anybody waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from shm_sdk import SHMClient
from tests.server import answers

SOURCE = Path(__file__).parent.parent / "src"
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")


def run(program: str, server, folder, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """A program of its own, with `client` in it, that must end within so many seconds."""
    beginning = f"""
        import os, sys, threading
        from shm_sdk import Config, SHMClient
        client = SHMClient(Config({server.url!r}, "Ledger", "1.0.0", data_dir={str(folder)!r}))
    """
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(beginning) + textwrap.dedent(program), *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def runs_well(program: str, server, folder) -> bool:
    """It must say nothing: a warning is an error in it."""
    done = run(program, server, folder)
    return (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def client(config):
    client = SHMClient(config)
    yield client
    client.stop()


def test_it_reports_in_the_background(client, server):
    @client.set_provider
    def numbers():
        return {"thread": threading.current_thread() is threading.main_thread()}

    client.start()
    server.wait_for("/v1/snapshot")

    assert numbers() == {"thread": True}
    assert server.snapshots[0]["metrics"]["thread"] is False


def test_starting_twice_starts_one_thread(client, server):
    client.start()
    thread = client._thread
    client.start()

    assert client._thread is thread


def test_starting_and_stopping_wait_for_nobody(client, server):
    server.always["/v1/register"] = lambda handler: handler.server_.released.wait()
    client.start()
    client.stop()  # Would not come back.

    assert client._thread is None


def test_it_can_be_started_again_after_a_stop(client, server):
    client.start()
    server.wait_for("/v1/snapshot")
    client.stop()
    client.start()

    assert client._thread.is_alive()


def test_stopping_ends_the_thread(client, server):
    client.start()
    server.wait_for("/v1/snapshot")
    thread = client._thread
    client.stop()
    thread.join(10)

    assert not thread.is_alive()


def test_no_more_threads_can_be_made(client, monkeypatch, caplog):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    client.start()
    assert not client.send()


def test_sending_at_once_is_for_programs_that_end_soon(client, server):
    assert client.send()
    assert client.send()  # Nothing is due, and so nothing is left.
    assert len(server.snapshots) == 1


def test_a_program_that_starts_every_hour_reports_every_hour(make_reporter, server, clock):
    for seconds in (0, 3600, 3599, 3601, 3590):
        clock.pass_by(seconds)
        make_reporter(is_brief=True).tick()

    assert len(server.snapshots) == 5


def test_sending_tells_whether_it_has_worked(client, server):
    server.always["/v1/register"] = answers(503)

    assert not client.send()


@pytest.mark.parametrize("silence", ["never answers", "answers"])
def test_a_program_ends_as_if_there_were_no_telemetry(server, folder, silence):
    if silence == "never answers":
        server.always["/v1/register"] = lambda handler: handler.server_.released.wait()
    done = run("client.start(); print('done')", server, folder)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_provider_that_hangs_keeps_no_program_from_ending(server, folder):
    assert runs_well(
        """
        called = threading.Event()
        client.set_provider(lambda: called.set() or threading.Event().wait())
        client.start()
        assert called.wait(20)
        """,
        server,
        folder,
    )


@needs_forks
def test_workers_that_are_forked_go_on_reporting_as_one_installation(server, folder):
    """As a server does that loads the application first and forks its workers then."""
    assert runs_well(
        """
        client.start()
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                alive = client._thread is not None and client._thread.is_alive()
                os._exit(0 if alive else 1)
            children.append(child)
        for child in children:
            _, status = os.waitpid(child, 0)
            assert os.WEXITSTATUS(status) == 0
        """,
        server,
        folder,
    )


@needs_forks
def test_a_fork_made_during_a_report_keeps_the_others_from_nothing(server, folder):
    """It has a copy of the lock that its parent held, and lives long."""
    assert runs_well(
        """
        from shm_sdk.folder import Folder
        first, second = Folder(client.config), Folder(client.config)
        reading, writing = os.pipe()
        with first.lock() as is_ours:
            assert is_ours
            child = os.fork()
            if child == 0:
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
        with second.lock() as is_ours:
            assert is_ours
        os.close(writing)
        os.waitpid(child, 0)
        """,
        server,
        folder,
    )


@needs_forks
def test_a_fork_of_a_stopped_client_stays_silent(server, folder):
    assert runs_well(
        """
        client.start()
        client.stop()
        child = os.fork()
        if child == 0:
            os._exit(threading.active_count() - 1)
        assert os.waitpid(child, 0)[1] == 0
        """,
        server,
        folder,
    )


def test_processes_that_start_together_make_one_installation(server, folder):
    program = """
        client.set_provider(lambda: {"process": os.getpid()})
        from shm_sdk.reporter import Reporter
        reporter = Reporter(client.config, lambda: client.provider, 0.0)
        sys.stdin.readline()
        reporter.tick()
    """
    beginning = f"""
        import os, sys
        from shm_sdk import Config, SHMClient
        client = SHMClient(Config({server.url!r}, "Ledger", "1.0.0", data_dir={str(folder)!r}))
    """
    command = [sys.executable, "-c", textwrap.dedent(beginning) + textwrap.dedent(program)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    processes = [subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) for _ in range(5)]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.stdin.close()
        assert process.wait(30) == 0

    assert len(server.keys) == 1
    assert len(server.snapshots) == 1


def test_importing_it_costs_neither_tls_nor_http_nor_cryptography():
    heavy = "{'ssl', 'http.client', 'urllib.request', 'nacl', 'asyncio', 'django'}"
    program = f"import sys, shm_sdk; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
