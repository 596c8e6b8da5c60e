"""What export, rotate and forget have in common."""

from __future__ import annotations

import pytest

from shm_sdk.commands import PAUSE, TRIES
from shm_sdk.folder import Folder
from tests.cli.reading import HOUR, who
from tests.server import answers, hangs_up


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
