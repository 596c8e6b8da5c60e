"""What is usual, and whether a number is far from it. Pure."""

from collections.abc import Iterable, Mapping
from math import sqrt
from statistics import median
from typing import NamedTuple

# Of three instances one is always down, and nobody wants to be told: usual numbers below this are no measure.
LEAST = 10
# What is missing for an alarm: so large a part of the usual, and more than a small number varies by itself (twice its
# square root, as of counts of independent events).
PART = 0.3
DEVIATIONS = 2
# A metric that nobody sends any more is worth a look from so many on who sent it.
LEAST_VANISHED = 3
# So much less of the fleet must send a metric.
LOST_PART = 0.4


class Lost(NamedTuple):
    """A metric that far fewer instances send than before."""

    key: str
    before: int
    now: int


def usual(values: Iterable[int | None], at_least: int) -> float | None:
    """The median, which one bad day does not move; None of fewer values than that."""
    known = [value for value in values if value is not None]
    return float(median(known)) if len(known) >= max(at_least, 1) else None


def is_far_below(now: int, before: float | None) -> bool:
    """Whether so many are missing that it is no accident."""
    if before is None or before < LEAST:
        return False
    return before - now >= max(PART * before, DEVIATIONS * sqrt(before))


def lost(before: Mapping[str, int], now: Mapping[str, int], active_before: int, active_now: int) -> list[Lost]:
    """The metrics that a much smaller part of the fleet sends than before, the greatest loss first. Each by how many
    send it: where the whole fleet has shrunk no metric is to blame."""
    if not (active_before and active_now):
        return []
    found = [Lost(key, count, now.get(key, 0)) for key, count in before.items()]
    gone = [one for one in found if _is_lost(one, active_before, active_now)]
    return sorted(gone, key=lambda one: (one.now - one.before, one.key))


def _is_lost(one: Lost, active_before: int, active_now: int) -> bool:
    if one.now == 0:
        return one.before >= LEAST_VANISHED
    fell = one.now / active_now <= (1 - LOST_PART) * one.before / active_before
    return one.before >= LEAST and fell
