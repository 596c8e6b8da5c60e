"""What real clients were recorded to send, byte for byte, to the real server; and what only a real server shows."""

import json
import socket
import uuid
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from instances.wire import parse_json, parse_timestamp
from tests.gunicorn_server import gunicorn_server, migrated_database

pytestmark = pytest.mark.server

RECORDINGS = [json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "wire").glob("*.json"))]


@pytest.fixture(scope="module")
def database():
    with migrated_database() as database:
        yield database


@pytest.fixture(scope="module")
def server(database):
    """One for the tests that need no database of their own."""
    with gunicorn_server(database) as server:
        yield server


def replay(server, request):
    body = request["body"].encode()
    lengths = [value for name, value in request["headers"].items() if name.lower() == "content-length"]
    assert lengths == [str(len(body))]
    answer = server.send(request["method"], request["path"], body, request["headers"])
    assert answer.status == request["answered"], answer.body
    assert answer.headers["Content-Type"] == "application/json"
    return json.loads(answer.body)


def snapshots_of(start):
    return [json.loads(request["body"]) for request in start["requests"] if request["path"] == "/v1/snapshot"]


def cases():
    for recording in RECORDINGS:
        first, restart = recording["starts"]
        yield pytest.param([], first, id=f"{recording['client']}-first")
        # At a restart the server knows the client from before, but for its snapshots, which the other case has sent.
        known = [request for request in first["requests"] if request["path"] != "/v1/snapshot"]
        yield pytest.param(known, restart, id=f"{recording['client']}-restart")


@pytest.mark.parametrize(("before", "start"), list(cases()))
def test_a_recorded_start_is_answered_as_its_client_needs(database, before, start):
    sent = snapshots_of(start)
    clock = max(parse_timestamp(body["timestamp"]) for body in sent) + timedelta(seconds=1)
    with gunicorn_server(database, "tests.frozen_wsgi", SHM_TEST_TIME=clock.isoformat(), SHM_WORKERS="1") as server:
        for request in [*before, *start["requests"]]:
            replay(server, request)

        [(state, count)] = server.query("SELECT state, (SELECT count(*) FROM metrics_snapshot) FROM instances_instance")
        stored = server.query("SELECT metrics FROM metrics_snapshot ORDER BY timestamp")
    assert (state, count) == ("active", len(sent))
    for [metrics], request in zip(stored, [r for r in start["requests"] if r["path"] == "/v1/snapshot"], strict=True):
        kept = json.loads(metrics) if isinstance(metrics, str) else metrics
        expected = parse_json(request["body"].encode())["metrics"]
        assert kept == expected
        assert list(kept) == list(expected)


def test_every_client_is_recorded_at_both_starts():
    assert sorted(recording["client"] for recording in RECORDINGS) == ["go-sdk", "log-agent", "node-sdk"]
    assert all([start["start"] for start in recording["starts"]] == ["first", "restart"] for recording in RECORDINGS)


# What only a real server shows


def registration():
    key = SigningKey.generate().verify_key.encode().hex()
    return json.dumps({"instance_id": str(uuid.uuid4()), "public_key": key, "app_name": "Ledger"}).encode()


def chunked(body, size=4096):
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post_chunked(server, path, body):
    return server.send("POST", path, chunked(body), {"Transfer-Encoding": "chunked"})


def code(answer):
    return json.loads(answer.body)["code"]


def test_it_answers_a_client_whose_url_ends_in_a_slash(server):
    body = registration()

    answer = server.send("POST", "//v1/register", body, {"Content-Length": str(len(body))})

    assert answer.status == 201
    assert "X-RateLimit-Limit" in answer.headers


def test_it_answers_the_healthcheck_behind_a_slash(server):
    assert server.send("GET", "//api/v1/healthcheck").status == 200


def test_it_reads_a_chunked_body(server):
    assert post_chunked(server, "/v1/register", registration()).status == 201


def test_it_takes_a_chunked_body_of_exactly_the_limit_and_none_beyond(server):
    body = registration().ljust(64 * 1024)

    assert post_chunked(server, "/v1/register", body).status == 201
    refused = post_chunked(server, "/v1/register", body + b" ")
    assert refused.status == 413
    assert code(refused) == "body_too_large"


@pytest.mark.parametrize("path", ["/v1/register", "/v1/activate", "/v1/snapshot"])
def test_it_refuses_an_endless_chunked_body_before_it_ends(server, path):
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    # More than the server gathers before a thread looks at it.
    without_end = chunked(b" " * 3 * 1024 * 1024, size=64 * 1024).removesuffix(b"0\r\n\r\n")

    answer = server.send_raw(head + without_end)

    assert answer.status == 413
    assert code(answer) == "body_too_large"


def test_it_refuses_a_length_over_the_limit_before_any_of_it_is_sent(server):
    answer = server.send("POST", "/v1/snapshot", b"", {"Content-Length": "10000000"})

    assert answer.status == 413
    assert code(answer) == "body_too_large"


def test_it_answers_a_body_that_ends_early(server):
    half = b"POST /v1/register HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{}"

    answer = server.send_raw(half, ends=True)

    assert answer.status == 400
    assert code(answer) == "incomplete_body"


def test_it_answers_chunks_that_are_none(server):
    nonsense = b"POST /v1/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n{}\r\n"

    assert server.send_raw(nonsense, ends=True).status == 400


HALVES = {
    "line": b"POST /v1/reg",
    "headers": b"POST /v1/register HTTP/1.1\r\nHost: x\r\nX-Instance-ID: 97ec0787",
    "body": b"POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
    "chunks": b"POST /v1/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n{",
}


@pytest.mark.parametrize("half", HALVES)
def test_half_sent_requests_hold_nobody_else_up(database, half):
    # More of them than the server has threads.
    with gunicorn_server(database, SHM_WORKERS="1", SHM_THREADS="2") as server, ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            connection.sendall(HALVES[half])

        assert server.send("GET", "/api/v1/healthcheck", timeout=3).status == 200


def test_a_forwarding_header_does_not_change_who_the_client_is(server):
    remaining = []
    for address in ("198.51.100.1", "198.51.100.2"):
        body = registration()
        answer = server.send(
            "POST", "/v1/register", body, {"Content-Length": str(len(body)), "X-Forwarded-For": address}
        )
        remaining.append(int(answer.headers["X-RateLimit-Remaining"]))

    assert remaining[1] == remaining[0] - 1


def test_no_address_is_logged(server):
    server.send("GET", "/v1/nothing", headers={"X-Forwarded-For": "198.51.100.7"})
    assert server.send_raw(b"nonsense\r\n\r\n").status == 400

    logged = server.log.read_text().replace("http://127.0.0.1:", "")
    assert "127.0.0.1" not in logged
    assert "198.51.100.7" not in logged
