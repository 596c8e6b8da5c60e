"""`manage.py shm`."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings


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
