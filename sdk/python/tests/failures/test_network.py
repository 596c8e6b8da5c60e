"""Nobody there, nobody who answers, and answers that are none."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
import trustme

from shm_sdk.transport import MAX_ANSWER
from tests.server import answers

HOUR = 3600.0


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
