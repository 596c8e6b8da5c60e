"""The demo as a stranger starts it, with data that is gone afterwards: for pictures, and for tests of its pages."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300
# So many points at least of these periods' charts, once the invented past is counted.
COUNTED = {"24h": 23, "3m": 60}


@dataclass(frozen=True)
class Demo:
    address: str
    password: str

    def sign_in(self, page: Page) -> None:
        page.goto(f"{self.address}/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", self.password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.address}/")

    def wait_for_history(self, page: Page) -> None:
        """Until the worker has counted the past of every application. The page is signed in."""
        page.goto(f"{self.address}/")
        fleets = [link.get_attribute("href") for link in page.locator("main article h3 a").all()]
        assert fleets, "The overview of the demo names no application."
        deadline = time.monotonic() + SECONDS
        for fleet in fleets:
            while not all(self._is_counted(page, str(fleet), *span) for span in COUNTED.items()):
                assert time.monotonic() < deadline, f"The worker has not counted the past of {fleet} in time."
                time.sleep(1)

    def _is_counted(self, page: Page, fleet: str, period: str, points: int) -> bool:
        history = self.download(page, f"{fleet}?period={period}&download=history.json")
        return sum(active is not None for _, active in history["rows"]) > points

    def download(self, page: Page, path: str) -> dict[str, list[list[object]]]:
        """A JSON file, with the page's own session."""
        return page.request.get(f"{self.address}{path}").json()


@contextmanager
def running_demo() -> Iterator[Demo]:
    """On a free port, in a folder that is deleted at the end."""
    port, password = free_port(), secrets.token_urlsafe()
    with tempfile.TemporaryDirectory() as folder:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SHM_", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"))
        }
        environment = {**kept, "PORT": str(port), "SHM_DATA_DIR": folder, "SHM_ADMIN_PASSWORD": password}
        server = subprocess.Popen([sys.executable, "manage.py", "up", "--demo"], cwd=ROOT, env=environment)
        try:
            _wait_for(f"http://127.0.0.1:{port}/readyz", server)
            yield Demo(f"http://127.0.0.1:{port}", password)
        finally:
            server.terminate()
            server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(address):
                return
        except (URLError, ConnectionError):
            time.sleep(0.5)
    raise RuntimeError("The demo has not started. What it says above should tell why.")
