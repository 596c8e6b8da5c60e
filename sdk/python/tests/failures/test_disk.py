"""Folders, disks and files that are of no use."""

from __future__ import annotations

import errno
import os

import pytest

HOUR = 3600.0


def test_a_folder_that_cannot_be_made(make_reporter, server, folder, caplog):
    folder.write_text("A file stands in its place.")
    reporter = make_reporter()
    for _ in range(3):
        assert reporter.tick() == HOUR

    assert server.requests == []
    assert caplog.text.count("Give the application's user a data folder") == 1


@pytest.fixture
def full_disk(monkeypatch):
    """Files can be opened, but nothing more can be written to them."""

    def write_nothing(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    return lambda: monkeypatch.setattr(os, "fsync", write_nothing)


def test_a_disk_that_is_full_from_the_start_makes_no_identity(make_reporter, server, folder, full_disk, caplog):
    """Without a file it would be another installation at each start."""
    full_disk()
    make_reporter().tick()

    assert server.requests == []
    assert "No space left" in caplog.text
    assert [path.name for path in folder.iterdir()] == ["ledger_shm_lock"]


def test_a_disk_that_fills_up_stops_no_reports(make_reporter, server, clock, full_disk):
    reporter = make_reporter()
    reporter.tick()
    full_disk()
    for _ in range(3):
        clock.pass_by(2 * HOUR)
        reporter.tick()
        reporter.tick()

    assert len(server.snapshots) == 4


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"last_report": "yesterday", "failures": true, "not_before": null}']
)
def test_a_broken_state_is_no_loss(make_reporter, server, folder, content):
    folder.mkdir()
    (folder / "ledger_shm_state.json").write_text(content)
    (folder / "ledger_shm_unsent.json").write_text(content)
    make_reporter().tick()

    assert len(server.snapshots) == 1
