"""What `manage.py check` says of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import override_settings

from tests.django_app.providers import numbers
from tests.programs import PACKAGE
from tests.readme import README


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
        ({"PROVIDER": "tests.django_app.providers.no_such_function"}, ["E006"]),
        ({"PROVIDER": "no_such_module.numbers"}, ["E006"]),
        ({"PROVIDER": "numbers"}, ["E006"]),
        ({"PROVIDER": numbers}, ["E006"]),
        ({"PROVIDER": "tests.django_app.providers.NOT_CALLABLE"}, ["E006"]),
        ({"PROVIDER": "tests.django_app.providers.numbers_of"}, ["E006"]),
        ({"PROVIDER": "tests.django_app.providers.numbers_to_wait_for"}, []),
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
