"""Erasing, there and here, so that no crash leaves half of it."""

from __future__ import annotations

import os

import pytest

from shm_sdk import consent
from shm_sdk.folder import Folder
from shm_sdk.transport import Transport
from tests.cli.reading import FILES, Killed, who
from tests.server import hangs_up, loses_its_answer


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
