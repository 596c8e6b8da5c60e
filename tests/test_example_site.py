"""A site that uses the Python client, a server, and a browser: what a site counts is what its maintainers read."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.gunicorn_server import ROOT, gunicorn_server, migrated_database
from tests.load import until
from tests.postgres import free_port
from tests.test_browser import browser  # noqa: F401 - a fixture
from tests.test_privacy import manage

pytestmark = [pytest.mark.browser, pytest.mark.server]

CLIENT = ROOT / "sdk/python/src"
SITE = ROOT / "sdk/python/examples/django_site"
PASSWORD = "correct horse battery"
ENTRIES = 137
FILL = f"""
from ledger.models import Entry
Entry.objects.bulk_create(Entry(text="Milk", amount=1) for _ in range({ENTRIES}))
"""


class Ledger:
    """The example site in a folder of its own."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        # Nothing else, so that no CI=true and no DO_NOT_TRACK=1 of whoever runs this test silences the site.
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, [CLIENT, SITE])),
            "HOME": str(folder),
            "DJANGO_SETTINGS_MODULE": "ledger.settings",
            "LEDGER_DATA": str(folder / "data"),
            "LEDGER_TELEMETRY_URL": server,
        }

    def manage(self, *command: str) -> None:
        subprocess.run([sys.executable, "manage.py", *command], cwd=SITE, env=self.environment, check=True, timeout=60)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Where it is to be looked at."""
        bind = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind={bind}", "ledger.wsgi"]
        process = subprocess.Popen(command, cwd=SITE, env=self.environment)
        try:
            until(lambda: process.poll() is not None or answers(f"http://{bind}/"), 60)
            yield f"http://{bind}"
        finally:
            process.terminate()
            process.wait(60)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=20) as response:
            return response.status == 200
    except (URLError, ConnectionError):
        return False


@pytest.fixture
def server(tmp_path):
    static = {"SHM_STATIC_DIR": str(tmp_path / "static")}
    with migrated_database() as database:
        manage(tmp_path, database.url, "collectstatic", "--noinput", "--verbosity=0", **static)
        with gunicorn_server(database, **static) as server:
            create = ["createsuperuser", "--noinput", "--username=maintainer", "--email="]
            manage(tmp_path, server.url, *create, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
            yield server


def sign_in(page: Page, server: str) -> None:
    page.goto(f"{server}/")
    page.get_by_label("Username").fill("maintainer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{server}/")


def test_what_a_site_counts_is_what_its_maintainers_read(server, browser, tmp_path):  # noqa: F811
    address = f"http://127.0.0.1:{server.port}"
    ledger = Ledger(tmp_path, address)
    ledger.manage("migrate", "--verbosity=0")
    ledger.manage("shell", f"--command={FILL}")
    page = browser.new_page()

    with ledger.running() as site:
        page.goto(f"{site}/telemetry/")
        expect(page.get_by_text(address).first).to_be_visible()
        expect(page.locator("pre")).to_contain_text(f'"entries": {ENTRIES}')
        sign_in(page, address)
        until(lambda: reported(page, address) == [ENTRIES], 60)

    page.goto(f"{address}/applications/ledger/")
    card = page.get_by_role("link", name="Entries", exact=True).first.locator("..")
    expect(card).to_contain_text(str(ENTRIES))
    page.get_by_role("cell", name="sqlite").first.wait_for()
    page.close()


def reported(page: Page, server: str) -> list[object]:
    """What the table of instances has under `entries`, for each installation of the application."""
    answer = page.request.get(f"{server}/applications/ledger/instances.json?c=all")
    if answer.status == 404:  # Nobody has registered yet.
        return []
    sheet = answer.json()
    return [dict(zip(sheet["columns"], row, strict=True)).get("entries") for row in sheet["rows"]]
