"""How an answer leaves: as one piece where it is small, and never more in memory than its bound."""

import socket

import pytest

from shm_site.connection import Outlet


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        yield Outlet(ours), theirs


def test_head_and_body_are_sent_as_one(ends):
    outlet, client = ends

    outlet.sendall(b"HTTP/1.1 202 Accepted\r\n\r\n")
    outlet.sendall(b"{}")

    with pytest.raises(BlockingIOError):
        client.recv(100)
    outlet.flush()
    assert client.recv(100) == b"HTTP/1.1 202 Accepted\r\n\r\n{}"
    assert not outlet.unsent


def test_a_long_answer_does_not_wait_for_its_end(ends):
    outlet, client = ends

    outlet.sendall(b"x" * 70_000)

    assert len(client.recv(100_000)) > 10_000


def test_nothing_to_send_is_nothing_sent(ends):
    outlet, client = ends

    outlet.flush()

    with pytest.raises(BlockingIOError):
        client.recv(1)
