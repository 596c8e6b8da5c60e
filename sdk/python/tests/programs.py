"""Programs that use the client, run as processes of their own: recipes, and the example site."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    output: Path
    port: int

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"It has not started:\n{self.text}")
            time.sleep(0.05)

    @property
    def text(self) -> str:
        return self.output.read_text()

    def get(self, path: str = "/") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS) as response:
            return response.read().decode()


@dataclass
class Program:
    """Runs Python in a folder, with this package to be imported and these variables."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, [PACKAGE / "src", *self.paths]))
        return {**os.environ, "PYTHONPATH": path, "HOME": str(self.folder), **self.variables}

    def run(self, *command: str) -> str:
        """What it prints, on both channels. A traceback of ours is a failure."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[Running]:
        """For the length of the block. {port} in the command is a free one."""
        port, output = free_port(), self.folder / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *(part.replace("{port}", str(port)) for part in command)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # A group of its own, so that its workers can be ended with it.
            )
        running = Running(process, output, port)
        try:
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert "Traceback" not in running.text, running.text
