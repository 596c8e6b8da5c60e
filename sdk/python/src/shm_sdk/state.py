"""What a restart must not forget: when the last report was, what the server knows, and what still waits to be sent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from shm_sdk.folder import Folder, as_object
from shm_sdk.wire import MAX_BATCH, MAX_BATCH_BYTES, Snapshot, as_bytes

FILE = "state.json"
UNSENT_FILE = "unsent.json"
# A server refuses older ones.
MAX_AGE = 7 * 24 * 3600.0
# The last second that a time can be written in.
LATEST = 253_402_300_799


@dataclass
class State:
    """Times in seconds since 1970 by this machine's clock; 0 for never."""

    server_url: str = ""
    registered: str = ""  # The digest of the registration that the server has confirmed.
    reporter: str = ""  # The process that took the last report. The others of the same service leave the next to it.
    last_report: float = 0.0  # When numbers were gathered last,
    last_sent: float = 0.0  # and when a server last took some.
    not_before: float = 0.0  # Nothing is sent until then.
    failures: int = 0  # In a row.
    problem: str = ""  # What went wrong last; "" if nothing has since.
    latest_version: str = ""  # What the application's maintainers say in the answers.
    notice: str = ""

    @classmethod
    def load(cls, folder: Folder) -> State:
        """A new one if there is none that can be read: it holds nothing that could not be found out again.

        Raises Unusable.
        """
        fields = as_object(folder.read(folder.file(FILE)) or b"")
        known = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        fits = {name: value for name, value in fields.items() if name in known and _is(value, known[name])}
        return cls(**fits)

    def save(self, folder: Folder) -> None:
        folder.write(folder.file(FILE), as_bytes(dataclasses.asdict(self)))


class Unsent:
    """Snapshots that wait for a server that can be reached: as many as go into one batch, the newest of them."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self.snapshots = snapshots
        self._filed = list(snapshots)

    @classmethod
    def load(cls, folder: Folder, now: float) -> Unsent:
        """Raises Unusable."""
        rows = as_object(folder.read(folder.file(UNSENT_FILE)) or b"").get("snapshots")
        snapshots = cls([_snapshot(row) for row in rows if _is_snapshot(row)] if isinstance(rows, list) else [])
        snapshots.snapshots = [each for each in snapshots.snapshots if each.timestamp > now - MAX_AGE]
        return snapshots

    def add(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        sizes = [len(as_bytes(each.as_dict())) + 1 for each in self.snapshots]
        while len(self.snapshots) > MAX_BATCH or sum(sizes) > MAX_BATCH_BYTES:
            del self.snapshots[0], sizes[0]

    def save(self, folder: Folder) -> None:
        """Writes only if anything has changed, which it has not while all goes well. Raises Unusable."""
        if self.snapshots == self._filed:
            return
        path = folder.file(UNSENT_FILE)
        if self.snapshots:
            folder.write(path, as_bytes({"snapshots": [dataclasses.asdict(each) for each in self.snapshots]}))
        else:
            folder.remove(path)
        self._filed = list(self.snapshots)


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        # JSON as Python reads it has infinities, too, and nobody could ever wait for one.
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LATEST
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_snapshot(row: Any) -> bool:
    return isinstance(row, dict) and _is(row.get("timestamp"), float) and isinstance(row.get("metrics"), dict)


def _snapshot(row: dict[str, Any]) -> Snapshot:
    return Snapshot(row["timestamp"], row["metrics"])
