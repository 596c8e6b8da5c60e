"""How many instances reported in each of the last hours, as a row of tiny bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOURS = 24
WIDTH, HEIGHT = 120, 32
GAP = 1.8
# So high is the bar of an hour in which somebody reported, however few they were, and that of one in which nobody did.
LEAST, NONE = 3.0, 1.0


@dataclass(frozen=True)
class Pulse:
    """`hours`: how many reported in each, oldest first; None of an hour of which that is not known. `now` is of the
    last 60 minutes, `usual` of the same hour of other days."""

    hours: Sequence[int | None]
    now: int
    usual: float | None

    @property
    def is_known(self) -> bool:
        return any(count is not None for count in self.hours)

    @property
    def usually(self) -> int | None:
        return None if self.usual is None else round(self.usual)

    @property
    def highest(self) -> int:
        return max((count for count in self.hours if count is not None), default=0)

    @property
    def path(self) -> str:
        """An SVG path of bars in a box of WIDTH by HEIGHT."""
        return " ".join(
            _bar(place, count, self.highest, len(self.hours))
            for place, count in enumerate(self.hours)
            if count is not None
        )


def _bar(place: int, count: int, highest: int, bars: int) -> str:
    step = WIDTH / bars
    height = max(LEAST, HEIGHT * (count / highest)) if count else NONE
    return f"M{place * step:.1f} {HEIGHT}v-{height:.1f}h{step - GAP:.1f}v{height:.1f}z"
