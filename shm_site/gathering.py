"""Gunicorn's threaded worker, but no thread ever waits for a client: the main loop does, for all of them at once.

The stock worker hands a connection to a thread at its first byte and lets the thread read the rest for as long as that
takes, and write its answer likewise: a few clients that stop in the middle hold everybody else up. Here the main loop
gathers requests and a thread gets each when it is whole; what a client does not take of its answer at once, the
main loop sends on; and it closes connections without waiting for the other side.
"""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from ctypes import Array, c_int
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from shm_site import refusals
from shm_site.arriving import State
from shm_site.connection import SEND_SECONDS, Connection
from shm_site.refusals import RECEIVE_SECONDS, Refusal

# For so long a process that has more connections than another one leaves a new one to that. Without, the process that
# was awake last is mostly the one that is woken, and ends up with nearly all of them and one core's work.
YIELD_SECONDS = 0.0005
# After the last answer of a connection: so that the client can read it, the rest of what it sends is read and dropped.
LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024
# Of all connections of a process together; beyond it whoever holds most is dropped. Growing buffers leave holes
# in memory, so the process may take twice as much.
MAX_HELD_BYTES = 32 * 1024 * 1024

_PIECE = 64 * 1024
_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NOTHING_TO_ACCEPT = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)

Waiting = dict[Connection, None]  # In order of their deadlines.


class GatheringWorker(ThreadWorker):  # type: ignore[misc] # Gunicorn has no types.
    # How many connections each process has, in memory that all share, and this one's place there (shm_site.gunicorn).
    connections: Array[c_int] | list[int] = []
    place: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wait_for_nobody()

    def wait_for_nobody(self) -> None:
        self.gathering: Waiting = {}
        self.sending: Waiting = {}
        self.lingering: Waiting = {}
        self.held = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError(
                "This server speaks plain HTTP. Leave certfile out, and let a reverse proxy speak HTTPS."
            )

    # Connections

    def accept(self, listener: socket.socket) -> None:
        self.tell_the_others()
        if self.nr_conns > min(self.connections, default=self.nr_conns):
            time.sleep(YIELD_SECONDS)
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _OUT_OF_SOCKETS:
                self.make_room()
            elif error.errno not in _NOTHING_TO_ACCEPT:
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname()))
        if self.nr_conns >= self.worker_connections:
            self.make_room()

    def tell_the_others(self) -> None:
        if self.place is not None:
            self.connections[self.place] = self.nr_conns

    def make_room(self) -> None:
        """Closes the connection that has waited longest for its client, so that whoever comes next is let in."""
        if self.lingering:
            self.close(next(iter(self.lingering)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self.close(conn)
        elif self.gathering:
            self.close(next(iter(self.gathering)))

    def wait(self, waiting: Waiting, conn: Connection, event: int, then: Callable[[Connection], None]) -> None:
        def ready(_: Any) -> None:
            if conn in waiting:  # What made room a moment ago may have closed it.
                then(conn)

        waiting[conn] = None
        self.poller.register(conn.sock, event, ready)

    def stop_waiting(self, conn: Connection) -> None:
        for waiting in (self.gathering, self.sending, self.lingering):
            if conn in waiting:
                del waiting[conn]
                self.poller.unregister(conn.sock)

    def hold(self, conn: Connection, held: int) -> None:
        """Keeps account of the bytes held for clients. Who holds most goes first: the small are let through."""
        self.held += held - conn.held
        conn.held = held
        while self.held > MAX_HELD_BYTES and (waiting := (*self.gathering, *self.sending)):
            self.close(max(waiting, key=lambda conn: conn.held))

    def close(self, conn: Connection) -> None:
        self.stop_waiting(conn)
        self.nr_conns -= 1
        conn.close()
        self.held -= conn.held
        conn.held = 0

    def murder_pending(self) -> None:
        """Called by the main loop, each second at least: ends what has waited too long."""
        now = time.monotonic()
        self.tell_the_others()
        if not self.alive:  # Nobody is waited for who has not begun a request.
            for conn in [conn for conn in self.gathering if not conn.arriving.received]:
                self.close(conn)
        for waiting, late in ((self.gathering, self.late), (self.sending, self.close), (self.lingering, self.close)):
            while waiting and (conn := next(iter(waiting))).deadline <= now:
                late(conn)

    # Requests

    def enqueue_req(self, conn: Connection) -> None:
        """A connection is new, or another request begins on it."""
        rest = conn.begin(time.monotonic() + RECEIVE_SECONDS)
        if rest:
            self.take(conn, rest)
        else:
            self.gather(conn)  # Mostly it is here already.

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        if not conn.is_closed:  # What made room a moment ago may have closed it.
            super().on_client_socket_readable(conn, client)

    def gather(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(_PIECE)
        except BlockingIOError:
            self.go_on_gathering(conn)
        except OSError:
            self.close(conn)
        else:
            self.take(conn, data)

    def take(self, conn: Connection, data: bytes) -> None:
        if not data:
            self.ended(conn)
            return
        state = conn.arriving.add(data)
        if state is State.PARTIAL:
            self.go_on_gathering(conn)
        elif state is State.WHOLE or state is State.ODD:
            self.hold(conn, len(conn.arriving.received))
            if not conn.is_closed:
                self.stop_waiting(conn)
                conn.give_to_parser(is_whole=state is State.WHOLE)
                super().enqueue_req(conn)
        else:
            self.refuse(conn, refusals.TOO_LARGE[state])

    def go_on_gathering(self, conn: Connection) -> None:
        if conn.arriving.awaits_continue:
            conn.arriving.awaits_continue = False
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if conn not in self.gathering:
            self.wait(self.gathering, conn, selectors.EVENT_READ, self.gather)
        self.hold(conn, len(conn.arriving.received))

    def ended(self, conn: Connection) -> None:
        """The client sends nothing more, but may still read."""
        if conn.arriving.received:
            self.refuse(conn, refusals.ENDED_EARLY)
        else:
            self.close(conn)

    def late(self, conn: Connection) -> None:
        if conn.arriving.received:
            self.refuse(conn, refusals.TOO_SLOW)
        else:
            self.close(conn)

    def refuse(self, conn: Connection, why: Refusal) -> None:
        self.stop_waiting(conn)
        self.hold(conn, 0)
        with suppress(OSError):  # Who does not take even that is not waited for.
            conn.sock.send(why.answer())
        self.linger(conn)

    # Answers, in a thread

    def handle(self, conn: Connection) -> Any:
        keepalive = super().handle(conn)
        try:
            conn.sock.flush()
        except OSError:
            return False
        return keepalive

    def handle_request(self, req: Any, conn: Connection) -> Any:
        req._expected_100_continue = False  # The main loop has said it.
        if not conn.is_whole:
            req.force_close()
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        return keepalive and conn.may_go_on()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answers what is no HTTP, or what has failed, as JSON. Unlike gunicorn's own it logs no address."""
        refusal = refusals.of_parser(exc)
        if refusal is None:
            self.log.exception("Error handling request")
        with suppress(OSError):
            client.sendall((refusal or refusals.FAILED).answer())

    # What follows an answer, in the main loop again

    def finish_request(self, conn: Connection, fs: Future[bool]) -> None:
        self.hold(conn, len(conn.rest) + len(conn.sock.unsent))
        if conn.sock.unsent:
            conn.deadline = time.monotonic() + SEND_SECONDS
            self.wait(self.sending, conn, selectors.EVENT_WRITE, partial(self.send_on, fs=fs))
        elif fs.cancelled() or fs.exception() or not fs.result():
            self.linger(conn)
        elif conn.rest:
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def send_on(self, conn: Connection, fs: Future[bool]) -> None:
        try:
            conn.sock.flush()
        except OSError:
            self.close(conn)
            return
        if not conn.sock.unsent:
            self.stop_waiting(conn)
            self.finish_request(conn, fs)

    def linger(self, conn: Connection) -> None:
        """Ends a connection so that its last answer is read: closed with bytes unread, it would be cut short."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(conn)
            return
        conn.deadline = time.monotonic() + LINGER_SECONDS
        self.wait(self.lingering, conn, selectors.EVENT_READ, self.drain)

    def drain(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.drained += len(data)
        if not data or conn.drained > LINGER_BYTES:
            self.close(conn)
