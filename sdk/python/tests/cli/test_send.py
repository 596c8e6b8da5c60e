"""Reports by hand and from cron."""

from __future__ import annotations

import logging

import pytest

from shm_sdk import SHMClient, consent
from tests.cli.reading import HOUR, who
from tests.server import answers, hangs_up


def test_send_reports_whether_it_is_due_or_not(shm, server, config):
    assert shm("send").code == 0
    code, out, err = shm("send")

    assert code == 0
    assert out == f"Sent to {config.url}, as instance {who(config).instance_id}.\n"
    assert err == ""
    assert len(server.snapshots) == 2
    assert server.snapshots[1]["metrics"]["documents_created"] == 123


def test_send_if_due_leaves_what_is_not(shm, server, installed, clock):
    code, out, _ = shm("send", "--if-due")
    assert code == 0
    assert out.startswith("Not due before 20")
    assert len(server.snapshots) == 1

    clock.pass_by(2 * HOUR)
    assert "Sent to" in shm("send", "--if-due").out
    assert len(server.snapshots) == 2


@pytest.mark.parametrize(
    ("variable", "advice"), [("DO_NOT_TRACK", "unset it"), ("CI", "allow_ci=True"), (None, "opt-in")]
)
def test_send_respects_a_refusal_and_says_what_to_do(shm, server, monkeypatch, variable, advice):
    if variable:
        monkeypatch.setenv(variable, "1")
    else:
        shm("opt-out")
    code, out, err = shm("send")

    assert (code, out) == (1, "")
    assert err.startswith("Nothing was sent. ")
    assert advice in err
    assert server.requests == []


def test_send_says_when_the_server_cannot_be_reached(shm, server, installed, files):
    server.always["/v1/snapshot"] = hangs_up
    code, out, err = shm("send")

    assert (code, out) == (1, "")
    assert err.count("could not be reached") == 1
    assert "One snapshot waits, and is sent later." in err
    assert "unsent.json" in files()


def test_send_says_when_the_server_refuses(shm, server, installed):
    server.always["/v1/snapshot"] = answers(403, {"detail": "Turned away.\x1b[2J\nSent.", "code": "revoked"})
    code, out, err = shm("send")

    assert (code, out) == (1, "")
    assert "Turned away." in err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_send_says_when_a_snapshot_is_not_taken(shm, server, installed):
    server.always["/v1/snapshot"] = answers(413)

    assert shm("send").code == 1


def test_send_tells_what_still_waits(shm, server, installed):
    server.behaviours["/v1/snapshot"] = [hangs_up]
    shm("send")
    server.behaviours["/v1/snapshots"] = [answers(503)]
    code, out, err = shm("send")

    assert code == 0
    assert "Sent to" in out
    assert "One snapshot waits" in err


def test_send_passes_on_what_the_maintainers_say(shm, server):
    server.extras = {"latest_version": "3.0.0", "notice": "Please upgrade."}
    out = shm("send").out

    assert "The maintainers recommend version 3.0.0." in out
    assert "The maintainers say: Please upgrade." in out


def test_send_without_a_provider_says_whose_numbers_are_missing(shm, config):
    code, _, err = shm("send", client=SHMClient(config))

    assert code == 0
    assert "the application's own numbers are not in it" in err


def test_an_opt_out_while_numbers_are_gathered_is_respected(shm, config, server):
    server.behaviours["/v1/register"] = [hangs_up]
    assert "could not be reached" in shm("send").err

    def numbers():
        consent.opt_out_file(config).write_text("")
        return {}

    code, _, err = shm("send", client=SHMClient(config, numbers))

    assert code == 1
    assert "There is the file" in err
    assert server.paths == ["/v1/register"]


def test_warnings_of_the_client_stay_where_they_were_once_a_command_is_done(shm, installed):
    logger = logging.getLogger("shm_sdk")

    assert logger.propagate
    assert logger.handlers == []
