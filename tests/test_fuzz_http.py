"""Anything may be sent to the real server's socket: it answers with a refusal of the API or not at all, and goes on."""

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gunicorn_server import ROOT, gunicorn_server, migrated_database
from tests.test_fuzz_site import CODES, INSIDES

pytestmark = pytest.mark.server

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [\x20-\x7e]*\r\n")
CODE = re.compile(rb'"code": ?"([^"]*)"')
BODY = b'{"instance_id": "7f3e1b2c-5a4d-4e8f-9b6a-0c1d2e3f4a5b", "timestamp": "2026-11-22T09:00:00Z", "metrics": {}}'
SIGNED = b"X-Instance-ID: 7f3e1b2c-5a4d-4e8f-9b6a-0c1d2e3f4a5b\r\nX-Signature: " + b"0" * 128 + b"\r\n"
HEAD = b"POST /v1/snapshot HTTP/1.1\r\nHost: localhost\r\n" + SIGNED
GOOD = [
    b"GET /api/v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /badge/x/metric/a.b?label=c HTTP/1.0\r\n\r\n",
    HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nX-Trailer: 1\r\n\r\n",
    HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
]

# Requests out of pieces, each of them right, wrong, or a matter of opinion.
METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"get", b"G(T", b"", b"\0"]
)
TARGETS = st.sampled_from(
    [
        b"/",
        b"/v1/register",
        b"//v1/snapshot",
        b"/v1/x",
        b"*",
        b"http://x/v1/register",
        b"x:1",
        b"/%",
        b"/\xff",
        b"",
        b"/ /",
    ]
)
VERSIONS = st.sampled_from(
    [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1.1", b"http/1.1", b"", b"HTTP/"]
)
HEADERS = st.sampled_from(
    [
        *(
            b"Host: localhost",
            b"Host: a b",
            b"Host:",
            b"Host: [::1",
            b"Host: x\0",
            b": x",
            b"X",
            b"X : y",
            b" X: y",
            b"X\0: y",
        ),
        *(
            b"Content-Length: 2",
            b"Content-Length: -1",
            b"Content-Length: +2",
            b"Content-Length: 2, 3",
            b"Content-Length: 9e9",
        ),
        *(b"Content-Length: " + b"9" * 400, b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"),
        *(b"Transfer-Encoding: x", b"Transfer-Encoding: identity", b"Transfer_Encoding: chunked", b"Expect: the worst"),
        *(
            b"Expect: 100-continue",
            b"Connection: keep-alive, close",
            b"Upgrade: h2c",
            b"X: " + b"y" * 9000,
            b"X: \xff\r",
        ),
        *(
            b"X-Signature: " + b"\xe9" * 128,
            b"X-Instance-ID: \xf0\x9f",
            b'Cookie: sessionid="\\000aaaaaaaa"',
            b"Range: bytes=9-",
        ),
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
BODIES = st.sampled_from(
    [b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"2;x=y\r\n{}\r\n0\r\n\r\n", b"-2\r\n", b"zz\r\n"]
) | st.binary(max_size=60)
BUILT = st.builds(
    lambda line, headers, end, body: b" ".join(line) + end + b"".join(header + end for header in headers) + end + body,
    st.tuples(METHODS, TARGETS, VERSIONS),
    st.lists(HEADERS, max_size=4),
    ENDS,
    BODIES,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request that was good until something was cut out of it, or put into it."""
    data = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 10)))
        data = (
            data[:start]
            + draw(st.binary(max_size=6) | st.sampled_from([b"\r\n", b"\n", b"\0", b" ", b":"]))
            + data[end:]
        )
    return data


SENT = BUILT | damaged() | st.binary(max_size=300) | st.sampled_from(GOOD)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    # Pages that say what went wrong load files, as they do where the server is deployed.
    variables = {"SHM_STATIC_DIR": str(folder / "static"), "SHM_DATA_DIR": str(folder)}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "shm_site.settings"}, check=True
    )
    with migrated_database() as database, gunicorn_server(database, SHM_WORKERS="1", **variables) as server:
        yield server


def answers_to(port: int, data: bytes) -> bytes:
    """All that the server has to say until it ends the connection, which it has to do soon."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(BrokenPipeError, ConnectionResetError, OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
        return received


@settings(max_examples=1000, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SENT, min_size=1, max_size=2).map(b"".join))
@example(GOOD[2] * 3)
def test_whatever_is_sent_is_answered_in_http_and_refused_as_documented(server, data):
    received = answers_to(server.port, data)

    assert not INSIDES.search(received.decode("utf-8", "replace"))
    assert not re.search(rb"^HTTP/1\.[01] 5", received, re.MULTILINE)
    assert not received or STATUS.match(received)
    assert set(CODE.findall(received)) <= {code.encode() for code in CODES}


def test_it_goes_on_after_all_of_that(server):
    workers = server.workers()

    for data in [*GOOD, b"\0" * 200_000, b"GET / HTTP/1.1\r\n" * 10_000]:
        answers_to(server.port, data)

    assert server.send("GET", "/api/v1/healthcheck").status == 200
    assert server.workers() == workers
    assert "Traceback" not in server.log.read_text()
