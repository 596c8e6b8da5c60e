"""The production server, and a maintainer who looks at its pages."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from django.contrib.auth.models import User
from django.test import Client

from tests.postgres import free_port

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
# Each of the server's processes keeps compiled templates and a connection to the database from the first request on.
WARM_UPS = 3
CHART_DATA = re.compile(rb'<script id="chart-history" type="application/json">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Server:
    port: int
    process: int


@contextmanager
def running_server() -> Iterator[Server]:
    """The command of the Dockerfile on a free port of 127.0.0.1."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:shm_site.gunicorn", "shm_site.wsgi"]
    environment = {**os.environ, "PORT": str(port), "SHM_HOST": "127.0.0.1"}
    process = subprocess.Popen([*command, "--log-level", "warning"], env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/api/v1/healthcheck")
                connection.getresponse().read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running_worker() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Look:
    """The median of some requests of one page: seconds, its size and that of its chart's data in bytes."""

    seconds: float
    size: int
    chart_size: int


class Maintainer:
    """Signed in, over one connection that is kept."""

    def __init__(self, port: int) -> None:
        user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(user)
        self.headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
        self.connection = HTTPConnection("127.0.0.1", port, timeout=300)

    def sees(self, path: str, text: str) -> bool:
        """Whether a page holds the text: that what is measured is what it is meant to be."""
        self.connection.request("GET", path, headers=self.headers)
        return text.encode() in self.connection.getresponse().read()

    def look(self, paths: list[str], times: int) -> list[Look]:
        """Each path so many times, in turns."""
        seconds: dict[str, list[float]] = {path: [] for path in paths}
        bodies: dict[str, bytes] = {}
        for _ in range(times + WARM_UPS):
            for path in paths:
                began = time.perf_counter()
                self.connection.request("GET", path, headers=self.headers)
                response = self.connection.getresponse()
                bodies[path] = response.read()
                seconds[path].append(time.perf_counter() - began)
                assert response.status == 200, f"{path} answered {response.status}"
        return [
            Look(statistics.median(seconds[path][WARM_UPS:]), len(bodies[path]), chart_size(bodies[path]))
            for path in paths
        ]


def chart_size(body: bytes) -> int:
    chart = CHART_DATA.search(body)
    return len(chart[1]) if chart else 0


def pages_of(slug: str, instance: object) -> dict[str, str]:
    """Every page that shows a fleet or one of it, every period of its chart, and what its table can be asked."""
    application = f"/applications/{slug}/"
    return {
        "overview": "/",
        "application": application,
        **{
            f"chart of a metric, {period}": f"{application}?metric=storage_mb&period={period}"
            for period in ("24h", "7d", "30d", "3m", "1y", "all")
        },
        "chart of active instances, 7d": f"{application}?period=7d",
        "table sorted by a metric": f"{application}?sort=-m.storage_mb",
        "table searched": f"{application}?q=1.2&state=active",
        "instance": f"/instances/{instance}/",
        "badge of a metric": f"/badge/{slug}/metric/storage_mb",
    }
