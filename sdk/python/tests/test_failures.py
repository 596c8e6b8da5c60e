"""Whatever goes wrong between an application and the server: the application is not affected, and little is lost."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
import threading
from email.utils import formatdate

import pytest
import trustme

from shm_sdk.folder import Folder
from shm_sdk.state import State
from shm_sdk.transport import MAX_ANSWER
from shm_sdk.wire import rfc3339
from tests.server import answers

HOUR = 3600.0


@pytest.fixture
def state(config):
    """As it is filed."""
    return lambda: State.load(Folder(config))


@pytest.fixture
def waiting(folder):
    """The snapshots that wait on disk."""

    def read() -> list[dict]:
        path = folder / "ledger_shm_unsent.json"
        return json.loads(path.read_text())["snapshots"] if path.exists() else []

    return read


# The provider.


@pytest.mark.parametrize("error", [ZeroDivisionError("boom"), SystemExit(3), KeyboardInterrupt(), RecursionError()])
def test_a_provider_that_throws(make_reporter, server, caplog, error):
    def numbers():
        raise error

    make_reporter(numbers).tick()

    (snapshot,) = server.snapshots
    assert "sys_os" in snapshot["metrics"]
    assert type(error).__name__ in caplog.text


def test_a_provider_that_hangs_is_called_once_and_reports_go_on(make_reporter, server, clock, caplog):
    never, calls = threading.Event(), []
    reporter = make_reporter(lambda: calls.append(1) or never.wait(), seconds=0.05)
    for _ in range(3):
        reporter._patience.seconds = 0.05
        reporter.server.transport._patience.seconds = 20.0
        reporter.tick()
        clock.pass_by(2 * HOUR)

    assert len(server.snapshots) == 3
    assert calls == [1]
    assert "has not come back within 0.05 s" in caplog.text
    never.set()


def test_an_async_provider_is_told_what_it_should_be(make_reporter, server, caplog):
    async def numbers():
        return {"a": 1}

    make_reporter(numbers).tick()

    assert len(server.snapshots) == 1
    assert "Give a plain function." in caplog.text


@pytest.mark.parametrize("nonsense", [None, 7, "text", [1], object(), {1: 2}, {"a": object()}, {"a": float("nan")}])
def test_a_provider_that_returns_nonsense(make_reporter, make_config, server, caplog, nonsense):
    make_reporter(lambda: nonsense, make_config(collect_system_metrics=False)).tick()

    assert [snapshot["metrics"] for snapshot in server.snapshots] == [{}]
    assert "left out" in caplog.text


# The disk.


def test_a_folder_that_cannot_be_made(make_reporter, server, folder, caplog):
    folder.write_text("A file stands in its place.")
    reporter = make_reporter()
    for _ in range(3):
        assert reporter.tick() == HOUR

    assert server.requests == []
    assert caplog.text.count("Give the application's user a data folder") == 1


@pytest.fixture
def full_disk(monkeypatch):
    """Files can be opened, but nothing more can be written to them."""

    def write_nothing(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    return lambda: monkeypatch.setattr(os, "fsync", write_nothing)


def test_a_disk_that_is_full_from_the_start_makes_no_identity(make_reporter, server, folder, full_disk, caplog):
    """Without a file it would be another installation at each start."""
    full_disk()
    make_reporter().tick()

    assert server.requests == []
    assert "No space left" in caplog.text
    assert [path.name for path in folder.iterdir()] == ["ledger_shm_lock"]


def test_a_disk_that_fills_up_stops_no_reports(make_reporter, server, clock, full_disk):
    reporter = make_reporter()
    reporter.tick()
    full_disk()
    for _ in range(3):
        clock.pass_by(2 * HOUR)
        reporter.tick()
        reporter.tick()

    assert len(server.snapshots) == 4


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"last_report": "yesterday", "failures": true, "not_before": null}']
)
def test_a_broken_state_is_no_loss(make_reporter, server, folder, content):
    folder.mkdir()
    (folder / "ledger_shm_state.json").write_text(content)
    (folder / "ledger_shm_unsent.json").write_text(content)
    make_reporter().tick()

    assert len(server.snapshots) == 1


# The network.


@pytest.fixture
def deaf():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed():
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_nobody_listens(make_reporter, make_config, closed, state, waiting, caplog):
    wait = make_reporter(config=make_config(server_url=closed)).tick()

    assert 60 <= wait <= 66
    assert len(waiting()) == 1
    assert "could not be reached" in state().problem
    assert "could not be reached" in caplog.text


def test_a_server_that_never_answers_is_given_up_in_time(make_reporter, make_config, deaf, state, waiting):
    make_reporter(config=make_config(server_url=deaf), seconds=0.05).tick()

    assert "has not come back within 0.05 s" in state().problem
    assert len(waiting()) == 1


def test_a_name_server_that_hangs_holds_one_thread_and_no_more(make_reporter, clock, state, monkeypatch):
    never, earlier = threading.Event(), set(threading.enumerate())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: never.wait())
    reporter = make_reporter(seconds=0.05)
    for _ in range(5):
        reporter.tick()
        clock.pass_by(2 * HOUR)

    assert "hanging since an earlier report" in state().problem
    assert [thread.name for thread in set(threading.enumerate()) - earlier] == ["shm-sdk-call"]
    never.set()


def test_tls_that_fails_is_never_worked_around(make_reporter, make_config, server, state, waiting):
    """The address answers, but not in TLS."""
    make_reporter(config=make_config(server_url=server.url.replace("http:", "https:"))).tick()

    assert "could not be reached" in state().problem
    assert server.requests == []
    assert len(waiting()) == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority that nobody has heard of, and the server's key with its certificate, as files."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "chain.pem"))
    return folder / "authority.pem", folder / "chain.pem"


def serve_by_tls(server, chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)


def test_a_certificate_that_nobody_vouches_for_is_refused(make_reporter, make_config, server, state, certificates):
    serve_by_tls(server, certificates[1])
    make_reporter(config=make_config(server_url=server.url.replace("http:", "https:"))).tick()

    assert "CERTIFICATE_VERIFY_FAILED" in state().problem
    assert server.requests == []


def test_a_certificate_that_the_machine_trusts_is_fine(make_reporter, make_config, server, certificates, monkeypatch):
    authority, chain = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    serve_by_tls(server, chain)
    make_reporter(config=make_config(server_url=server.url.replace("http:", "https:"))).tick()

    assert len(server.snapshots) == 1


def trickle(handler):
    """A byte now and then, for as long as the test lasts."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server_.released.wait(0.01):
        try:
            handler.wfile.write(b"X")
        except OSError:
            return
    handler.close_connection = True


def test_an_answer_that_trickles_in_is_given_up_in_time(make_reporter, server, state):
    server.always["/v1/register"] = trickle
    make_reporter(seconds=0.2).tick()

    assert "has not come back within 0.2 s" in state().problem


def test_an_answer_without_end_is_read_no_further_than_needed(make_reporter, server, state):
    server.always["/v1/snapshot"] = answers(202, b"x" * (MAX_ANSWER * 4))
    make_reporter().tick()

    assert state().problem == ""
    assert state().last_sent > 0


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 \xff\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"]
)
def test_an_answer_that_is_no_http(make_reporter, server, state, waiting, answer):
    def behave(handler):
        handler.wfile.write(answer)
        handler.close_connection = True

    server.always["/v1/register"] = behave
    make_reporter().tick()

    assert state().problem
    assert len(waiting()) == 1


# What the server says.


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 404, 418])
def test_what_is_refused_waits_and_is_sent_later(make_reporter, server, clock, state, waiting, status):
    server.always["/v1/snapshot"] = answers(status, b"<h1>Sorry</h1>")
    reporter = make_reporter(lambda: {"a": 1})
    reporter.tick()
    assert len(waiting()) == 1
    assert str(status) in state().problem

    del server.always["/v1/snapshot"]
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert waiting() == []
    assert state().problem == ""
    assert len(server.snapshots) == 2


def test_pauses_grow_up_to_the_interval(make_reporter, server, clock):
    server.always["/v1/register"] = answers(503)
    reporter = make_reporter()
    waits = []
    for _ in range(12):
        waits.append(reporter.tick())
        clock.pass_by(waits[-1])

    assert all(60 * 2**number <= wait <= 66 * 2**number for number, wait in enumerate(waits[:5]))
    assert all(wait <= 1.1 * HOUR for wait in waits)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "least", "most"), [("120", 120, 132), ("99999999999999", 86400, 95040), ("-5", 60, 66), ("soon", 60, 66)]
)
def test_retry_after_is_kept_to(make_reporter, server, clock, state, status, said, least, most):
    server.always["/v1/register"] = answers(status, Retry_After=said)
    make_reporter().tick()

    assert least <= state().not_before - clock() <= most


def test_retry_after_as_a_date(make_reporter, server, clock, state):
    server.always["/v1/register"] = answers(503, Retry_After=formatdate(clock() + 600, usegmt=True))
    make_reporter().tick()

    assert 600 <= state().not_before - clock() <= 660


def test_a_restart_shortens_no_pause(make_reporter, server, clock):
    server.always["/v1/register"] = answers(429, Retry_After="1800")
    for _ in range(10):
        make_reporter().tick()
        clock.pass_by(120)

    assert server.paths == ["/v1/register"]


def test_a_snapshot_that_no_server_takes_is_dropped_and_told(make_reporter, server, state, waiting, caplog):
    server.always["/v1/snapshot"] = answers(400, {"detail": "Send an object.", "code": "invalid_metrics"})
    make_reporter().tick()

    assert waiting() == []
    assert "Send an object." in state().problem
    assert "Send an object." in caplog.text


def test_one_that_is_revoked_says_nothing_for_a_day(make_reporter, server, clock, state, waiting):
    server.always["/v1/snapshot"] = answers(403, {"detail": "Turned away.", "code": "revoked"})
    reporter = make_reporter()
    for _ in range(23):
        reporter.tick()
        clock.pass_by(HOUR)

    assert server.paths == ["/v1/register", "/v1/activate", "/v1/snapshot"]
    assert "Turned away." in state().problem


def test_one_that_the_server_does_not_know_any_more_registers_again(make_reporter, server, clock):
    reporter = make_reporter()
    reporter.tick()
    server.keys.clear()
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert server.paths[3:] == ["/v1/snapshot", "/v1/register", "/v1/activate", "/v1/snapshot"]
    assert len(server.snapshots) == 2


def test_an_id_that_is_registered_with_another_key(make_reporter, server, clock, state):
    server.always["/v1/register"] = answers(409, {"detail": "Another key.", "code": "key_conflict"})
    reporter = make_reporter()
    reporter.tick()
    clock.pass_by(HOUR / 2)
    reporter.tick()

    assert server.paths == ["/v1/register"]
    assert "Another key." in state().problem


def test_a_server_of_go_answers_500_to_a_second_activation(make_reporter, make_config, server, clock):
    server.always["/v1/activate"] = answers(500, b"already active")
    make_reporter().tick()
    clock.pass_by(2 * HOUR)
    make_reporter(config=make_config(app_version="1.1.0")).tick()

    assert len(server.snapshots) == 2
    assert server.paths.count("/v1/register") == 2


def test_an_activation_that_did_not_come_through_is_repeated(make_reporter, server, clock):
    server.behaviours["/v1/activate"] = [answers(503)]
    reporter = make_reporter()
    reporter.tick()
    assert len(server.snapshots) == 1
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert server.paths.count("/v1/activate") == 2


def test_what_a_server_says_is_one_line_in_the_log(make_reporter, server, caplog):
    server.always["/v1/register"] = answers(503, {"detail": "One\nTwo\x1b[2J" + "!" * 60_000, "code": "x"})
    make_reporter().tick()

    (record,) = caplog.records
    assert "OneTwo[2J!!!" in record.getMessage()
    assert len(record.getMessage()) < 1000


# Redirects.


def redirect(status, location):
    return answers(status, b"", Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_on_the_same_server_keep_the_request(make_reporter, make_config, server, status):
    server.behaviours["/v1/register"] = [redirect(status, "/v1/register")]
    make_reporter().tick()

    assert server.paths == ["/v1/register", "/v1/register", "/v1/activate", "/v1/snapshot"]
    assert server.requests[0] == server.requests[1]


def test_redirects_to_another_host_are_not_followed(make_reporter, server, state):
    port = server.url.rsplit(":", 1)[1]
    server.always["/v1/register"] = redirect(307, f"http://localhost:{port}/v1/register")
    make_reporter().tick()

    assert server.paths == ["/v1/register"]
    assert "another server; nothing was sent there" in state().problem


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "//example.org/", "http://[::1", "\t"])
def test_nor_to_anything_else(make_reporter, server, state, location):
    server.always["/v1/register"] = redirect(308, location)
    make_reporter().tick()

    assert set(server.paths) == {"/v1/register"}
    assert "redirects" in state().problem


def test_redirects_in_a_circle_end(make_reporter, server, state):
    server.always["/v1/register"] = redirect(307, "/v1/register")
    make_reporter().tick()

    assert len(server.requests) == 4
    assert "in a circle" in state().problem


# Clocks.


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
