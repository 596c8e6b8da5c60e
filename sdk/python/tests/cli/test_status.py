"""Whether an installation reports, and if not, why."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from shm_sdk import Config, SHMClient, consent
from tests.cli.reading import HOUR, state, who
from tests.server import answers, loses_its_answer


def test_status_before_the_first_report(shm, config, files):
    code, out, _ = shm("status")

    assert code == 0
    assert "Telemetry       on\n" in out
    assert "none yet" in out
    assert "never" in out
    assert files() == set()


def test_status_of_an_installation_that_reports(shm, installed, config, clock):
    found = json.loads(shm("status", "--json").out)

    assert found["reporting"] is True
    assert found["reason"] == ""
    assert found["server_url"] == config.url
    assert found["instance_id"] == who(config).instance_id
    assert found["fingerprint"] == who(config).fingerprint
    assert datetime.fromisoformat(found["last_report"]).timestamp() == clock.now
    assert datetime.fromisoformat(found["last_sent"]).utcoffset() is not None
    assert HOUR <= datetime.fromisoformat(found["next_due"]).timestamp() - clock.now <= 1.1 * HOUR
    assert (found["waiting"], found["problem"], found["overdue"]) == (0, "", False)


def test_status_in_words_has_the_same(shm, installed, config):
    out = shm("status").out

    for text in (config.url, who(config).instance_id, who(config).fingerprint, "Ledger 1.0.0"):
        assert text in out


@pytest.mark.parametrize("variable", ["DO_NOT_TRACK", "CI"])
def test_status_says_why_nothing_is_sent(shm, installed, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    code, out, _ = shm("status")

    assert code == 0
    assert f"off. {consent.refusal(Config('http://localhost', 'Ledger', '1'))}" in out
    assert "Next due" not in out


def test_status_tells_of_failures(shm, installed, server, clock):
    server.always["/v1/snapshot"] = answers(503, {"detail": "Away\x1b[2J for a while.", "code": "unavailable"})
    shm("send")
    code, out, _ = shm("status")
    found = json.loads(shm("status", "--json").out)

    assert code == 0
    assert "Away" in out
    assert "\x1b" not in out
    assert found["waiting"] == 1
    assert datetime.fromisoformat(found["next_try"]).timestamp() >= clock.now
    assert "Away" in found["problem"]


def test_status_says_that_numbers_travel_unencrypted(shm, make_config):
    exposed = SHMClient(make_config(server_url="http://telemetry.example.org"))
    encrypted = SHMClient(make_config(server_url="https://telemetry.example.org"))

    assert "http://telemetry.example.org (unencrypted)" in shm("status", client=exposed).out
    assert "unencrypted" not in shm("status", client=encrypted).out


def test_status_wonders_when_nobody_has_reported_for_long(shm, installed, clock):
    clock.pass_by(3 * HOUR)

    assert "is the application running?" in shm("status").out


def test_status_passes_on_what_the_maintainers_say(shm, server):
    server.extras = {"latest_version": "3.0.0", "notice": "Please upgrade."}
    shm("send")
    found = json.loads(shm("status", "--json").out)

    assert (found["latest_version"], found["notice"]) == ("3.0.0", "Please upgrade.")


def test_status_tells_of_files_that_cannot_be_used(shm, installed, folder):
    (folder / "ledger_shm_identity.json").chmod(0o644)
    code, out, _ = shm("status")

    assert code == 0
    assert "off." in out
    assert "chmod 600" in out


def test_status_reads_a_damaged_state(shm, installed, folder):
    known = {
        **state(folder),
        "last_report": float("nan"),
        "last_sent": 1e300,
        "not_before": float("inf"),
        "failures": 1,
    }
    (folder / "ledger_shm_state.json").write_text(json.dumps(known))

    assert shm("status").code == 0
    assert shm("status", "--json").code == 0


def test_status_tells_of_a_rotation_that_was_cut_off(shm, installed, server):
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    shm("rotate")

    assert "was cut off" in shm("status").out
    shm("rotate")
    assert "was cut off" not in shm("status").out
