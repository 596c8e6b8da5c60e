"""Each way to say no stops everything, before there is so much as a file."""

from __future__ import annotations

import logging

import pytest

from shm_sdk import Config, SHMClient, consent
from shm_sdk.consent import CI_VARIABLES
from shm_sdk.folder import Folder


def is_silent(client: SHMClient, server, folder) -> bool:
    client.start()
    sent = client.send()
    return not sent and client._thread is None and server.requests == [] and not folder.exists()


def test_without_a_no_it_reports(config, server):
    assert SHMClient(config).send()
    assert len(server.snapshots) == 1


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", " 1 ", "please"])
def test_do_not_track(config, server, folder, monkeypatch, value):
    monkeypatch.setenv("DO_NOT_TRACK", value)

    client = SHMClient(config)

    assert is_silent(client, server, folder)
    assert "DO_NOT_TRACK" in client.refusal


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_do_not_track_that_says_no_is_no_no(config, monkeypatch, value):
    monkeypatch.setenv("DO_NOT_TRACK", value)

    assert SHMClient(config).refusal == ""


def test_the_application_has_switched_it_off(make_config, server, folder):
    assert is_silent(SHMClient(make_config(enabled=False)), server, folder)


@pytest.mark.parametrize("enabled", ["false", "true", 1, 0, None, "", object()])
def test_only_true_switches_it_on(make_config, server, folder, enabled):
    """What comes from the environment is a text, and each text but the empty one is true to Python."""
    assert is_silent(SHMClient(make_config(enabled=enabled)), server, folder)


def test_the_file_of_the_user(config, server, folder):
    folder.mkdir()
    consent.opt_out_file(config).touch()
    client = SHMClient(config)
    client.start()

    assert not client.send()
    assert server.requests == []
    assert [path.name for path in folder.iterdir()] == ["ledger_shm_opt_out"]
    assert str(consent.opt_out_file(config)) in client.refusal


def test_a_file_that_is_a_broken_link_is_a_no_as_well(config, folder):
    folder.mkdir()
    consent.opt_out_file(config).symlink_to(folder / "nowhere")

    assert SHMClient(config).refusal


@pytest.mark.parametrize("variable", CI_VARIABLES)
def test_build_services_are_not_counted(config, server, folder, monkeypatch, variable):
    monkeypatch.setenv(variable, "true")

    client = SHMClient(config)

    assert is_silent(client, server, folder)
    assert variable in client.refusal


def test_unless_the_application_wants_them_to_be(make_config, monkeypatch):
    monkeypatch.setenv("CI", "true")

    assert SHMClient(make_config(allow_ci=True)).refusal == ""
    assert SHMClient(make_config(allow_ci=True, enabled=False)).refusal


def test_a_no_to_tracking_counts_more_than_what_the_application_says(make_config, monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "1")

    assert SHMClient(make_config(enabled=True, allow_ci=True)).refusal


def test_a_no_in_the_midst_of_a_report_ends_it(config, make_reporter, server, folder):
    """The provider is called before anything is sent; by then the user has changed their mind."""
    make_reporter(lambda: consent.opt_out_file(config).touch() or {"a": 1}).tick()

    assert server.requests == []
    assert not (folder / "ledger_shm_unsent.json").exists()


def test_what_is_wrong_with_the_configuration_is_said_and_hurts_nobody(make_config, server, folder):
    for wrong in (
        {"server_url": ""},
        {"server_url": None},
        {"server_url": "telemetry.example.org"},
        {"server_url": "ftp://example.org"},
        {"server_url": "https://"},
        {"server_url": "http://[::1"},
        {"server_url": "https://example.org:99999"},
        {"server_url": "https://example.org/?a=b"},
        {"server_url": "https://exa mple.org"},
        {"app_name": ""},
        {"app_name": None},
        {"app_name": "x" * 101},
        {"app_version": 2.0},
        {"environment": None},
        {"data_dir": None},
        {"data_dir": 7},
    ):
        client = SHMClient(make_config(**wrong))
        assert is_silent(client, server, folder), wrong
        assert next(iter(wrong)) in client.refusal


@pytest.mark.parametrize("interval", [None, "often", -1, 0, float("nan"), float("inf"), [], 1e300])
def test_an_interval_that_makes_no_sense_is_an_hour(make_config, interval):
    assert make_config(report_interval=interval).interval in {3600.0, 1e300}


def test_an_interval_is_at_least_a_minute(make_config):
    assert make_config(report_interval=1).interval == 60.0


def test_the_log_says_once_what_is_sent_where_and_how_to_stop_it(config, server, folder, caplog):
    caplog.set_level(logging.INFO, "shm_sdk")
    client = SHMClient(config)
    client.start()
    client.start()
    server.wait_for("/v1/snapshot")
    client.stop()

    (line,) = [record.getMessage() for record in caplog.records if "DO_NOT_TRACK" in record.getMessage()]
    assert server.url in line
    assert str(folder / "ledger_shm_opt_out") in line


def test_the_log_says_why_nothing_is_sent(make_config, caplog):
    caplog.set_level(logging.INFO, "shm_sdk")
    SHMClient(make_config(enabled=False)).start()

    assert [record.getMessage() for record in caplog.records] == [
        "Telemetry is off. The application has switched it off (enabled=False)."
    ]


def test_the_file_is_looked_for_where_the_data_folder_really_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    config = Config("http://localhost", "Ledger", "1.0.0", data_dir="~/ledger")

    assert consent.opt_out_file(config) == Folder(config).file("opt_out") == tmp_path / "ledger" / "ledger_shm_opt_out"
