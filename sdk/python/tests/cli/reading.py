"""What the tests of the commands look at."""

from __future__ import annotations

import json
import os
from pathlib import Path

from shm_sdk import cli, identity
from shm_sdk.folder import Folder

HOUR = 3600
ALL = ["preview", "send", "status", "export", "rotate", "forget", "opt-out", "opt-in"]
# For processes of their own.
PROGRAM = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
FILES = {"identity.json", "identity.json.next", "state.json", "unsent.json"}


class Killed(BaseException):
    """As by SIGKILL: nothing of ours catches it."""


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
