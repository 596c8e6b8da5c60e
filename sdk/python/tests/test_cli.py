"""The command line: what it tells, what it does, and what it leaves undone."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path

import pytest

from shm_sdk import Config, SHMClient, cli, consent, identity, system
from shm_sdk import client as clients
from shm_sdk.commands import PAUSE, TRIES, Surroundings
from shm_sdk.folder import Folder
from shm_sdk.transport import Transport
from tests.server import answers, hangs_up, loses_its_answer

HOUR = 3600
ALL = ["preview", "send", "status", "export", "rotate", "forget", "opt-out", "opt-in"]
# For processes of their own.
PROGRAM = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
FILES = {"identity.json", "identity.json.next", "state.json", "unsent.json"}


class Killed(BaseException):
    """As by SIGKILL: nothing of ours catches it."""


class Run:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __iter__(self):
        return iter((self.code, self.out, self.err))


@pytest.fixture
def client(config):
    return SHMClient(config, lambda: {"documents_created": 123})


@pytest.fixture
def naps():
    return []


@pytest.fixture
def shm(client, clock, naps, capsys):
    """Runs a command, as an application's own command line does."""

    def run(*argv, client=client, reply="", sleep=naps.append):
        def ask(question):
            cli.tell(question)
            if reply is None:
                raise EOFError
            return reply

        capsys.readouterr()
        code = cli.run(argv, client, Surroundings(clock, sleep, ask))
        return Run(code, *capsys.readouterr())

    return run


@pytest.fixture
def files(folder):
    """The files that are there, without the lock."""

    def names():
        found = (path.name for path in folder.iterdir()) if folder.exists() else ()
        return {name.replace("ledger_shm_", "") for name in found} - {"lock"}

    return names


@pytest.fixture
def installed(shm):
    """An installation that has reported once."""
    assert shm("send").code == 0


def who(config):
    return identity.load(Folder(config))


def state(folder):
    return json.loads((folder / "ledger_shm_state.json").read_text())


def parts(out):
    """Of a preview: (URL, headers with small letters, body) of each request."""
    found = []
    for chunk in out.split("\nPOST ")[1:]:
        head, body = chunk.split("\n\n", 1)
        url, *lines = head.split("\n")
        headers = dict(line.split(": ", 1) for line in lines)
        found.append((url, {name.lower(): value for name, value in headers.items()}, body.split("\n")[0].encode()))
    return found


# preview


def test_a_preview_is_to_the_byte_what_is_sent_then(shm, server, config, installed, monkeypatch, folder):
    monkeypatch.setattr(system, "resident_mb", lambda: 40)
    shown = parts(shm("preview").out)
    (folder / "ledger_shm_state.json").unlink()
    bodies, before = [], len(server.headers)

    def keep(handler):
        bodies.append(handler.content)
        handler.behave()

    for path in ("/v1/register", "/v1/activate", "/v1/snapshot"):
        server.always[path] = keep
    assert shm("send").code == 0

    assert [url for url, _, _ in shown] == [
        f"{config.url}{path}" for path in ("/v1/register", "/v1/activate", "/v1/snapshot")
    ]
    assert [body for _, _, body in shown] == bodies
    sent = [{name.lower(): value for name, value in headers.items()} for headers in server.headers[before:]]
    assert [headers for _, headers, _ in shown] == sent


def test_a_preview_sends_and_writes_nothing(shm, server, files):
    code, out, _ = shm("preview")

    assert code == 0
    assert "example" in out
    assert '"documents_created":123' in out
    assert server.requests == []
    assert files() == set()


def test_a_preview_of_an_installation_that_has_reported_has_its_identity(shm, installed, config, files):
    before = files()
    out = shm("preview").out

    assert "example" not in out
    assert out.count(who(config).instance_id) >= 3
    assert "the server knows it already" in out
    assert files() == before


def test_a_preview_tells_of_what_waits(shm, installed, server):
    server.always["/v1/snapshot"] = hangs_up
    shm("send")

    assert "earlier snapshots wait (1)" in shm("preview").out


@pytest.mark.parametrize("reason", ["DO_NOT_TRACK", "file", "CI"])
def test_a_preview_shows_what_would_be_sent_if_it_were_allowed(shm, monkeypatch, reason):
    if reason == "file":
        shm("opt-out")
    else:
        monkeypatch.setenv(reason, "1")
    code, out, _ = shm("preview")

    assert code == 0
    assert out.startswith("Nothing would be sent. ")
    assert len(parts(out)) == 3


def test_a_preview_says_that_the_identity_cannot_be_used(shm, installed, folder):
    (folder / "ledger_shm_identity.json").write_text("{}")
    code, out, _ = shm("preview")

    assert code == 0
    assert out.startswith("Nothing would be sent.")
    assert "holds no identity" in out
    assert "example" in out


def test_a_preview_keeps_the_enrolment_token_to_itself(shm, make_config):
    out = shm("preview", client=SHMClient(make_config(enrolment_token="sesame"))).out

    assert "X-Enrolment-Token: (the enrolment token)" in out
    assert "sesame" not in out


def test_a_preview_tells_what_is_left_out_of_it(shm, config):
    code, out, err = shm("preview", client=SHMClient(config, lambda: {"fine": 1, "when": datetime}))

    assert code == 0
    assert '"fine":1' in out
    assert "Numbers that cannot be sent are left out: 'when'" in err


def test_a_preview_of_a_provider_that_raises_says_so(shm, config):
    code, _, err = shm("preview", client=SHMClient(config, lambda: 1 / 0))

    assert code == 0
    assert "ZeroDivisionError" in err


def test_letters_that_a_terminal_lacks_do_no_harm(config, clock, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    numbers = SHMClient(Config(config.url, "Bücher", "1.0.0", data_dir=config.data_dir), lambda: {"naïve": "日本"})
    assert cli.run(["status"], numbers, Surroundings(clock)) == 0
    assert cli.run(["preview"], numbers, Surroundings(clock)) == 0

    written = out.buffer.getvalue()
    assert b"B\\xfccher" in written
    assert "日本".encode() in written  # The body is shown to the byte.


def test_a_preview_can_be_read_where_stdout_has_no_bytes(config, clock, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.run(["preview"], SHMClient(config), Surroundings(clock)) == 0

    assert len(parts(out.getvalue())) == 3


# send


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


# status


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


# export


def test_export_writes_everything_to_stdout(shm, installed, config):
    code, out, err = shm("export")

    assert (code, err) == (0, "")
    assert json.loads(out)["instance_id"] == who(config).instance_id
    assert len(json.loads(out)["snapshots"]) == 1


def test_export_writes_a_file_byte_for_byte(shm, installed, server, tmp_path):
    content = b'{"instance_id": "x", "snapshots": [' + b"1, " * 300_000 + b"1]}"
    server.always["/v1/export"] = answers(200, content)
    code, out, _ = shm("export", "--output", str(tmp_path / "all.json"))

    assert code == 0
    assert str(len(content)) in out
    assert (tmp_path / "all.json").read_bytes() == content


def test_export_says_when_the_file_cannot_be_written(shm, installed, tmp_path):
    code, _, err = shm("export", "--output", str(tmp_path / "no" / "all.json"))

    assert code == 1
    assert "Name another file." in err


@pytest.mark.parametrize("content", [b'{"instance_id": "x", "snapshots": [{}', b"<html>Please sign in.</html>"])
def test_half_an_export_is_none(shm, installed, server, tmp_path, content):
    server.always["/v1/export"] = answers(200, content)
    code, _, err = shm("export", "--output", str(tmp_path / "all.json"))

    assert code == 1
    assert "Try again" in err
    assert not (tmp_path / "all.json").exists()


# What all actions have in common


@pytest.mark.parametrize("command", [["export"], ["rotate"], ["forget", "--yes"]])
class TestActions:
    def test_they_work_whatever_is_switched_off(self, shm, installed, monkeypatch, server, command):
        shm("opt-out")
        monkeypatch.setenv("DO_NOT_TRACK", "1")

        assert shm(*command).code == 0
        assert server.paths[-1] == f"/v1/{command[0]}"

    def test_they_need_an_identity(self, shm, server, files, command):
        code, out, err = shm(*command)

        assert (code, out) == (1, "")
        assert "There is no identity in" in err
        assert server.requests == []
        assert files() == set()

    @pytest.mark.parametrize(
        ("behaviour", "text"),
        [
            (hangs_up, "could not be reached"),
            (answers(404), "not every server has it"),
            (answers(405), "not every server has it"),
            (answers(429, {"detail": "Too many."}, Retry_After="600"), "Try again in 10 minutes."),
            (answers(500, b"<h1>Oops</h1>"), "Try again later."),
            (answers(503, Retry_After="30"), "Try again in 30 s."),
            (answers(403, {"detail": "Turned away.", "code": "revoked"}), "Turned away."),
            (answers(400, {"detail": "What is that?", "code": "invalid_action"}), "What is that?"),
            (answers(200, b"<html>Please sign in.</html>"), "login page"),
        ],
    )
    def test_they_say_why_they_did_not_work(self, shm, installed, server, config, command, behaviour, text):
        before = who(config)
        server.always[f"/v1/{command[0]}"] = behaviour
        code, out, err = shm(*command)

        assert (code, out) == (1, "")
        assert text in err
        assert "Traceback" not in err
        assert who(config) == before

    def test_they_set_a_wrong_clock_right(self, shm, installed, server, clock, command):
        server.clock = lambda: clock.now - HOUR

        assert shm(*command).code == 0

    def test_they_wait_for_a_report_that_is_under_way(self, shm, installed, config, naps, command):
        lock = Folder(config).lock()
        lock.__enter__()

        def sleep(seconds):
            naps.append(seconds)
            if len(naps) == 3:
                lock.__exit__(None, None, None)

        assert shm(*command, sleep=sleep).code == 0
        assert naps[:3] == [PAUSE] * 3

    def test_they_do_not_wait_for_ever(self, shm, installed, config, naps, server, command):
        with Folder(config).lock():
            code, _, err = shm(*command)

        assert code == 1
        assert "Try again in a minute" in err
        assert len(naps) <= 2 * TRIES
        assert f"/v1/{command[0]}" not in server.paths


def test_send_waits_for_a_report_that_is_under_way_but_not_for_ever(shm, config, naps):
    with Folder(config).lock():
        code, _, err = shm("send")

    assert code == 1
    assert "Try again in a minute" in err
    assert naps == [PAUSE] * (TRIES - 1)


@pytest.mark.parametrize("command", [["export"], ["rotate"]])
def test_an_installation_that_the_server_does_not_know_is_told_so(shm, installed, server, command):
    server.keys.clear()
    code, _, err = shm(*command)

    assert code == 1
    assert "does not know this installation" in err


def test_rotate_tells_the_new_fingerprint(shm, installed, config):
    before = who(config).fingerprint
    code, out, _ = shm("rotate")

    assert code == 0
    assert who(config).fingerprint in out
    assert before not in out


# forget


def test_forget_erases_there_and_here_and_keeps_it_so(shm, installed, server, files, config):
    code, out, _ = shm("forget", "--yes")

    assert code == 0
    assert "has erased all" in out
    assert server.keys == {}
    assert files() == {"opt_out"}
    assert shm("send").code == 1


def test_forget_stops_the_application_before_all_else(shm, installed, server, config):
    seen = []

    def look(handler):
        seen.append(consent.opt_out_file(config).exists())
        handler.behave()

    server.behaviours["/v1/forget"] = [look]
    shm("forget", "--yes")

    assert seen == [True]


@pytest.mark.parametrize("reply", ["", "n", "no", "perhaps", None])
def test_forget_asks_first(shm, installed, server, files, reply):
    code, _, err = shm("forget", reply=reply)

    assert code == 1
    assert "cannot be undone" in err
    assert "Nothing was changed" in err
    assert "/v1/forget" not in server.paths
    assert files() == {"identity.json", "state.json"}


@pytest.mark.parametrize("reply", ["y", "Yes "])
def test_forget_takes_yes_for_an_answer(shm, installed, server, reply):
    assert shm("forget", reply=reply).code == 0
    assert server.keys == {}


def test_a_forget_that_failed_can_be_done_again(shm, installed, server, config, files):
    server.behaviours["/v1/forget"] = [hangs_up]
    code, _, err = shm("forget", "--yes")

    assert code == 1
    assert "the identity is kept, for another try" in err
    assert files() == {"identity.json", "state.json", "opt_out"}
    assert shm("forget", "--yes").code == 0
    assert server.keys == {}
    assert files() == {"opt_out"}


def test_a_forget_whose_answer_was_lost_is_finished_by_the_next(shm, installed, server, config, files):
    instance = who(config).instance_id
    server.behaviours["/v1/forget"] = [loses_its_answer]
    assert shm("forget", "--yes").code == 1
    code, out, _ = shm("forget", "--yes")

    assert code == 0
    assert "is erased already" in out
    assert instance in out
    assert files() == {"opt_out"}


@pytest.mark.parametrize("calls", range(12))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_any_step_of_forget_leaves_it_to_be_done_again(
    shm, installed, server, files, monkeypatch, calls, moment
):
    """Steps: each file that is written or removed, and the request."""
    steps = []

    def dying(original):
        def call(*args, **kwargs):
            steps.append(1)
            if moment == "before" and len(steps) == calls:
                raise Killed
            result = original(*args, **kwargs)
            if moment == "after" and len(steps) == calls:
                raise Killed
            return result

        return call

    with monkeypatch.context() as patch:
        for owner, method in ((Folder, "write"), (Folder, "remove"), (Transport, "post")):
            patch.setattr(owner, method, dying(getattr(owner, method)))
        try:
            shm("forget", "--yes")
        except Killed:
            is_done = server.keys == {} and "identity.json" not in files()
            assert is_done or "identity.json" in files()
            assert server.keys or "opt_out" in files()
    if "identity.json" in files():
        assert shm("forget", "--yes").code == 0

    assert server.keys == {}
    assert files() == {"opt_out"}
    assert server.paths.count("/v1/register") == 1


def test_forget_removes_what_a_rotation_and_failures_have_left(shm, installed, server, files):
    server.behaviours["/v1/rotate"] = [hangs_up]
    server.behaviours["/v1/snapshot"] = [hangs_up]
    shm("rotate")
    shm("send")
    assert files() == FILES

    assert shm("forget", "--yes").code == 0
    assert files() == {"opt_out"}


def test_forget_says_so_where_the_opt_out_cannot_be_written(shm, installed, server, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = shm("forget", "--yes")

    assert code == 1
    assert "No space left on device" in err
    assert "/v1/forget" not in server.paths


# opt-out and opt-in


def test_opt_out_keeps_the_identity_and_drops_what_waits(shm, installed, server, files, config):
    server.always["/v1/snapshot"] = hangs_up
    shm("send")
    code, out, _ = shm("opt-out")

    assert code == 0
    assert str(consent.opt_out_file(config)) in out
    assert files() == {"identity.json", "state.json", "opt_out"}


def test_opt_out_before_the_first_start_is_kept(shm, files, make_reporter, client):
    assert shm("opt-out").code == 0
    client.start()

    assert client._thread is None
    assert files() == {"opt_out"}


def test_opt_out_does_not_depend_on_the_lock(shm, installed, config):
    with Folder(config).lock():
        assert shm("opt-out").code == 0
    assert consent.opt_out_file(config).exists()


def test_opt_out_where_nothing_can_be_written_says_so(shm, config, tmp_path, make_config):
    (tmp_path / "file").write_text("")
    code, _, err = shm("opt-out", client=SHMClient(make_config(data_dir=tmp_path / "file")))

    assert code == 1
    assert "cannot be written" in err


def test_opt_in_allows_reports_again_from_the_next_start(shm, installed, server):
    shm("opt-out")
    code, out, _ = shm("opt-in")

    assert code == 0
    assert "from its next start" in out
    assert shm("send").code == 0


def test_opt_in_tells_what_else_stands_in_the_way(shm, monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    code, out, _ = shm("opt-in")

    assert code == 0
    assert "There was no file" in out
    assert "Still nothing is sent. DO_NOT_TRACK is set" in out


# Which application


@pytest.fixture
def module(tmp_path, monkeypatch, config):
    """A module in the working directory, with an application in it that starts its client when it is imported."""
    names = iter(range(100))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])

    def write(code):
        name = f"ledger_{tmp_path.name}_{next(names)}".replace("-", "_")
        head = "from shm_sdk import Config, SHMClient\n"
        head += f"config = Config({config.url!r}, 'Ledger', '1.0.0', {str(config.data_dir)!r})\n"
        (tmp_path / f"{name}.py").write_text(head + textwrap.dedent(code))
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith(f"ledger_{tmp_path.name}".replace("-", "_"))]:
        del sys.modules[name]


def test_a_client_is_found_by_its_module_and_name(module, server, clock, capsys):
    name = module("telemetry = SHMClient(config, lambda: {'found': 1})")
    code = cli.run(["send", "--client", f"{name}:telemetry"], None, Surroundings(clock))

    assert code == 0
    assert server.snapshots[0]["metrics"]["found"] == 1


def test_a_client_is_found_by_a_function(module, capsys, clock):
    name = module("def make():\n    return SHMClient(config)")

    assert cli.run(["status", "--client", f"{name}:make"], None, Surroundings(clock)) == 0
    assert "Ledger" in capsys.readouterr().out


def test_an_application_that_is_imported_to_be_looked_at_does_not_report(module, server, clock, files, capsys):
    name = module("telemetry = SHMClient(config)\ntelemetry.start()\ntelemetry.send()\n")
    assert cli.run(["preview", "--client", f"{name}:telemetry"], None, Surroundings(clock)) == 0

    assert sys.modules[name].telemetry._thread is None
    assert server.requests == []
    assert files() == set()
    assert clients.may_report


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("", "nothing_like_that:client"),
        ("", "{}:client"),
        ("", "{}"),
        ("", ":"),
        ("client = 3", "{}:client"),
        ("def client(needs_this): ...", "{}:client"),
        ("def client(): ...", "{}:client"),
        ("1 / 0", "{}:client"),
        ("raise SystemExit('Not like this.')", "{}:client"),
        ("syntax error", "{}:client"),
    ],
)
def test_a_client_that_cannot_be_found_is_wrong_use(module, capsys, code, path):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["status", "--client", path.format(module(code))])

    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert "--client" in err
    assert "Traceback" not in err


def test_an_application_may_be_described_by_options(server, clock, folder, capsys):
    options = ["--server-url", server.url, "--app-name", "Ledger", "--data-dir", str(folder), "--app-version", "2.0.0"]
    code = cli.run(["send", *options, "--environment", "staging"], None, Surroundings(clock))

    assert code == 0
    assert server.requests[0][1]["app_version"] == "2.0.0"
    assert server.requests[0][1]["environment"] == "staging"


@pytest.mark.parametrize("command", ALL)
def test_options_that_describe_no_application_are_wrong_use(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--app-name", "Ledger"])

    assert exit_.value.code == 2
    assert "--server-url" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["dance"], ["status", "--loud"]])
def test_what_is_no_command_is_wrong_use(argv, client, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(argv, client=client)

    assert exit_.value.code == 2


@pytest.mark.parametrize("command", ALL)
def test_a_configuration_that_never_works_is_told(shm, make_config, command):
    code, out, err = shm(command, client=SHMClient(make_config(server_url="telemetry.example.org")))

    assert (code, out) == (1, "")
    assert err.startswith("server_url is 'telemetry.example.org': give")


def test_applications_that_make_it_a_part_of_their_own_have_no_options_for_it(client, capsys):
    with pytest.raises(SystemExit):
        cli.main(["status", "--help"], client=client)
    assert "--server-url" not in capsys.readouterr().out

    assert cli.main(["status"], client=client) == 0


def test_an_interruption_is_no_traceback(shm, installed, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Transport, "post", interrupt)
    code, _, err = shm("export")

    assert code == 1
    assert "Interrupted" in err


def test_it_runs_as_a_program(server, folder):
    command = [sys.executable, "-W", "error", "-m", "shm_sdk", "preview", "--server-url", server.url]
    command += ["--app-name", "Ledger", "--app-version", "1.0.0", "--data-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, env=PROGRAM, timeout=60, check=False)

    assert done.returncode == 0
    assert done.stderr.startswith(b"Note: the application's own numbers are not in it.")
    assert done.stderr.count(b"\n") == 1
    assert len(parts(done.stdout.decode())) == 3
    assert not folder.exists()


def test_whoever_has_read_enough_sees_no_traceback(server, folder):
    command = [sys.executable, "-m", "shm_sdk", "preview", "--server-url", server.url, "--app-name", "Ledger"]
    command += ["--app-version", "1.0.0", "--data-dir", str(folder)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=PROGRAM, timeout=60, check=False)
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


def test_wrong_use_names_the_program_as_it_was_called():
    done = subprocess.run([sys.executable, "-m", "shm_sdk"], capture_output=True, env=PROGRAM, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith(b"usage: python")
    assert b"-m shm_sdk" in done.stderr
