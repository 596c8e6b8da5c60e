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
# Of a client that reports several times a second, as one that catches up does, the number of misses means nothing.
SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Rhythm:
    """Its own beat, which need not be the one that the application asks for."""

    reports: int
    interval: timedelta  # Between two reports, the median.
    missed: int  # Reports that its own interval would have made it send in between.
    longest: timedelta  # The longest time between two.

    @classmethod
    def of(cls, times: Sequence[datetime]) -> Self | None:
        """None for fewer than FEWEST_TIMES. The times ascend."""
        if len(times) < FEWEST_TIMES:
            return None
        gaps = [after - before for before, after in pairwise(times)]
        interval = max(timedelta(seconds=median(gap.total_seconds() for gap in gaps)), SHORTEST)
        # Rounded, so that jitter of less than half an interval is no miss.
        missed = sum(max(0, round(gap / interval) - 1) for gap in gaps)
        return cls(len(times), interval, missed, max(gaps))

    @property
    def kept(self) -> float:
        """The share of the reports that were to be expected which came, 0 to 1."""
        return self.reports / (self.reports + self.missed)

    def overdue(self, last: datetime, now: datetime) -> int:
        """How many reports are missing since the last one; one that is late by less than half an interval is not."""
        return max(0, round((now - last) / self.interval) - 1)
