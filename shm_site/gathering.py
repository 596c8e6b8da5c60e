"""Gunicorn's threaded worker, but no thread waits for a request that is still arriving.

The stock worker hands a connection to a thread at its first byte and lets the thread read the rest for as long as that
takes: a few clients that stop in the middle of a request hold everybody else up. Here the main loop gathers the bytes,
a thread gets the request when it is whole, and what is not whole after RECEIVE_SECONDS is dropped.
"""

import re
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

RECEIVE_SECONDS = 15.0
# More than any request line and headers that the parser accepts, and than any body that the site does.
MAX_HEAD_BYTES = 128 * 1024
MAX_BODY_BYTES = 2 * 1024 * 1024
# Of all connections of a process together. Who goes beyond that is dropped, instead of the process for want of memory.
MAX_HELD_BYTES = 128 * 1024 * 1024

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)


def is_ready(received: bytes | bytearray) -> bool:
    """Whether to hand the request to a thread: it is whole, or it will be refused without reading the rest.

    A guess on the safe side. The parser reads it again and has the last word.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return len(received) > MAX_HEAD_BYTES
    head, body_bytes = received[: end + 2], len(received) - end - 4
    if _EXPECT.search(head):
        return True  # The client waits for a word before it sends its body.
    if _CHUNKED.search(head):
        # Each chunked body ends so, even one with trailers; a chunk that happens to does no harm.
        return body_bytes > MAX_BODY_BYTES or (body_bytes > 0 and received.endswith(b"\r\n\r\n"))
    length = _LENGTH.search(head)
    expected = int(length[1]) if length else 0
    return body_bytes >= expected or expected > MAX_BODY_BYTES


class GatheringWorker(ThreadWorker):  # type: ignore[misc] # Gunicorn has no types.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gathering: dict[TConn, tuple[bytearray, float]] = {}
        self.in_threads: dict[TConn, float] = {}
        self.held = 0

    def enqueue_req(self, conn: TConn) -> None:
        """A connection that is new, or on which another request begins."""
        if self.cfg.is_ssl or (conn.initialized and conn.parser.unreader.buf.getvalue()):
            # Encrypted, or begun in what was read with the request before: the parser has to read on.
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        self.gathering[conn] = bytearray(), time.monotonic() + RECEIVE_SECONDS
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.gather, conn))

    def gather(self, conn: TConn, client: socket.socket) -> None:
        received = self.gathering[conn][0]
        try:
            data = client.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            self.drop(conn)
            return
        received += data
        self.held += len(data)
        if self.held > MAX_HELD_BYTES or not received:
            self.drop(conn)
        elif not data or is_ready(received):  # Without data the client has ended early, and may be told so.
            self.forget(conn)
            conn.init()
            conn.parser.unreader.unread(bytes(received))
            super().enqueue_req(conn)

    def forget(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self.held -= len(self.gathering.pop(conn)[0])

    def drop(self, conn: TConn) -> None:
        self.forget(conn)
        self.nr_conns -= 1
        conn.close()

    def handle(self, conn: TConn) -> Any:
        self.in_threads[conn] = time.monotonic() + RECEIVE_SECONDS
        try:
            return super().handle(conn)
        finally:
            del self.in_threads[conn]

    def murder_pending(self) -> None:
        """Called by the main loop, each second at least."""
        super().murder_pending()
        now = time.monotonic()
        # In order of their deadlines; when the worker stops, nobody is waited for who has not begun a request.
        for conn, (received, deadline) in list(self.gathering.items()):
            if deadline <= now or not (self.alive or received):
                self.drop(conn)
            elif self.alive:
                break
        for conn, deadline in self.in_threads.copy().items():
            if deadline <= now:
                with suppress(OSError):
                    # A thread that still waits for bytes reads the end instead; what it writes still goes out.
                    conn.sock.shutdown(socket.SHUT_RD)
