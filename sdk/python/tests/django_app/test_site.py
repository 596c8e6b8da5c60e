"""The example site, as its users run it, and the site of whoever follows the README."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.programs import PACKAGE, Program
from tests.readme import blocks
from tests.server import Server

SITE = PACKAGE / "examples/django_site"


class Ledger(Program):
    def __init__(self, server: Server, folder: Path) -> None:
        self.data = folder / "data"
        variables = {
            "LEDGER_DATA": str(self.data),
            "LEDGER_TELEMETRY_URL": server.url,
            "LEDGER_SECRET_KEY": "of no use anywhere but in tests",
            "DJANGO_SETTINGS_MODULE": "ledger.settings",
        }
        super().__init__(folder, variables, [SITE])

    def manage(self, *command: str) -> str:
        return self.run(str(SITE / "manage.py"), *command)

    @property
    def files(self) -> set[str]:
        """What telemetry has put into the data folder."""
        return {path.name for path in self.data.glob("*_shm_*")}


@pytest.fixture
def ledger(server: Server, tmp_path: Path) -> Ledger:
    return Ledger(server, tmp_path)


ANNOUNCEMENT = "sends signed, aggregate numbers"
GUNICORN = ["-m", "gunicorn", "--bind=127.0.0.1:{port}", "--workers=2", "--graceful-timeout=1", "ledger.wsgi"]


def test_commands_send_nothing_and_leave_nothing_behind(ledger, server):
    ledger.manage("check", "--fail-level=WARNING")
    ledger.manage("migrate")
    ledger.manage("makemigrations", "--check")
    ledger.manage("shell", "--command=from ledger.models import Entry; Entry.objects.count()")

    assert server.requests == []
    assert ledger.files == set()


def test_its_own_tests_pass_and_send_nothing(ledger, server):
    ledger.variables["LEDGER_TELEMETRY"] = "on"
    assert "Ran 3 tests" in ledger.manage("test", "ledger")

    assert server.requests == []
    assert ledger.files == set()


UVICORN = ["-m", "uvicorn", "--port={port}", "--workers=2", "--lifespan=off", "ledger.asgi:application"]


@pytest.mark.parametrize("command", [GUNICORN, [*GUNICORN, "--preload"], UVICORN], ids=["wsgi", "preload", "asgi"])
def test_the_worker_that_answers_the_first_request_begins(ledger, server, command):
    ledger.manage("migrate")
    with ledger.running(*command) as site:
        site.wait_until_it_listens()
        before = site.text
        site.get()
        server.wait_for("/v1/snapshot")

    assert ANNOUNCEMENT not in before
    assert site.text.count(ANNOUNCEMENT) == 1
    assert server.snapshots[0]["metrics"]["entries"] == 0
    assert server.snapshots[0]["metrics"]["db"] == {"engine": "sqlite"}


RUNSERVER = [str(SITE / "manage.py"), "runserver", "127.0.0.1:{port}"]


def test_where_one_develops_nothing_is_sent(ledger, server):
    ledger.variables["LEDGER_DEBUG"] = "on"
    ledger.manage("migrate")
    with ledger.running(*RUNSERVER) as site:
        site.wait_until_it_listens()
        site.get()

    assert "Telemetry is off." in site.text
    assert server.requests == []
    assert ledger.files == set()


def test_where_one_develops_telemetry_the_half_that_answers_begins(ledger, server):
    ledger.variables.update({"LEDGER_DEBUG": "on", "LEDGER_TELEMETRY": "on"})
    ledger.manage("migrate")
    with ledger.running(*RUNSERVER) as site:
        site.wait_until_it_listens()
        site.get()
        server.wait_for("/v1/snapshot")

    assert site.text.count(ANNOUNCEMENT) == 1


def test_its_users_see_what_is_sent_or_why_nothing_is(ledger, server):
    ledger.manage("migrate")
    ledger.variables["DO_NOT_TRACK"] = "1"
    with ledger.running(*GUNICORN) as site:
        site.wait_until_it_listens()
        page = site.get("/telemetry/")

    assert "Nothing is sent." in page
    assert "DO_NOT_TRACK is set in the environment." in page
    assert "entries_last_30_days" in page
    assert server.requests == []


def test_whoever_runs_it_looks_reports_and_stops_it(ledger, server):
    ledger.manage("migrate")
    assert "usage: manage.py shm preview" in ledger.manage("shm", "preview", "--help")
    assert '"entries":0' in ledger.manage("shm", "preview")
    assert (server.requests, ledger.files) == ([], set())

    ledger.manage("shm", "send")
    assert server.snapshots[0]["metrics"]["entries"] == 0

    ledger.manage("shm", "opt-out")
    sent = len(server.requests)
    with ledger.running(*GUNICORN) as site:
        site.wait_until_it_listens()
        site.get()
    assert "Telemetry is off." in site.text
    assert len(server.requests) == sent


# What the README shows


@pytest.fixture
def readers_site(ledger: Ledger, server: Server, tmp_path: Path) -> Ledger:
    """The example site with the README's setting and provider in the place of its own."""
    shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("data", "__pycache__"))
    setting, provider = blocks("Django")
    setting = setting.replace("https://telemetry.example.org", server.url).replace("/var/lib/ledger", str(ledger.data))
    with (tmp_path / "site/ledger/settings.py").open("a") as file:
        file.write(f"theirs = INSTALLED_APPS\n{setting}\nINSTALLED_APPS = sorted({{*theirs, *INSTALLED_APPS}})\n")
    (tmp_path / "site/ledger/telemetry.py").write_text(provider)
    ledger.paths = [tmp_path / "site"]
    ledger.manage("migrate")
    return ledger


def test_what_the_readme_says_to_do_is_all_there_is_to_do(readers_site, server):
    readers_site.manage("check", "--fail-level=WARNING")
    with readers_site.running(*GUNICORN) as site:
        site.wait_until_it_listens()
        site.get()
        server.wait_for("/v1/snapshot")

    assert server.snapshots[0]["metrics"]["entries"] == 0


def test_a_celery_worker_of_a_site_reports_as_the_readme_says(readers_site, server, tmp_path):
    app = 'from celery import Celery\n\napp = Celery("ledger", broker="memory://")\n'
    (tmp_path / "site/queue_of_ledger.py").write_text(app + blocks("Celery")[1])
    with readers_site.running("-m", "celery", "--app=queue_of_ledger", "worker", "--pool=solo"):
        server.wait_for("/v1/snapshot", 60)

    assert server.snapshots[0]["metrics"]["entries"] == 0
