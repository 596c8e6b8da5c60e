"""How far the bytes of one HTTP request have got: whole or not yet, or such that it will be refused anyway.

What it means is the parser's to say, which reads it again. Here only its end is looked for, and only in requests that
are framed plainly, by one length or as chunks; whatever could be read in two ways is ODD. Nothing is looked at twice.
"""

import re
from collections.abc import Callable
from enum import Enum

# More than any request line and headers that the parser accepts, and than any body that the site does.
MAX_HEAD_BYTES = 128 * 1024
MAX_BODY_BYTES = 1024 * 1024
# What sizes, extensions and line ends may add to a chunked body; chunks of a few bytes each cost the most to read.
MAX_FRAMING_BYTES = 256 * 1024
# As much as the parser accepts: a chunk's size with its extensions, and what may follow the last chunk.
MAX_SIZE_LINE_BYTES = 8190
MAX_TRAILER_BYTES = 32 * 1024

_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|expect):([^\r\n]*)", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9a-fA-F]+)(?:[ \t]*;.*)?", re.DOTALL)
_CONTINUE = b"100-continue"
_BARE_LF = re.compile(rb"(?<!\r)\n")


class State(Enum):
    PARTIAL = "more has to come"
    WHOLE = "the request ends at `end`"
    ODD = "the parser will refuse it, or read it in a way of its own"
    HEAD_TOO_LARGE = "its head is over MAX_HEAD_BYTES"
    BODY_TOO_LARGE = "its body is, or will be, over MAX_BODY_BYTES"


class Arriving:
    def __init__(self) -> None:
        self.received: bytes | bytearray = b""
        self.end = 0  # Of what has been understood so far.
        self.awaits_continue = False  # The client sends its body when it has been told to go on.
        self._searched = 0  # No line ends before this, other than those that have been found.
        self._body_start = 0
        self._body_bytes = 0
        # Not bound to this object, which would then be freed by the garbage collector only, and its bytes with it.
        self._step: Callable[[Arriving], State | None] = Arriving._head

    def add(self, data: bytes) -> State:
        """What is known with these bytes. After anything but PARTIAL there is nothing to add."""
        if not self.received:
            self.received = data  # Most requests come in one piece, which is not copied.
        else:
            if isinstance(self.received, bytes):
                self.received = bytearray(self.received)
            self.received += data
        while (state := self._step(self)) is None:
            pass
        return state

    def _find(self, terminator: bytes, limit: int) -> int:
        """Where the line or lines that begin at `end` are terminated; -1 if not yet, or not within the limit."""
        start = max(self.end, self._searched - len(terminator) + 1)
        return self.received.find(terminator, start, self.end + limit + len(terminator))

    def _unterminated(self, limit: int, too_long: State) -> State:
        if len(self.received) - self.end > limit:
            return too_long
        # The parser refuses these at once: a line end that is none would be waited for in vain.
        if _BARE_LF.search(self.received, max(self.end, self._searched - 1)):
            return State.ODD
        self._searched = len(self.received)
        return State.PARTIAL

    def _head(self) -> State | None:
        at = self._find(b"\r\n\r\n", MAX_HEAD_BYTES)
        if at < 0:
            return self._unterminated(MAX_HEAD_BYTES, State.HEAD_TOO_LARGE)
        self.end = self._body_start = at + 4
        head = self.received[: at + 2]
        fields = _FRAMING.findall(head)
        return self._framed(head, fields) if fields else State.WHOLE

    def _framed(self, head: bytes | bytearray, fields: list[tuple[bytes, bytes]]) -> State | None:
        framing = {bytes(name).lower(): bytes(value).strip(b" \t").lower() for name, value in fields}
        expects = framing.pop(b"expect", None)
        if len(framing) + (expects is not None) < len(fields) or len(framing) > 1 or expects not in (None, _CONTINUE):
            return State.ODD  # Given twice, or a length and chunks, or an expectation that nobody knows.
        if b"transfer-encoding" in framing:
            if framing[b"transfer-encoding"] != b"chunked":
                return State.ODD
            self._step = Arriving._chunk
        elif b"content-length" in framing:
            length = framing[b"content-length"]
            if not length.isdigit():
                return State.ODD
            if len(length.lstrip(b"0")) > 18 or int(length) > MAX_BODY_BYTES:
                return State.BODY_TOO_LARGE
            self.end += int(length)
            self._step = Arriving._length
        else:
            return State.WHOLE
        # Whoever sends on unasked, or speaks HTTP/1.0, is told nothing.
        has_no_body_yet = len(self.received) == self._body_start
        self.awaits_continue = expects is not None and has_no_body_yet and b" HTTP/1.0\r\n" not in head
        return None

    def _length(self) -> State:
        return State.WHOLE if len(self.received) >= self.end else State.PARTIAL

    def _chunk(self) -> State | None:
        """The line with a chunk's size begins at `end`."""
        at = self._find(b"\r\n", MAX_SIZE_LINE_BYTES)
        if at < 0:
            return self._unterminated(MAX_SIZE_LINE_BYTES, State.ODD)
        size = _SIZE.fullmatch(self.received, self.end, at)
        if size is None:
            return State.ODD
        return self._chunk_of(int(size[1], 16), at + 2)

    def _chunk_of(self, size: int, start: int) -> State | None:
        if size == 0:
            self.end = start
            self._step = Arriving._trailers
            return None
        self._body_bytes += size
        self.end = start + size
        if self._body_bytes > MAX_BODY_BYTES or self.end - self._body_start > MAX_BODY_BYTES + MAX_FRAMING_BYTES:
            return State.BODY_TOO_LARGE
        self._step = Arriving._chunk_end
        return None

    def _chunk_end(self) -> State | None:
        """The chunk itself ends at `end`; a line end has to follow."""
        follows = self.received[self.end : self.end + 2]
        if not b"\r\n".startswith(follows):
            return State.ODD
        if len(follows) < 2:
            return State.PARTIAL
        self.end += 2
        self._step = Arriving._chunk
        return None

    def _trailers(self) -> State:
        if self.received.startswith(b"\r\n", self.end):
            self.end += 2
            return State.WHOLE
        at = self._find(b"\r\n\r\n", MAX_TRAILER_BYTES)
        if at < 0:
            return self._unterminated(MAX_TRAILER_BYTES, State.ODD)
        self.end = at + 4
        return State.WHOLE
