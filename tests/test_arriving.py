"""Where a request ends: by itself, in pieces of any size, and held against the parser that has the last word."""

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ChunkMissingTerminator, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shm_site import arriving
from shm_site.arriving import MAX_BODY_BYTES, MAX_FRAMING_BYTES, MAX_HEAD_BYTES, MAX_TRAILER_BYTES, Arriving, State

GET = b"GET /api/v1/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/register HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def state_of(data):
    return Arriving().add(data)


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        b"\r\n" + GET,
        b"GET / HTTP/1.1\r\n\r\n",
        POST + b"\r\n",
        POST + b"Content-Length: 0\r\n\r\n",
        POST + b"Content-Length: 2\r\n\r\n{}",
        POST + b"content-length:\t002 \r\n\r\n{}",
        POST + b"Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n{}",
        CHUNKED + b"0\r\n\r\n",
        CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
        CHUNKED + b'00001;a="b;\\"c" ; d\r\n{\r\n1\r\n}\r\n000;last\r\n\r\n',
        CHUNKED + b"2\r\n{}\r\n0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n",
        POST + b"TRANSFER-ENCODING:Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    ],
)
def test_a_request_is_whole_with_its_last_byte_and_not_before(request_bytes):
    at_once, in_bytes = Arriving(), Arriving()
    states = [in_bytes.add(request_bytes[at : at + 1]) for at in range(len(request_bytes))]

    assert at_once.add(request_bytes + GET) is State.WHOLE
    assert at_once.end == len(request_bytes)
    assert states == [State.PARTIAL] * (len(request_bytes) - 1) + [State.WHOLE]
    assert in_bytes.end == len(request_bytes)
    assert in_bytes.received == request_bytes


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nHost: x\n\r",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Content-Length: 2, 2\r\n\r\n",
        POST + b"Content-Length: +2\r\n\r\n",
        POST + b"Content-Length: -2\r\n\r\n",
        POST + b"Content-Length: 0x2\r\n\r\n",
        POST + b"Content-Length:\r\n\r\n",
        POST + b"Content-Length: \xb2\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
        POST + b"Content-Length: 2\r\nExpect: a miracle\r\n\r\n",
        CHUNKED + b"nonsense\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"2 \r\n",
        CHUNKED + b"0x2\r\n",
        CHUNKED + b"-2\r\n",
        CHUNKED + b"2\n",
        CHUNKED + b"2\r\n{}0",
        CHUNKED + b"2;" + b"x" * 8190,
        CHUNKED + b"0\r\nX: y\n",
        CHUNKED + b"0\r\nX: " + b"y" * MAX_TRAILER_BYTES,
    ],
)
def test_what_is_framed_oddly_is_not_waited_for(request_bytes):
    in_bytes = Arriving()
    states = [in_bytes.add(request_bytes[at : at + 1]) for at in range(len(request_bytes))]

    assert state_of(request_bytes) is State.ODD
    assert states[-1] is State.ODD


@pytest.mark.parametrize(
    ("request_bytes", "state"),
    [
        (b"x" * MAX_HEAD_BYTES, State.PARTIAL),
        (b"x" * (MAX_HEAD_BYTES + 1), State.HEAD_TOO_LARGE),
        (b"x" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", State.HEAD_TOO_LARGE),
        (POST + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES, State.PARTIAL),
        (POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), State.BODY_TOO_LARGE),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", State.BODY_TOO_LARGE),
        (CHUNKED + b"%x\r\n" % MAX_BODY_BYTES, State.PARTIAL),
        (CHUNKED + b"%x\r\n" % (MAX_BODY_BYTES + 1), State.BODY_TOO_LARGE),
        (CHUNKED + b"f" * 5000 + b"\r\n", State.BODY_TOO_LARGE),
        (CHUNKED + b"1\r\n{\r\n%x\r\n" % MAX_BODY_BYTES, State.BODY_TOO_LARGE),
    ],
)
def test_what_is_too_large_is_known_as_soon_as_it_is_said(request_bytes, state):
    assert state_of(request_bytes) is state


def test_chunks_of_a_byte_each_are_bounded_by_what_they_weigh():
    chunk = b"1;" + b"x" * 1000 + b"\r\n{\r\n"
    enough = (MAX_BODY_BYTES + MAX_FRAMING_BYTES) // len(chunk)

    assert state_of(CHUNKED + chunk * enough) is State.PARTIAL
    assert state_of(CHUNKED + chunk * (enough + 2)) is State.BODY_TOO_LARGE


@pytest.mark.parametrize(
    ("request_bytes", "awaits"),
    [
        (POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", True),
        (POST + b"EXPECT:100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{", False),
        (POST + b"Content-Length: 2\r\n\r\n", False),
        (b"POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", False),
        (POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (MAX_BODY_BYTES + 1), False),
    ],
)
def test_who_waits_for_a_word_before_the_body_is_known(request_bytes, awaits):
    arriving = Arriving()
    arriving.add(request_bytes)

    assert arriving.awaits_continue is awaits


class Watched(bytearray):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, sub, start, end=None):
        Watched.searched += min(len(self), end or len(self)) - start
        return super().find(sub, start, end)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000,
        CHUNKED + b"%x\r\n" % 40_000 + b"x" * 20_000,
        CHUNKED + b"2;" + b"x" * 8000,
        CHUNKED + b"0\r\nX: " + b"x" * 20_000,
    ],
)
def test_no_byte_is_looked_at_again_and_again(request_bytes, monkeypatch):
    monkeypatch.setattr(arriving, "bytearray", Watched, raising=False)
    Watched.searched = 0
    in_bytes = Arriving()
    for at in range(len(request_bytes)):
        in_bytes.add(request_bytes[at : at + 1])

    assert 0 < Watched.searched < 10 * len(request_bytes)


# Held against gunicorn's parser

PARTS = [
    *(b"GET / HTTP/1.1\r\n", b"POST /v1/snapshot HTTP/1.1\r\n", b"POST / HTTP/1.0\r\n", b"Host: x\r\n", b"\r\n"),
    *(b"Content-Length: 3\r\n", b"content-length:03\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n"),
    *(b"Content-Length : 3\r\n", b"Content-Length: 3, 3\r\n", b"Content-Length: +3\r\n", b"Content_Length: 3\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:CHUNKED \r\n", b"Transfer-Encoding: gzip, chunked\r\n"),
    *(b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding:\r\n"),
    *(b"Transfer-Encoding : chunked\r\n", b"Transfer_Encoding: chunked\r\n", b"X: y\r\n Content-Length: 3\r\n"),
    *(
        b"X: y\nContent-Length: 3\r\n",
        b"X: y\rContent-Length: 3\r\n",
        b"\tfolded\r\n",
        b"X: y\n",
        b"\n",
        b"\r",
        b"\n\n",
    ),
    *(
        b"Expect: 100-continue\r\n",
        b"Expect: x\r\n",
        b"Connection: close\r\n",
        b"\x00",
        b"abc",
        b"hello",
        b"PRI * HTTP/2.0",
    ),
    *(
        b"3\r\nabc\r\n",
        b"3\r\nabc",
        b"5;a=b\r\nhello\r\n",
        b"3 ;x\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"-1\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"0;x\r\n\r\n",
        b"0\r\nT: x\r\n\r\n",
        b"0\r\nT x\r\n\r\n",
        b"0\r\n",
        b"4\r\n\r\n\r\n\r\n",
        b"g\r\n",
    ),
]
messages = st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join)
plain = st.tuples(
    st.sampled_from([b"POST / HTTP/1.1\r\n", b"\r\nPOST / HTTP/1.1\r\nHost: x\r\n"]),
    st.sampled_from([b"Content-Length: 8\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]),
    st.lists(st.sampled_from(PARTS[-14:]), max_size=5).map(b"".join),
).map(b"".join)


class Source:
    def __init__(self, data):
        self.data = data

    def recv(self, size):
        data, self.data = self.data[:size], self.data[size:]
        return data


def parsed(data):
    """How many bytes the parser takes for the first request; None if it needs more, -1 if it refuses."""
    source = Source(data)
    parser = RequestParser(Config(), source, ("127.0.0.1", 1))
    try:
        request = next(parser)
        body = request.body.read()
    except (NoMoreData, StopIteration):
        return None
    except ChunkMissingTerminator as error:
        return None if b"\r\n".startswith(error.term) else -1
    except ParseException:
        return -1
    lengths = [int(value) for name, value in request.headers if name == "CONTENT-LENGTH"]
    if lengths and len(body) < lengths[0]:
        return None
    return len(data) - len(source.data) - len(parser.unreader.buf.getvalue())


@settings(max_examples=1500, deadline=None)
@given(messages | plain, st.lists(st.integers(1, 40), max_size=8))
@example(POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, [])
@example(POST + b"X: y\nContent-Length: 3\r\n\r\nabc" + GET, [])
@example(POST + b"X: y\r\n Content-Length: 3\r\n\r\nabc" + GET, [])
def test_it_never_finds_another_end_than_the_parser(data, sizes):
    arriving, state, at = Arriving(), State.PARTIAL, 0
    for size in [*sizes, len(data)]:
        if at < len(data) and state is State.PARTIAL:
            state = arriving.add(data[at : at + size])
            at += size

    consumed = parsed(data[:at])

    if state is State.WHOLE:
        assert consumed in (arriving.end, -1)
        assert parsed(data[: arriving.end]) == consumed
    elif state is State.PARTIAL:
        assert consumed in (None, -1)
    elif b"gzip, chunked" not in data and data.count(b"Expect") < 2:
        assert state is State.ODD
        assert consumed == -1
