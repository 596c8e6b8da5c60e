"""A client's connection whose two directions never make a thread wait: what it reads is there, what it writes is kept.

The bytes that the client does not take at once are left to the main loop, which goes on when the client does.
"""

import errno
import select
import socket
import time
from typing import Any, BinaryIO

from gunicorn import http  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from shm_site.arriving import Arriving

# Of one answer. Beyond it the thread waits for the client: for so long, and longer if it takes so much a second.
MAX_UNSENT_BYTES = 1024 * 1024
SEND_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 32 * 1024
_PIECE = 64 * 1024
_PARSER_PIECE = 8 * 1024


class Gathered:
    """The bytes of one request, from which the parser reads as if from the socket."""

    def __init__(self) -> None:
        self.fill(b"")

    def fill(self, data: bytes | bytearray) -> None:
        self._data, self._read = data, 0

    def recv(self, size: int) -> bytes:
        # Pieces no larger than a socket's, whatever is asked for: the parser copies the rest of one at each step.
        piece = bytes(self._data[self._read : self._read + min(size, _PARSER_PIECE)])
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "The request has not arrived whole.")
        self._read += len(piece)
        return piece

    @property
    def is_read(self) -> bool:
        return self._read == len(self._data)


class Outlet:
    """The socket as gunicorn sees it. It never blocks, whatever it is told."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        client.setblocking(False)
        self.fileno, self.recv, self.shutdown = client.fileno, client.recv, client.shutdown
        self.unsent = bytearray()
        self._patience = SEND_SECONDS

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, seconds: float | None) -> None:
        pass

    def gettimeout(self) -> float:
        return 0.0

    def send(self, data: bytes | bytearray) -> int:
        """How many bytes have been taken, which may be none."""
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0

    def sendall(self, data: bytes) -> None:
        """Keeps the data, to be sent by flush: gunicorn writes the head and each part of the body by itself."""
        self.unsent += data
        if len(self.unsent) >= _PIECE:
            self.flush()
        while len(self.unsent) > MAX_UNSENT_BYTES:
            self._wait()
            self.flush()

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        left = count or 0
        while left and (data := file.read(min(left, _PIECE))):
            self.sendall(data)
            left -= len(data)
        return (count or 0) - left

    def flush(self) -> None:
        """Sends what the client takes at once."""
        if not self.unsent:
            return
        sent = self.send(self.unsent[:_PIECE])
        del self.unsent[:sent]
        self._patience = min(SEND_SECONDS, self._patience + sent / SLOWEST_BYTES_PER_SECOND)

    def _wait(self) -> None:
        """Until the client takes more. Raises BrokenPipeError when it has been waited for long enough."""
        poll = select.poll()
        poll.register(self._client, select.POLLOUT)
        began = time.monotonic()
        writable = poll.poll(self._patience * 1000)
        self._patience -= time.monotonic() - began
        if not writable or self._patience <= 0:
            raise BrokenPipeError(errno.EPIPE, "The client does not read its answer.")

    def next_answer(self) -> None:
        self._patience = SEND_SECONDS

    def close(self) -> None:
        self.unsent.clear()
        self._client.close()


class Connection(TConn):  # type: ignore[misc] # Gunicorn has no types.
    def __init__(self, cfg: Any, client: socket.socket, address: Any, server: Any) -> None:
        super().__init__(cfg, Outlet(client), address, server)
        self.gathered = Gathered()
        self.parser = http.get_parser(cfg, self.gathered, address)
        self.initialized = True
        self.arriving = Arriving()
        self.rest = b""  # What has come together with the request before.
        self.is_whole = False
        self.deadline = 0.0
        self.held = 0  # Bytes, as the worker has counted them.
        self.drained = 0
        self.is_closed = False

    def begin(self, deadline: float) -> bytes:
        """Another request begins. Returns what is there of it already."""
        rest, self.rest = self.rest, b""
        self.arriving, self.is_whole, self.deadline = Arriving(), False, deadline
        return rest

    def give_to_parser(self, is_whole: bool) -> None:
        received, end = self.arriving.received, self.arriving.end
        self.arriving.received = b""  # Nothing may stay behind: a connection can idle for long.
        self.is_whole = is_whole
        if is_whole and end < len(received):
            received, self.rest = received[:end], bytes(received[end:])
        self.gathered.fill(received)
        self.sock.next_answer()

    def may_go_on(self) -> bool:
        """Whether another request may follow: the parser has read this one to the very end that was found here.

        If the two ever disagree, what comes next could be taken for another request than the one that was sent.
        """
        if not self.is_whole:
            return False
        try:
            finished = self.parser.finish_body()
        except Exception:  # The answer is out; a second one, about the rest of the body, would be taken for the next.
            return False
        agreed = finished and self.gathered.is_read and not self.parser.unreader.buf.getbuffer().nbytes
        self.gathered.fill(b"")
        return bool(agreed)

    def close(self, graceful: bool = False) -> None:
        self.is_closed = True
        super().close()
