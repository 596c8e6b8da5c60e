"""How much of what is sent is counted. Pure.

A snapshot that fits the limit of its body is stored as it is; what is beyond these bounds is in no card, column, chart
or census. Each bound is many times what an application has that means its keys, so that only runaway ones meet it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_KEYS = 500  # Of one snapshot.
MAX_KEY_LENGTH = 200  # Characters of a flattened key.
MAX_TEXT_LENGTH = 200  # Characters of a text that is counted as a dimension.
# Of one application, in a census: those that most instances report. Each costs about 450 bytes of each hour's document.
MAX_CENSUS_KEYS = 500
# Of these, so many as text: each may hold census.MAX_VALUES texts.
MAX_DIMENSIONS = 100


def is_counted(path: str, value: object) -> bool:
    """Whether a leaf is short enough to be counted."""
    return len(path) <= MAX_KEY_LENGTH and not (isinstance(value, str) and len(value) > MAX_TEXT_LENGTH)


def first_keys(flat: dict[str, Any], at_most: int = MAX_KEYS) -> dict[str, Any]:
    """So many of the leaves: the first by name, whatever the order in which the client has sent them."""
    return flat if len(flat) <= at_most else {path: flat[path] for path in sorted(flat)[:at_most]}


def are_kept(metrics: Mapping[str, Any], prefix: int = 0) -> bool:
    """Whether all of a snapshot is surely within the bounds: quick, and says no too often rather than too rarely."""
    return _room(metrics, prefix, MAX_KEYS) >= 0


def _room(metrics: Mapping[str, Any], prefix: int, room: int) -> int:
    """How many more leaves there might be; below 0 if anything is beyond a bound."""
    room -= len(metrics)
    for key, value in metrics.items():
        length = prefix + len(key)
        kind = value.__class__
        if length > MAX_KEY_LENGTH or room < 0 or (kind is str and len(value) > MAX_TEXT_LENGTH):
            return -1
        if kind is dict:
            room = _room(value, length + 1, room)
    return room
