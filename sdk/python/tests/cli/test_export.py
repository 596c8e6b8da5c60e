"""All that the server stores, as a file or on the terminal."""

from __future__ import annotations

import json

import pytest

from tests.cli.reading import who
from tests.server import answers


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
