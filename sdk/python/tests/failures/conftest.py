from __future__ import annotations

import json

import pytest

from shm_sdk.folder import Folder
from shm_sdk.state import State


@pytest.fixture
def state(config):
    """As it is filed."""
    return lambda: State.load(Folder(config))


@pytest.fixture
def waiting(folder):
    """The snapshots that wait on disk."""

    def read() -> list[dict]:
        path = folder / "ledger_shm_unsent.json"
        return json.loads(path.read_text())["snapshots"] if path.exists() else []

    return read
