"""shm_sdk.django: what its setting means, what the checks say of it, and when a process begins to report."""

from __future__ import annotations

import logging
import re
import shutil
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.signals import request_started
from django.db import connection, connections, transaction
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from shm_sdk import Config
from tests.programs import PACKAGE, Program
from tests.readme import README, blocks
from tests.server import Server

SITE = PACKAGE / "examples/django_site"


@pytest.fixture(scope="session", autouse=True)
def _django(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path_factory.mktemp("django") / "db.sqlite3"}
    settings.configure(INSTALLED_APPS=["shm_sdk.django"], DATABASES={"default": database}, USE_TZ=True, SHM={})
    django.setup()


@pytest.fixture
def shm(tmp_path: Path) -> dict[str, Any]:
    return {
        "SERVER_URL": "https://telemetry.example.org",
        "APP_NAME": "Ledger",
        "APP_VERSION": "1.0.0",
        "DATA_DIR": tmp_path / "data",
        "PROVIDER": "tests.test_django.numbers",
    }


def numbers() -> dict[str, int]:
    return {"entries": 3}


async def numbers_to_wait_for() -> dict[str, int]:
    return {"entries": 4}


def numbers_of(application: str) -> dict[str, int]:
    return {application: 1}


def numbers_of_a_table() -> dict[str, int]:
    """Leaves its connection behind, to be looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 5")
        used[:] = [connections["default"]]
        return {"entries": cursor.fetchone()[0]}


used: list[Any] = []
NOT_CALLABLE = 3


# The setting


def configured(shm: dict[str, Any], debug: bool = False) -> Config:
    from shm_sdk.django import conf

    with override_settings(SHM=shm, DEBUG=debug):
        return conf.config()


def test_the_keys_of_the_setting_are_the_fields_of_the_configuration(shm):
    given = {
        **shm,
        "ENVIRONMENT": "staging",
        "ENABLED": True,
        "REPORT_INTERVAL": 7200,
        "COLLECT_SYSTEM_METRICS": False,
        "ENROLMENT_TOKEN": "a token",
        "ALLOW_CI": True,
    }
    fields = {name.lower(): value for name, value in given.items() if name != "PROVIDER"}

    assert configured(given) == Config(**fields)


@pytest.mark.parametrize(
    ("said", "debug", "is_enabled"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"ENABLED": None}, True, False),
        ({"ENABLED": True}, True, True),
        ({"ENABLED": False}, False, False),
        ({"ENABLED": "false"}, False, False),  # Python takes any text for true.
        ({"ENABLED": "true"}, False, False),
        ({"ENABLED": 1}, False, False),
    ],
)
def test_it_is_on_where_debug_is_off_or_where_it_is_told_so(shm, said, debug, is_enabled):
    assert configured({**shm, **said}, debug).enabled is is_enabled


def test_a_text_instead_of_false_keeps_back_what_is_said_of_the_machine(shm):
    assert configured({**shm, "COLLECT_SYSTEM_METRICS": "false"}).collects_system_metrics is False
    assert configured({**shm, "ALLOW_CI": "false"}).allow_ci is False


@pytest.mark.parametrize("value", [{}, None, [], "https://telemetry.example.org", 3])
def test_a_setting_that_is_none_sends_nothing_and_raises_nothing(value):
    assert configured(value).problem()


def test_without_the_setting_nothing_is_sent_and_nothing_raises():
    from shm_sdk.django import conf

    with override_settings():
        del settings.SHM
        assert conf.config().problem()


@pytest.fixture
def test_environment() -> Iterator[None]:
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.mark.usefixtures("test_environment")
def test_under_tests_it_is_off_whatever_is_said(shm):
    assert configured({**shm, "ENABLED": True}).enabled is False


# The checks


def ids(shm: Any, debug: bool = False) -> list[str]:
    from shm_sdk.django.checks import check_settings

    with override_settings(SHM=shm, DEBUG=debug):
        messages = check_settings()
    assert all(message.hint for message in messages)
    return [message.id.removeprefix("shm_sdk.") for message in messages]


def test_nothing_is_said_of_a_setting_that_is_right(shm):
    assert ids(shm) == []


@pytest.mark.parametrize("value", [{}, None, [], "https://telemetry.example.org"])
def test_a_setting_that_is_missing_or_no_dict_is_told(value):
    assert ids(value) == ["E001"]


@pytest.mark.parametrize("name", ["SERVER_URL", "APP_NAME", "APP_VERSION"])
def test_a_key_that_is_needed_is_missed_once(shm, name):
    del shm[name]
    assert ids(shm) == ["E002"]


def test_a_key_that_means_nothing_is_told_with_the_one_that_was_meant(shm):
    from shm_sdk.django.checks import check_settings

    with override_settings(SHM={**shm, "SEVRER_URL": "", "environment": "production", "COLOUR": "red"}):
        messages = check_settings()

    assert [message.id for message in messages] == ["shm_sdk.E003"] * 3
    assert messages[0].hint == "Did you mean 'SERVER_URL'?"
    assert messages[1].hint == "Did you mean 'ENVIRONMENT'?"
    assert "PROVIDER" in messages[2].hint


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"COLLECT_SYSTEM_METRICS": "0"}, ["E004"]),
        ({"ALLOW_CI": 1}, ["E004"]),
        ({"ENABLED": "yes"}, ["E004"]),
        ({"SERVER_URL": "telemetry.example.org"}, ["E005"]),
        ({"SERVER_URL": ""}, ["E005"]),
        ({"SERVER_URL": None}, ["E005"]),
        ({"SERVER_URL": "http://[::1"}, ["E005"]),
        ({"APP_NAME": "x" * 101}, ["E005"]),
        ({"APP_VERSION": (1, 0)}, ["E005"]),
        ({"DATA_DIR": 7}, ["E005"]),
        ({"PROVIDER": "tests.test_django.no_such_function"}, ["E006"]),
        ({"PROVIDER": "no_such_module.numbers"}, ["E006"]),
        ({"PROVIDER": "numbers"}, ["E006"]),
        ({"PROVIDER": numbers}, ["E006"]),
        ({"PROVIDER": "tests.test_django.NOT_CALLABLE"}, ["E006"]),
        ({"PROVIDER": "tests.test_django.numbers_of"}, ["E006"]),
        ({"PROVIDER": "tests.test_django.numbers_to_wait_for"}, []),
        ({"PROVIDER": ""}, []),
        ({"DATA_DIR": "data"}, ["W001"]),
        ({"DATA_DIR": "."}, ["W001"]),
        ({"DATA_DIR": "~nobody-of-this-name/data"}, ["W001"]),
        ({"SERVER_URL": "http://telemetry.example.org"}, ["W003"]),
        ({"SERVER_URL": "http://localhost:8080"}, []),
    ],
)
def test_what_is_wrong_with_a_value_is_told(shm, changes, expected):
    assert ids({**shm, **changes}) == expected


def test_a_value_that_is_wrong_is_called_by_the_name_that_it_has_in_the_setting(shm):
    from shm_sdk.django.checks import check_settings

    with override_settings(SHM={**shm, "SERVER_URL": "nowhere"}):
        (message,) = check_settings()

    assert message.msg == "SHM[\"SERVER_URL\"] is 'nowhere', so no telemetry is sent."
    assert message.hint == "Give the server's address, like https://telemetry.example.org."


def test_a_missing_data_folder_is_told(shm):
    del shm["DATA_DIR"]
    assert ids(shm) == ["W001"]


def test_a_data_folder_that_cannot_be_made_is_told_where_it_is_needed(shm, tmp_path):
    (tmp_path / "file").write_text("")
    shm["DATA_DIR"] = tmp_path / "file/data"

    assert ids(shm) == ["W002"]
    assert ids(shm, debug=True) == []  # Nothing is sent there.


def test_what_is_switched_off_need_not_work(shm):
    assert ids({**shm, "ENABLED": False, "SERVER_URL": "", "DATA_DIR": "", "PROVIDER": "nowhere"}) == []


def test_the_readme_lists_the_checks():
    there = set(re.findall(r'"([EW]\d{3})"', (PACKAGE / "src/shm_sdk/django/checks.py").read_text()))
    assert set(re.findall(r"^\| `shm_sdk\.([EW]\d{3})` \|", README, re.MULTILINE)) == there


# The first request


class Telemetry:
    """A process of a site, from its start on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from shm_sdk.django import starting

        self.made: list[Any] = []
        monkeypatch.setattr(starting, "_made", self.made)
        request_started.connect(starting.begin, dispatch_uid=starting.UID)

    @property
    def threads(self) -> list[Any]:
        return [client._thread for client in self.made if client._thread]

    def answer_a_request(self) -> int:
        """How often telemetry has had a part in it: Django itself is told of each, too."""
        from shm_sdk.django import starting

        return [receiver for receiver, _ in request_started.send(sender=None)].count(starting.begin)

    def stop(self) -> None:
        from shm_sdk.django import starting

        request_started.disconnect(dispatch_uid=starting.UID)
        for client in self.made:
            client.stop()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    telemetry = Telemetry(monkeypatch)
    yield telemetry
    telemetry.stop()


@pytest.fixture
def sent(server: Server, shm: dict[str, Any], site: Telemetry) -> Iterator[Any]:
    """Answers a first request with this changed in the setting; returns the numbers that are reported for it."""

    def send(**changes: Any) -> dict[str, Any]:
        with override_settings(SHM={**shm, "SERVER_URL": server.url, "COLLECT_SYSTEM_METRICS": False, **changes}):
            assert site.answer_a_request() == 1
            server.wait_for("/v1/snapshot")
        return server.snapshots[0]["metrics"]

    return send


def test_the_first_request_begins_it_and_those_after_it_pay_for_nothing(sent, site):
    assert sent() == {"entries": 3}

    assert site.answer_a_request() == 0
    assert len(site.threads) == 1


def test_a_provider_may_be_a_coroutine(sent):
    assert sent(PROVIDER="tests.test_django.numbers_to_wait_for") == {"entries": 4}


def test_a_provider_that_cannot_be_imported_costs_its_numbers_and_is_told(sent, caplog):
    with caplog.at_level(logging.WARNING, "shm_sdk"):
        assert sent(PROVIDER="no_such_module.numbers") == {}

    assert "no_such_module" in caplog.text


def test_a_provider_is_imported_by_the_request_and_called_by_a_thread(sent, tmp_path, monkeypatch):
    code = "import threading\nimported_by = threading.current_thread().name\n"
    (tmp_path / "slow_to_import.py").write_text(
        code + "def numbers():\n    return {'imported_by': imported_by, 'called_by': threading.current_thread().name}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    names = sent(PROVIDER="slow_to_import.numbers")

    assert names["imported_by"] == threading.current_thread().name
    assert names["called_by"] != names["imported_by"]


def test_connections_that_a_provider_opens_are_closed_after_it(sent):
    assert sent(PROVIDER="tests.test_django.numbers_of_a_table") == {"entries": 5}

    (theirs,) = used
    assert theirs is not connections["default"]
    assert theirs.connection is None


def test_a_transaction_that_is_open_around_the_provider_stays_open(shm):
    from shm_sdk.django import provider

    with override_settings(SHM={**shm, "PROVIDER": "tests.test_django.numbers_of_a_table"}), transaction.atomic():
        assert provider.numbers() == {"entries": 5}
        with connection.cursor() as cursor:  # Which raises once the connection has been closed.
            cursor.execute("SELECT 1")
    connection.close()


@pytest.mark.usefixtures("test_environment")
def test_a_request_under_tests_begins_nothing(site, shm):
    with override_settings(SHM={**shm, "ENABLED": True}):
        site.answer_a_request()

    assert site.made == []


def test_a_request_with_telemetry_switched_off_begins_nothing_and_imports_no_provider(site, shm):
    with override_settings(SHM={**shm, "ENABLED": False, "PROVIDER": "this.antigravity"}):
        site.answer_a_request()

    assert site.threads == []
    assert "this" not in sys.modules


@pytest.mark.parametrize("value", [None, "nonsense", {"SERVER_URL": 3}, {"PROVIDER": object()}])
def test_a_request_survives_any_setting(site, value):
    with override_settings(SHM=value):
        assert site.answer_a_request() == 1

    assert site.threads == []


def test_a_request_survives_whatever_goes_wrong_at_the_start(site, shm, monkeypatch):
    from shm_sdk.django import starting

    def fail() -> None:
        raise RuntimeError("The test says so.")

    monkeypatch.setattr(starting, "client", fail)
    with override_settings(SHM=shm):
        assert site.answer_a_request() == 1


def test_every_caller_has_the_same_client(site, shm):
    from shm_sdk.django import client

    with override_settings(SHM=shm):
        assert client() is client()


def test_the_package_alone_imports_no_django(tmp_path):
    program = Program(tmp_path)
    assert program.run("-c", "import shm_sdk, sys; print('django' in sys.modules)") == "False\n"


# The command


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the command line gets, in the place of which there is one that does nothing."""
    got: list[str] = []

    def main(argv: list[str], client: Any, prog: str) -> int:
        got.extend(argv)
        print("two", "words")  # noqa: T201
        return 3 if "fail" in argv else 0

    cli = types.ModuleType("shm_sdk.cli")
    cli.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shm_sdk.cli", cli)
    monkeypatch.setattr("shm_sdk.cli", cli, raising=False)
    return got


def test_the_command_hands_over_what_stands_behind_it(site, shm, arguments, capsys):
    with override_settings(SHM=shm):
        call_command("shm", "export", "--output", "x.json", "--settings=ledger.settings")

    assert arguments == ["export", "--output", "x.json"]
    assert capsys.readouterr().out == "two words\n"


def test_the_command_fails_where_the_command_line_does(site, shm, arguments):
    with override_settings(SHM=shm), pytest.raises(SystemExit) as ended:
        call_command("shm", "fail")

    assert ended.value.code == 3


def test_the_command_says_why_nothing_is_sent_where_one_develops(site, shm, arguments, capsys):
    with override_settings(SHM=shm, DEBUG=True):
        call_command("shm", "status")
    assert "DEBUG is on" in capsys.readouterr().err

    with override_settings(SHM={**shm, "ENABLED": True}, DEBUG=True):
        call_command("shm", "status")
    assert capsys.readouterr().err == ""


# The example site


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
