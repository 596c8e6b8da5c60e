import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from shm_site import connection, gathering
from shm_site.arriving import MAX_BODY_BYTES, MAX_HEAD_BYTES
from shm_site.connection import SEND_SECONDS, Connection, Outlet
from shm_site.gathering import LINGER_BYTES, LINGER_SECONDS, GatheringWorker
from shm_site.healthcheck import answers
from shm_site.refusals import RECEIVE_SECONDS
from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60
GET = b"GET /api/v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/register HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def serving(application, data, **variables):
    """The port of a server with one process of two threads, and no database: what is asked here needs none."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SHM_DB_DSN")}
    environment |= {"DJANGO_SETTINGS_MODULE": "shm_site.settings", "SHM_DATA_DIR": str(data)}
    environment |= {"SHM_HOST": "127.0.0.1", "PORT": str(port), "SHM_WORKERS": "1", "SHM_THREADS": "2", **variables}
    (data / "static").mkdir(parents=True)
    gunicorn = ["gunicorn", "--config", "python:shm_site.gunicorn", application]
    with subprocess.Popen([sys.executable, "-m", *gunicorn], cwd=ROOT, env=environment) as server:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not answers("127.0.0.1", port) and server.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with serving("shm_site.wsgi", tmp_path_factory.mktemp("data")) as port:
        yield port


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
@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"POST /v1/reg",
        POST + b"Content-Length: 100\r\n\r\n{",
        POST + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        CHUNKED + b"5\r\n{",
        CHUNKED + b"5\r\n{\r\n\r\n",
        GET + b"POST /v1/reg",
    ],
)
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


LARGE = """
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise ValueError("on purpose")
    size = int(environ["QUERY_STRING"] or 0)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(size))])
    if path == "/stream":
        return (b"x" * 65536 for _ in range(size // 65536))
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(environ["HTTP_X_FILE"], "rb"))
    return [b"x" * size]
"""


@pytest.fixture
def large(tmp_path):
    """A server, of two threads, whose answers are as large as they are asked to be."""
    (tmp_path / "large.py").write_text(LARGE)
    with serving("large", tmp_path / "data", PYTHONPATH=str(tmp_path)) as port:
        yield port


def ask(path, *lines):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@contextlib.contextmanager
def slow_reader(port):
    """A connection through which little fits at a time."""
    with socket.socket() as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        yield connection


@pytest.mark.server
@pytest.mark.parametrize("size", [900_000, 16 * 1024 * 1024])
def test_who_does_not_read_a_large_answer_holds_nobody_up(large, size):
    with contextlib.ExitStack() as stack:
        # More of them than there are threads. What fits in memory takes no thread at all; of larger answers one
        # thread is left free.
        for _ in range(10 if size < 1024 * 1024 else 1):
            stack.enter_context(slow_reader(large)).sendall(ask(f"/?{size}"))
        with connect(large, ask("/?0")) as connection:
            connection.settimeout(5)
            assert answer(connection) == (200, b"")


@pytest.mark.server
@pytest.mark.parametrize("path", ["/", "/stream"])
def test_a_slow_reader_gets_all_of_a_large_answer_and_then_the_next(large, path):
    size = 8 * 1024 * 1024
    with slow_reader(large) as connection:
        for _ in range(2):
            connection.sendall(ask(f"{path}?{size}"))
            status, body = answer(connection)
            assert (status, len(body)) == (200, size)


@pytest.mark.server
def test_a_file_is_sent_whole(large, tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 12_000)
    with connect(large, ask("/file?3072000", f"X-File: {tmp_path / 'file'}")) as connection:
        assert answer(connection)[1] == (tmp_path / "file").read_bytes()


@pytest.mark.server
def test_a_failure_outside_the_site_is_answered_as_json(large):
    with connect(large, ask("/fails")) as connection:
        status, body = answer(connection)
    assert status == 500
    assert json.loads(body)["code"] == "internal_error"


@pytest.mark.server
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (POST + b"X: y\r\n folded\r\n\r\n", 400),
        (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, 400),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + GET, 400),
        (POST + b"Transfer-Encoding: identity, chunked\r\n\r\n2\r\n{}\r\n" + GET, 400),
        (CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n" + GET, 400),
        (POST + b"Expect: a miracle\r\nContent-Length: 2\r\n\r\n", 417),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_what_can_be_read_in_two_ways_ends_the_connection_with_one_answer(port, request_bytes, status):
    with connect(port, request_bytes) as connection:
        answer = everything(connection)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert int(answer.split()[1]) == status
    assert b"\r\nConnection: close\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in ("malformed_request", "incomplete_body")


@pytest.fixture
def worker(monkeypatch):
    """A worker without its main loop, which the test turns by hand, and a clock that the test sets."""
    worker = object.__new__(GatheringWorker)
    worker.cfg = Config()
    worker.poller = selectors.DefaultSelector()
    worker.keepalived_conns = deque()
    worker.alive, worker.nr_conns, worker.worker_connections = True, 0, 1000
    worker.wait_for_nobody()
    worker.in_threads = []
    worker.tpool = SimpleNamespace(submit=lambda handle, conn: worker.in_threads.append(conn) or Future())
    worker.clock = 1000.0
    monkeypatch.setattr(gathering, "time", SimpleNamespace(monotonic=lambda: worker.clock, sleep=lambda seconds: None))
    yield worker
    worker.poller.close()


def turn(worker):
    """What is ready now is dealt with, as in one round of the main loop."""
    for key, _ in worker.poller.select(0):
        key.data(key.fileobj)
    worker.murder_pending()


@pytest.fixture
def connected(worker):
    """A function that connects a client to the worker and returns the client's end, and the connection."""
    with contextlib.ExitStack() as stack:

        def connected(data=b""):
            client, server = map(stack.enter_context, map(contextlib.closing, socket.socketpair()))
            client.settimeout(5)
            client.sendall(data)
            conn = Connection(worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
            worker.nr_conns += 1
            worker.enqueue_req(conn)
            return client, conn

        yield connected


def everything(client):
    return b"".join(iter(lambda: client.recv(65536), b""))


def refused(client):
    """The status and code of the one answer before the connection's end."""
    head, _, body = everything(client).partition(b"\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in head
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert json.loads(body)["detail"].endswith(".")
    return int(head.split()[1]), json.loads(body)["code"]


def test_a_request_that_is_here_whole_is_given_to_a_thread_at_once(worker, connected):
    _, conn = connected(GET)

    assert worker.in_threads == [conn]
    assert not worker.poller.get_map()


def test_what_is_not_whole_in_time_is_told_so_and_closed(worker, connected):
    client, _ = connected(POST)
    worker.clock += RECEIVE_SECONDS - 1
    _, late = connected(POST)
    worker.murder_pending()
    assert worker.nr_conns == 2
    worker.clock += 1
    worker.murder_pending()

    assert refused(client) == (408, "request_timeout")
    assert list(worker.gathering) == [late]
    assert worker.held == len(POST)
    client.close()
    turn(worker)
    assert worker.nr_conns == 1


def test_whoever_has_sent_nothing_in_time_is_closed_without_a_word(worker, connected):
    client, _ = connected()
    worker.clock += RECEIVE_SECONDS
    worker.murder_pending()

    assert client.recv(1) == b""
    assert worker.nr_conns == 0


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (CHUNKED + b"%x\r\n" % (MAX_BODY_BYTES + 1), 413, "body_too_large"),
        (POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413, "body_too_large"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431, "headers_too_large"),
    ],
)
def test_what_is_too_large_is_told_so_without_a_thread(worker, connected, data, status, code):
    client, conn = connected(data)
    while conn in worker.gathering:
        turn(worker)

    assert refused(client) == (status, code)
    assert worker.in_threads == []
    assert worker.held == 0


def test_who_ends_early_is_told_so_and_may_have_gone(worker, connected):
    client, _ = connected(POST)
    client.shutdown(socket.SHUT_WR)
    gone, _ = connected(POST)
    gone.close()
    while worker.gathering or worker.lingering:
        turn(worker)

    assert refused(client) == (400, "incomplete_body")
    assert worker.nr_conns == worker.held == 0


def test_who_expects_a_word_before_the_body_gets_it_once(worker, connected):
    client, conn = connected(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")

    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"{")
    turn(worker)
    client.sendall(b"}")
    turn(worker)
    assert worker.in_threads == [conn]
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)


def test_a_closing_connection_reads_on_for_a_while_and_no_longer(worker, connected):
    clients = [connected(b"\n" + POST)[0] for _ in range(3)]
    for conn in worker.in_threads:
        worker.finish_request(conn, failed())
    assert len(worker.lingering) == 3
    clients[0].close()
    turn(worker)
    assert len(worker.lingering) == 2
    with contextlib.suppress(ConnectionError):
        for _ in range(2 * LINGER_BYTES // 65536):
            clients[1].sendall(b"x" * 65536)
            turn(worker)
    assert len(worker.lingering) == 1
    worker.clock += LINGER_SECONDS
    turn(worker)
    assert worker.nr_conns == 0


def failed():
    future = Future()
    future.set_result(False)
    return future


def kept():
    future = Future()
    future.set_result(True)
    return future


def test_an_answer_that_is_not_read_in_time_is_given_up(worker, connected):
    client, conn = connected(GET)
    conn.sock.sendall(b"x" * 900_000)
    worker.finish_request(conn, kept())
    assert worker.held == len(conn.sock.unsent) > 0
    turn(worker)
    worker.clock += SEND_SECONDS
    turn(worker)

    assert worker.nr_conns == worker.held == 0
    assert not conn.sock.unsent
    assert len(everything(client)) < 900_000


def test_an_answer_that_is_read_is_sent_to_its_end_and_the_connection_kept(worker, connected):
    client, conn = connected(GET)
    conn.sock.sendall(b"x" * 900_000)
    worker.finish_request(conn, kept())
    client.setblocking(False)
    received = 0
    while not worker.keepalived_conns:
        with contextlib.suppress(BlockingIOError):
            received += len(client.recv(65536))
        turn(worker)
    client.settimeout(5)
    while received < 900_000:
        received += len(client.recv(65536))

    assert received == 900_000
    assert (worker.nr_conns, worker.held) == (1, 0)
    client.sendall(GET)
    turn(worker)
    assert worker.in_threads == [conn, conn]


def test_half_a_request_behind_a_whole_one_is_gathered_too(worker, connected):
    client, conn = connected(GET + GET[:10])
    read_by_parser(conn)
    worker.finish_request(conn, kept())

    assert list(worker.gathering) == [conn]
    client.sendall(GET[10:])
    turn(worker)
    assert worker.in_threads == [conn, conn]
    assert read_by_parser(conn).path == "/api/v1/healthcheck"


def read_by_parser(conn):
    request = next(conn.parser)
    request.body.read()
    return request


def test_a_parser_that_has_read_another_request_than_was_gathered_ends_the_connection(worker, connected):
    agreed, short, long = (connected(GET + GET)[1] for _ in range(3))
    for conn in (agreed, short, long):
        read_by_parser(conn)
    assert agreed.may_go_on()
    short.gathered.fill(b"GET /admin/")
    assert not short.may_go_on()
    long.parser.unreader.unread(b"GET /admin/")
    assert not long.may_go_on()


def test_a_connection_that_idles_keeps_nothing_of_its_requests(worker, connected):
    body = b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES + b"x" * MAX_BODY_BYTES
    tracemalloc.start()
    try:
        _, conn = connected(GET)
        assert read_by_parser(conn).uri == "/api/v1/healthcheck"
        before = tracemalloc.get_traced_memory()[0]
        conn.rest = POST + body
        worker.finish_request(conn, kept())
        assert worker.held > MAX_BODY_BYTES
        next(conn.parser)  # The body is left unread, as by a view that refuses it.
        assert conn.may_go_on()
        worker.finish_request(conn, kept())
        assert tracemalloc.get_traced_memory()[0] - before < MAX_BODY_BYTES / 4
    finally:
        tracemalloc.stop()
    assert worker.held == 0


def test_what_waits_for_a_thread_is_held_as_well(worker, connected, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_HELD_BYTES", 3 * len(GET))
    connected(GET)
    connected(GET)
    assert worker.held == 2 * len(GET)
    half, _ = connected(GET[:-1])
    connected(GET)

    assert half.recv(1) == b""
    assert worker.held == 3 * len(GET)


def test_a_thread_waits_for_a_reader_as_long_as_it_reads(monkeypatch):
    client, server = socket.socketpair()
    with client, server, ThreadPoolExecutor(1) as pool:
        outlet = Outlet(server)
        received = pool.submit(lambda: sum(len(data) for data in iter(lambda: client.recv(65536), b"")))
        outlet.sendall(b"x" * 20_000_000)
        while outlet.unsent:
            outlet.flush()
        outlet.shutdown(socket.SHUT_WR)
        assert received.result() == 20_000_000


def test_a_thread_waits_no_longer_for_who_does_not_read(monkeypatch):
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.05)
    client, server = socket.socketpair()
    with client, server:
        outlet = Outlet(server)
        with pytest.raises(BrokenPipeError):
            outlet.sendall(b"x" * 20_000_000)


def test_a_worker_that_stops_waits_only_for_requests_that_have_begun(worker, connected):
    _, begun = connected(POST)
    connected()
    worker.alive = False
    worker.murder_pending()
    assert list(worker.gathering) == [begun]


def test_what_is_held_in_all_is_bounded_and_the_largest_goes_first(worker, connected, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_HELD_BYTES", 5 * len(POST))
    large, _ = connected(POST + b"X: " + b"x" * 3 * len(POST))
    connected(POST)
    connected(POST)

    assert large.recv(1) == b""
    assert (worker.nr_conns, worker.held) == (2, 2 * len(POST))


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=20) as listener:
        listener.setblocking(False)
        yield listener


def test_a_full_house_closes_whoever_has_idled_longest(worker, listener):
    worker.worker_connections = 3
    clients = []
    for _ in range(5):
        clients.append(socket.create_connection(listener.getsockname(), timeout=5))
        worker.accept(listener)
        if len(clients) == 2:  # This one has been answered, and idles.
            conn = next(reversed(worker.gathering))
            worker.stop_waiting(conn)
            worker.finish_request(conn, kept())

    assert clients[1].recv(1) == b""
    assert clients[0].recv(1) == b""
    assert (worker.nr_conns, len(worker.gathering)) == (2, 2)
    for end in [*clients, *(conn.sock for conn in worker.gathering)]:
        end.close()


def test_a_connection_closed_to_make_room_may_have_been_ready_at_that_moment(worker, connected):
    client, _ = connected(GET[:5])
    idle, idle_conn = connected(GET)
    worker.finish_request(idle_conn, kept())
    client.sendall(GET[5:])
    idle.sendall(GET)
    ready = worker.poller.select(5)
    assert len(ready) == 2
    worker.make_room()
    worker.make_room()
    for key, _ in ready:
        key.data(key.fileobj)

    assert worker.in_threads == [idle_conn]
    assert worker.nr_conns == 0


def test_no_socket_left_is_no_reason_to_fall_over(worker, listener, connected, monkeypatch):
    client, _ = connected(POST)
    without = SimpleNamespace(accept=lambda: (_ for _ in ()).throw(OSError(errno.EMFILE, "Too many open files")))
    worker.accept(without)

    assert client.recv(1) == b""
    worker.accept(listener)  # Nobody is there.
    assert worker.nr_conns == 0


def test_it_does_not_speak_tls(worker):
    with pytest.raises(RuntimeError, match="certfile"):
        GatheringWorker.check_config(SimpleNamespace(is_ssl=True, worker_connections=10, threads=1, keepalive=1), None)


def test_a_process_with_more_connections_leaves_a_new_one_to_another(worker, monkeypatch):
    waits = []
    monkeypatch.setattr(gathering.time, "sleep", waits.append)
    worker.connections, worker.place = [0, 2], 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for mine in (3, 2, 1):
            worker.nr_conns = mine
            worker.murder_pending()
            worker.accept(listener)  # Nobody has come, or another process was first.
            assert worker.connections == [mine, 2]
            assert worker.nr_conns == mine

    assert waits == [gathering.YIELD_SECONDS]


def test_a_new_process_takes_the_place_of_one_that_has_ended():
    from shm_site import gunicorn

    arbiter = SimpleNamespace(WORKERS={})
    workers = [SimpleNamespace(place=None) for _ in range(4)]
    for pid, each in enumerate(workers[:2]):
        gunicorn.pre_fork(arbiter, each)
        arbiter.WORKERS[pid] = each
    workers[0].connections[0] = 7
    del arbiter.WORKERS[0]
    gunicorn.pre_fork(arbiter, workers[2])
    arbiter.WORKERS[2] = workers[2]
    gunicorn.pre_fork(arbiter, workers[3])  # One more than were asked for, as while one is being replaced.

    assert [each.place for each in workers] == [0, 1, 0, None]
    assert workers[0].connections[0] == 0
