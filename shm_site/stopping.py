"""Waiting that ends at once when the process is told to stop."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Told to stop in the middle of something that may be left at any point.

    A KeyboardInterrupt, because for that psycopg has the server cancel the statement that it is waiting for.
    """


class Stopping:
    """While entered, a signal to stop raises nothing, but ends `wait` and is counted in `signals`.

    The handler writes to a pipe that `wait` listens to. An Event would not do: its lock may be held by the very code
    that the handler interrupts.
    """

    def __init__(self) -> None:
        self.signals = 0
        self._interrupts = False

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        # A closed terminal is a signal too, unless the process was started to outlive it (nohup).
        hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
        self._previous = {number: signal.signal(number, self._handle) for number in [*SIGNALS, *hangup]}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def __bool__(self) -> bool:
        return self.signals > 0

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until told to stop. Returns whether it was."""
        if not self:
            select.select([self._read], [], [], seconds)
        return bool(self)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Around what may be left at any point: within, a signal to stop raises Interrupted at once."""
        self._interrupts = True
        try:
            if self:
                raise Interrupted  # The signal came just before.
            yield
        finally:
            self._interrupts = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1
        os.write(self._write, b"\0")
        if self._interrupts:
            self._interrupts = False  # Once is enough: a second one must not disturb what the first one has set off.
            raise Interrupted
