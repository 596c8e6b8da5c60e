"""What would be sent, to the byte, without sending it."""

from __future__ import annotations

import io
import sys
from datetime import datetime

import pytest

from shm_sdk import Config, SHMClient, cli, system
from shm_sdk.commands import Surroundings
from tests.cli.reading import parts, who
from tests.server import hangs_up


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
