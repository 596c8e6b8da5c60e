"""Saying no, and yes again."""

from __future__ import annotations

from shm_sdk import SHMClient, consent
from shm_sdk.folder import Folder
from tests.server import hangs_up


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
