"""Waiting that ends at once when the process is told to stop."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """While entered, a signal to stop raises nothing, but ends `wait` and is counted in `signals`.

    The handler writes to a pipe that `wait` listens to. An Event would not do: its lock may be held by the very code
    that the handler interrupts.
    """

    def __init__(self) -> None:
        self.signals = 0

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

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1
        os.write(self._write, b"\0")
