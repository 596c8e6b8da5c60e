"""What the command line writes. What a server says may not move a cursor there, nor look like a line of ours."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO


def plain(text: str) -> str:
    """On one line, without control characters: for what comes from a server, or from a file."""
    return "".join(filter(str.isprintable, text))


def sentence(text: str) -> str:
    """What others have written, so that another sentence may follow it."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def local(seconds: float) -> str | None:
    """ISO 8601 in this machine's zone, with its offset; None for never, and for what is no time."""
    if not seconds > 0:
        return None
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


def say(text: str = "") -> None:
    _write(sys.stdout, text + "\n")


def tell(text: str) -> None:
    """Beside the result, on stderr, as one line."""
    _write(sys.stderr, plain(text) + "\n")


def put(content: bytes) -> None:
    """Bytes exactly as they are."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # Somebody has put an io.StringIO in its place.
        _write(sys.stdout, content.decode("utf-8", "replace"))
    else:
        buffer.write(content)
        buffer.flush()


def _write(stream: TextIO, text: str) -> None:
    """Where a terminal has no letter for something, by its number."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


class _Collecting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(plain(record.getMessage()))


@contextlib.contextmanager
def collected() -> Iterator[list[str]]:
    """What is logged as a warning meanwhile, for the command to tell in its own place."""
    logger = logging.getLogger("shm_sdk")
    handler, propagates = _Collecting(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
