"""Takes the pictures that the README and docs show, of the demo fleet, light and dark: make screenshots."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.postgres import free_port  # noqa: E402 - the path comes first.

IMAGES = ROOT / "docs" / "images"
SEEDED_WITHIN_SECONDS = 300
WIDTH, HEIGHT = 1360, 900
PASSWORD = secrets.token_urlsafe()
FLEET = "/applications/quillhaven/"
PAGES = {
    "overview": "/",
    "application": f"{FLEET}?metric=documents_count&period=3m",
    "metric": f"{FLEET}metric/?key=documents_count&of=median&period=3m",
    "versions": f"{FLEET}versions/?period=3m",
    "lifecycle": f"{FLEET}lifecycle/?period=3m",
}
THEMES = ("light", "dark")
# So many points at least of these periods' charts.
COUNTED = {"24h": 23, "3m": 60}


@contextmanager
def demo() -> Iterator[str]:
    """The demo on a free port, with data that is gone afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SHM_", "DATABASE_URL"))}
        environment = {**kept, "PORT": str(port), "SHM_DATA_DIR": folder, "SHM_ADMIN_PASSWORD": PASSWORD}
        server = subprocess.Popen([sys.executable, "manage.py", "up", "--demo"], cwd=ROOT, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SEEDED_WITHIN_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(address):  # noqa: S310 - on this machine, over HTTP.
                return
        except (URLError, ConnectionError):
            time.sleep(0.5)
    raise SystemExit("The demo has not started. What it says above should tell why.")


def take(browser: Browser, server: str, theme: str) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{server}/")
    page.evaluate(f"localStorage.adminTheme = JSON.stringify('{theme}')")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    wait_for_history(page, server)
    instance = longest_of(page, server)
    for name, path in {**PAGES, "instance": instance}.items():
        page.goto(server + path)
        page.wait_for_load_state("networkidle")
        suffix = "" if theme == "light" else f"-{theme}"
        page.screenshot(path=IMAGES / f"{name}{suffix}.png")


def wait_for_history(page: Page, server: str) -> None:
    """Until the worker has counted the invented past of every application."""
    page.goto(f"{server}/")
    fleets = [link.get_attribute("href") for link in page.locator("main article h3 a").all()]
    deadline = time.monotonic() + SEEDED_WITHIN_SECONDS
    for fleet in fleets:
        while not all(is_counted(page, server + str(fleet), *span) for span in COUNTED.items()):
            if time.monotonic() > deadline:
                raise SystemExit(f"The worker has not counted the past of {fleet} in time. Its log is above.")
            time.sleep(1)


def is_counted(page: Page, fleet: str, period: str, points: int) -> bool:
    history = page.request.get(f"{fleet}?period={period}&download=history.json").json()
    return sum(active is not None for _, active in history["rows"]) > points


def longest_of(page: Page, server: str) -> str:
    """The page of an instance that there is much to say about: the first of the table, by its age."""
    page.goto(f"{server}{FLEET}")
    return page.locator("#instances tbody a").first.get_attribute("href") or FLEET


def main() -> None:
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with demo() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for theme in THEMES:
            take(browser, server, theme)


if __name__ == "__main__":
    main()
