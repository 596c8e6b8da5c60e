"""Child processes that live and end together with this one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from shm_site.stopping import Stopping

BASE_DIR = Path(__file__).resolve().parent.parent
# Longer than gunicorn's graceful_timeout, so that requests at work are answered.
STOP_SECONDS = 25
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Has Linux end this process when its parent dies without a word, as by SIGKILL. Elsewhere nothing does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """Named child processes. Leaving the context ends those that still run."""

    def __init__(self, stopping: Stopping) -> None:
        self.stopping = stopping
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.processes[name] = subprocess.Popen(  # noqa: S603 - the commands are the callers' own.
            command,
            cwd=BASE_DIR,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            # Out of the terminal's reach: Ctrl-C comes to this process alone, which then ends its children in order.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # Safe here: this process has one thread.
        )

    def ended(self) -> dict[str, int]:
        """The exit codes of those that have ended, negative for a signal."""
        codes = {name: process.poll() for name, process in self.processes.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def end(self) -> None:
        """Asks all to stop, and makes those that take too long; a further signal to stop makes all at once."""
        running = [process for process in self.processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        deadline, signals = time.monotonic() + STOP_SECONDS, self.stopping.signals
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self.stopping.signals > signals:
                for process in running:
                    _kill_session(process)
            time.sleep(0.05)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    # A child leads its own session, so its group holds its children too: gunicorn's workers.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
