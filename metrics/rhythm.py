"""How regularly somebody reports, by the times of the reports. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Self

# Two intervals can be one and its half; of three times nothing regular is to be seen.
FEWEST_TIMES = 4
# An interval is judged by so many before it and after it, as it may be set anew: what has always come every six hours
# has missed nothing once it comes every hour.
NEIGHBOURS = 12
# Of a client that reports several times a second, as one that catches up does, the number of misses means nothing.
SHORTEST = 1.0


@dataclass(frozen=True)
class Rhythm:
    """Its own beat, which need not be the one that the application asks for."""

    reports: int
    interval: timedelta  # Between two reports, the median of the newest ones.
    missed: int  # Reports that the interval of that time would have made it send in between.
    longest: timedelta  # The longest time between two.

    @classmethod
    def of(cls, times: Sequence[datetime]) -> Self | None:
        """None for fewer than FEWEST_TIMES. The times ascend."""
        if len(times) < FEWEST_TIMES:
            return None
        gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
        usual = [_usual(gaps[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]) for place in range(len(gaps))]
        # Rounded, so that jitter of less than half an interval is no miss.
        missed = sum(max(0, round(gap / interval) - 1) for gap, interval in zip(gaps, usual, strict=True))
        interval, longest = _usual(gaps[-2 * NEIGHBOURS :]), max(gaps)
        return cls(len(times), timedelta(seconds=interval), missed, timedelta(seconds=longest))

    @property
    def kept(self) -> float:
        """The share of the reports that were to be expected which came, 0 to 1."""
        return self.reports / (self.reports + self.missed)

    def overdue(self, last: datetime, now: datetime) -> int:
        """How many reports are missing since the last one; one that is late by less than half an interval is not."""
        return max(0, round((now - last) / self.interval) - 1)


def _usual(gaps: Sequence[float]) -> float:
    return max(median(gaps), SHORTEST)
