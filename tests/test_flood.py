"""The real server under clients that mean ill: hundreds that stop half-way, bodies without end, more than it holds."""

import contextlib
import itertools
import json
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shm_site.arriving import MAX_BODY_BYTES
from shm_site.gathering import MAX_HELD_BYTES
from tests.gunicorn_server import gunicorn_server, migrated_database
from tests.load import Reporter

pytestmark = pytest.mark.server

MIB = 1024 * 1024
CONNECTIONS = 500
# Under siege a snapshot takes no longer than without; if it had to wait for those who stand around, it would be 15.
ANSWER_SECONDS = 5

HEAD = b"POST /v1/snapshot HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /api/v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIEGES = {
    "nothing": b"",
    "half a request line": b"POST /v1/snap",
    "half the headers": HEAD + b"X-Instance-ID: 97ec0787",
    "half a body": HEAD + b"Content-Length: 60000\r\n\r\n{",
    "half a body, expecting a word": HEAD + b"Content-Length: 60000\r\nExpect: 100-continue\r\n\r\n",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
    "chunks that look like the end": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n{\r\n0\r\n\r\n",
    "half a request behind a whole one": GET + HEAD,
}


@pytest.fixture(scope="module", autouse=True)
def enough_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def database():
    with migrated_database() as database:
        yield database


@contextlib.contextmanager
def small_server(database, **variables):
    """One process of two threads, which are easily taken up."""
    variables = {"SHM_WORKERS": "1", "SHM_THREADS": "2", "SHM_RATELIMIT_ENABLED": "false", **variables}
    with gunicorn_server(database, **variables) as server:
        yield server


@pytest.fixture(scope="module")
def server(database):
    with small_server(database) as server:
        yield server


numbers = itertools.count()


def assert_snapshots_are_taken(server):
    """A client that comes now registers and reports, in time."""
    reporter = Reporter(server.port)
    try:
        began = time.monotonic()
        reporter.register()
        assert reporter.snapshot(next(numbers))[0] == 202
        assert time.monotonic() - began < ANSWER_SECONDS
    finally:
        reporter.connection.close()


@contextlib.contextmanager
def connected(server, count, data):
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            connections.append(stack.enter_context(contextlib.closing(connection)))
            connection.sendall(data)
        yield connections


def still_open(connection):
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.settimeout(20)
    return False


@pytest.mark.parametrize("siege", SIEGES)
def test_hundreds_that_stop_half_way_hold_nobody_up(server, siege):
    with connected(server, CONNECTIONS, SIEGES[siege]) as connections:
        assert_snapshots_are_taken(server)
        # They were there all the while: it is not by turning them away that the server bears them.
        assert all(map(still_open, connections))


def test_hundreds_that_send_a_byte_at_a_time_hold_nobody_up(server):
    whole = HEAD + b"X-Slow: " + b"x" * 100
    with connected(server, CONNECTIONS, b"") as connections:
        for byte in whole[:20]:
            for connection in connections:
                connection.sendall(bytes([byte]))
            assert_snapshots_are_taken(server)
        assert all(map(still_open, connections))


def test_hundreds_that_read_no_answer_hold_nobody_up(server):
    with connected(server, 100, GET * 100):
        assert_snapshots_are_taken(server)


def test_more_than_it_has_room_for_hold_nobody_up(database):
    with (
        small_server(database, GUNICORN_CMD_ARGS="--worker-connections 50") as server,
        connected(server, 3 * 50, SIEGES["half a body"]) as connections,
    ):
        assert_snapshots_are_taken(server)
        assert 10 < sum(map(still_open, connections)) < 50


def peaks(server):
    """The most memory, in bytes, that each of its processes has ever had."""
    return {
        pid: next(
            int(line.split()[1]) * 1024
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmHWM:")
        )
        for pid in server.workers()
    }


@contextlib.contextmanager
def no_growth(server, bound):
    before = peaks(server)
    yield
    after = peaks(server)
    assert after.keys() == before.keys()
    growth = {pid: after[pid] - before[pid] for pid in before}
    assert max(growth.values()) < bound, growth


@pytest.fixture(scope="module")
def warm(server):
    """A server that has seen bodies of every size that it takes, so that what it grows by afterwards is by excess."""
    for _ in range(3):
        assert_snapshots_are_taken(server)
        for size in (60_000, MAX_BODY_BYTES):
            with connected(server, 4, HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size) as connections:
                assert all(status_of(connection) in (401, 413) for connection in connections)
    return server


def status_of(connection):
    """The last answer's status; None if the connection has ended without one."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in received:
            if not (data := connection.recv(65536)):
                break
            received += data
    return int(received.split()[1]) if received else None


def pour(server, head, bodies):
    """Sends it all, or as much as the server lets it. Returns the status, and how many bytes of the body went out."""
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            for body in bodies:
                connection.sendall(body)
                sent += len(body)
        return status_of(connection), sent


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("framing", ["length", "chunks", "one chunk", "chunks of a byte", "trailers", "headers"])
def test_a_body_without_end_takes_no_memory(warm, framing, signed):
    size = 200 * MIB
    head = HEAD + (b"X-Instance-ID: %s\r\nX-Signature: %s\r\n" % (b"0" * 36, b"a" * 128) if signed else b"")
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    block = b"x" * 65536
    head, block = {
        "length": (head + b"Content-Length: %d\r\n\r\n" % size, block),
        "chunks": (chunked, b"10000\r\n" + block + b"\r\n"),
        "one chunk": (chunked + b"%x\r\n" % size, block),
        "chunks of a byte": (chunked, b"1\r\nx\r\n" * 10_000),
        "trailers": (chunked + b"0\r\n", b"X: " + block + b"\r\n"),
        "headers": (head, b"X: " + block + b"\r\n"),
    }[framing]

    with no_growth(warm, 16 * MIB), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: pour(warm, head, itertools.repeat(block, size // len(block))), range(4)))

    expected = {"trailers": {400, 401}, "headers": {431}}.get(framing, {413})
    for status, sent in results:
        assert status in expected | {None}
        assert sent < size / 4
    assert_snapshots_are_taken(warm)


def test_what_half_sent_bodies_hold_in_all_is_bounded(database):
    half = HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES + b"x" * 900_000
    count = 4 * MAX_HELD_BYTES // len(half)
    with small_server(database) as server:
        assert_snapshots_are_taken(server)
        with no_growth(server, 3 * MAX_HELD_BYTES), connected(server, count, half) as connections:
            assert_snapshots_are_taken(server)
            assert count / 8 < sum(map(still_open, connections)) < count


def test_what_is_refused_unread_says_why(warm):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", warm.port), timeout=20) as connection:
        connection.sendall(head + b"%x\r\n" % (MAX_BODY_BYTES + 1))  # And no more: it is enough to know.
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"
