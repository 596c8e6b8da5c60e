"""When a process begins to report, and what the request that begins it pays."""

from __future__ import annotations

import logging
import sys
import threading

import pytest
from django.db import connection, connections, transaction
from django.test import override_settings

from tests.django_app.providers import used
from tests.programs import Program


def test_the_first_request_begins_it_and_those_after_it_pay_for_nothing(sent, site):
    assert sent() == {"entries": 3}

    assert site.answer_a_request() == 0
    assert len(site.threads) == 1


def test_a_provider_may_be_a_coroutine(sent):
    assert sent(PROVIDER="tests.django_app.providers.numbers_to_wait_for") == {"entries": 4}


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
    assert sent(PROVIDER="tests.django_app.providers.numbers_of_a_table") == {"entries": 5}

    (theirs,) = used
    assert theirs is not connections["default"]
    assert theirs.connection is None


def test_a_transaction_that_is_open_around_the_provider_stays_open(shm):
    from shm_sdk.django import provider

    with (
        override_settings(SHM={**shm, "PROVIDER": "tests.django_app.providers.numbers_of_a_table"}),
        transaction.atomic(),
    ):
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
