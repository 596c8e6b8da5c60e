"""What the setting means to the client."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from shm_sdk import Config


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


@pytest.mark.usefixtures("test_environment")
def test_under_tests_it_is_off_whatever_is_said(shm):
    assert configured({**shm, "ENABLED": True}).enabled is False
