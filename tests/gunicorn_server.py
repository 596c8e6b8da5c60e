"""The real server, as it runs in production, for the length of a test: gunicorn on a free port of 127.0.0.1.

Its database is its own and already migrated: a file in a temporary folder when the test run is on SQLite, a new
database on the run's server when DATABASE_URL names a PostgreSQL.
"""

import contextlib
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Database:
    """An empty, migrated database. Servers get copies of it, which is much faster than migrating each."""

    url: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")

    @contextlib.contextmanager
    def copy(self, folder: Path) -> Iterator[str]:
        """The URL of a copy that is gone afterwards."""
        if self.is_sqlite:
            path = folder / "shm.sqlite3"
            path.write_bytes(Path(urlsplit(self.url).path).read_bytes())
            yield f"sqlite:///{path}"
        else:
            with new_postgresql(urlsplit(self.url).path.strip("/")) as url:
                yield url


@contextlib.contextmanager
def new_postgresql(template: str = "template0") -> Iterator[str]:
    name = f"shm_server_{uuid.uuid4().hex}"
    run = os.environ["DATABASE_URL"]
    with psycopg.connect(run, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield urlsplit(run)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def migrated_database() -> Iterator[Database]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shm-server-")))
        if os.environ.get("DATABASE_URL", "").startswith("postgres"):
            url = stack.enter_context(new_postgresql())
        else:
            url = f"sqlite:///{folder / 'template.sqlite3'}"
        migrate(folder, url)
        yield Database(url)


def migrate(folder: Path, url: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=environment(folder, DATABASE_URL=url),
        check=True,
        timeout=START_SECONDS,
    )


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """A process environment with none of the test run's own settings in it."""
    own = ("SHM_", "DATABASE_", "DJANGO_", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "SHM_DATA_DIR": str(folder), "SHM_SECRET_KEY": "of no use anywhere but in tests", **variables}


class GunicornServer:
    """One gunicorn and its workers. `url` is its database's."""

    def __init__(self, folder: Path, url: str, application: str, **variables: str) -> None:
        self.port = free_port()
        self.url = url
        self.log = folder / "gunicorn.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", "python:shm_site.gunicorn", application],
                cwd=ROOT,
                env=environment(folder, DATABASE_URL=url, SHM_HOST="127.0.0.1", PORT=str(self.port), **variables),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Its own process group, so that its workers can be ended with it.
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if self.send("GET", "/api/v1/healthcheck").status == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"gunicorn did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """The worker processes that live at this moment."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Asks its database, past the server."""
        if self.url.startswith("sqlite:"):
            with contextlib.closing(sqlite3.connect(urlsplit(self.url).path)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement).fetchall()

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, timeout: float = 20
    ) -> Answer:
        """One request over a connection of its own, with exactly these headers and Host."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return self.send_raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body, timeout)

    def send_raw(self, data: bytes, timeout: float = 20, ends: bool = False) -> Answer:
        """Bytes as they are, and the first answer to them. `ends`: say that nothing more will follow."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            # A server that has refused already may have closed its side before all is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
            with http.client.HTTPResponse(connection) as response:
                response.begin()
                return Answer(response.status, response.headers, response.read())


@contextlib.contextmanager
def gunicorn_server(
    database: Database, application: str = "shm_site.wsgi", **variables: str
) -> Iterator[GunicornServer]:
    """A server that answers, over a new copy of the database. `variables` are added to its environment."""
    with tempfile.TemporaryDirectory(prefix="shm-server-") as name, database.copy(Path(name)) as url:
        server = GunicornServer(Path(name), url, application, **variables)
        try:
            server.wait()
            yield server
        finally:
            server.stop()
