import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import TConn

from shm_site import gathering
from shm_site.gathering import MAX_BODY_BYTES, MAX_HEAD_BYTES, RECEIVE_SECONDS, GatheringWorker, is_ready
from shm_site.healthcheck import answers
from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60
GET = b"GET /api/v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/register HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "ready"),
    [
        (b"", False),
        (GET[:-1], False),
        (GET, True),
        (POST + b"Content-Length: 2\r\n\r\n{", False),
        (POST + b"content-length:2\r\n\r\n{}", True),
        (POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), True),
        (POST + b"Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n", True),
        (CHUNKED, False),
        (CHUNKED + b"2\r\n{}\r\n", False),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", True),
        (CHUNKED + b"2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", True),
        (CHUNKED + b"0\r\n\r\n", True),
        (b"x" * MAX_HEAD_BYTES, False),
        (b"x" * (MAX_HEAD_BYTES + 1), True),
    ],
)
def test_a_request_is_ready_when_it_is_whole_or_will_be_refused(received, ready):
    assert is_ready(received) is ready


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A server with one process of two threads, and no database: what is asked here needs none."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SHM_DB_DSN")}
    environment |= {"DJANGO_SETTINGS_MODULE": "shm_site.settings", "SHM_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    environment |= {"SHM_HOST": "127.0.0.1", "PORT": str(port), "SHM_WORKERS": "1", "SHM_THREADS": "2"}
    (Path(environment["SHM_DATA_DIR"]) / "static").mkdir()
    gunicorn = ["gunicorn", "--config", "python:shm_site.gunicorn", "shm_site.wsgi"]
    with subprocess.Popen([sys.executable, "-m", *gunicorn], cwd=ROOT, env=environment) as server:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not answers("127.0.0.1", port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)


def connect(port, data=b""):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    connection.sendall(data)
    return contextlib.closing(connection)


def answer(connection):
    """The status line and the body of one answer."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
        return status, stream.read(int(headers["content-length"]))


@pytest.mark.server
@pytest.mark.parametrize("half", [b"", b"POST /v1/reg", POST + b"Content-Length: 100\r\n\r\n{", CHUNKED + b"5\r\n{"])
def test_half_sent_requests_hold_nobody_up(port, half):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(port, half))
        assert answers("127.0.0.1", port, timeout=5)


@pytest.mark.server
def test_a_request_in_pieces_is_answered_and_so_is_the_next(port):
    with connect(port) as connection:
        for _ in range(2):
            for byte in GET:
                connection.sendall(bytes([byte]))
            assert answer(connection) == (200, b'{"status":"ok"}')


@pytest.mark.server
def test_requests_sent_at_once_are_answered_in_turn(port):
    with connect(port, GET * 3) as connection, connection.makefile("rb") as stream:
        for _ in range(3):
            assert stream.readline().startswith(b"HTTP/1.1 200")
            while stream.readline() != b"\r\n":
                pass
            assert stream.read(len(b'{"status":"ok"}')) == b'{"status":"ok"}'


@pytest.mark.server
def test_whoever_ends_early_is_told(port):
    with connect(port, POST + b"Content-Length: 100\r\n\r\n{") as connection:
        connection.shutdown(socket.SHUT_WR)
        status, body = answer(connection)
    assert status == 400
    assert b"incomplete_body" in body


@pytest.mark.server
def test_a_body_far_too_large_is_refused_unread(port):
    with connect(port, POST + b"Content-Length: 99999999\r\n\r\n{") as connection:
        status, body = answer(connection)
    assert status == 413
    assert b"body_too_large" in body


@pytest.fixture
def worker(monkeypatch):
    """A worker without its main loop, which the test turns by hand, and a clock that the test sets."""
    worker = object.__new__(GatheringWorker)
    worker.cfg = SimpleNamespace(is_ssl=False)
    worker.poller = selectors.DefaultSelector()
    worker.pending_conns = deque()
    worker.gathering, worker.in_threads = {}, {}
    worker.alive, worker.nr_conns, worker.held = True, 0, 0
    worker.clock = 1000.0
    monkeypatch.setattr(gathering, "time", SimpleNamespace(monotonic=lambda: worker.clock))
    yield worker
    worker.poller.close()


@pytest.fixture
def connected(worker):
    """A function that connects a client to the worker and returns the client's end, and the connection."""
    with contextlib.ExitStack() as stack:

        def connected(data=b""):
            client, server = map(stack.enter_context, map(contextlib.closing, socket.socketpair()))
            client.settimeout(5)
            conn = TConn(worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
            worker.nr_conns += 1
            worker.enqueue_req(conn)
            if data:
                client.sendall(data)
                worker.gather(conn, server)
            return client, conn

        yield connected


def test_what_is_not_whole_in_time_is_dropped(worker, connected):
    client, _ = connected(POST)
    worker.clock += RECEIVE_SECONDS - 1
    _, late = connected(POST)
    worker.murder_pending()
    assert worker.nr_conns == 2
    worker.clock += 1
    worker.murder_pending()
    assert client.recv(1) == b""
    assert list(worker.gathering) == [late]
    assert (worker.nr_conns, worker.held) == (1, len(POST))


def test_a_worker_that_stops_waits_only_for_requests_that_have_begun(worker, connected):
    _, begun = connected(POST)
    connected()
    worker.alive = False
    worker.murder_pending()
    assert list(worker.gathering) == [begun]


def test_a_thread_that_waits_for_bytes_too_long_reads_the_end(worker):
    client, server = socket.socketpair()
    with client, server:
        conn = TConn(worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
        worker.in_threads[conn] = worker.clock + RECEIVE_SECONDS
        worker.clock += RECEIVE_SECONDS
        worker.murder_pending()
        assert server.recv(1) == b""
        server.sendall(b"answer")
        assert client.recv(6) == b"answer"


def test_what_is_held_in_all_is_bounded(worker, connected, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_HELD_BYTES", 2 * len(POST))
    connected(POST)
    connected(POST)
    client, _ = connected(POST)
    assert client.recv(1) == b""
    assert (worker.nr_conns, worker.held) == (2, 2 * len(POST))
