"""Where one installation's value stands among its fleet's, by the figures of a census. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import Enum
from math import isfinite

from dashboard.numbers import Number
from metrics.figures import Figures

# Among fewer, "the highest" says nothing.
FEWEST_REPORTERS = 5
# Tukey's fences: so many times the distance between the quartiles beyond the nearer of them.
FENCE = 1.5
# From here on how many times the median it is says more than the place does.
NOTABLE_FACTOR = 2

PLACES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Place(Enum):
    SAME = "same"  # As all the others.
    LOWEST = "lowest"
    BELOW_5 = "below_5"
    BELOW_25 = "below_25"
    MIDDLE = "middle"
    ABOVE_75 = "above_75"
    ABOVE_95 = "above_95"
    HIGHEST = "highest"


FAR = frozenset({Place.LOWEST, Place.BELOW_5, Place.ABOVE_95, Place.HIGHEST})


@dataclass(frozen=True)
class Rank:
    place: Place
    share: float  # About so much of the fleet lies below it, 0 to 1.
    factor: float | None  # How many times the median it is, where that is notable.
    stands_out: bool  # Whether somebody who looks for what is odd should look at it.

    @property
    def percent(self) -> float:
        return self.share * 100


def rank(value: Number, figures: Figures) -> Rank | None:
    """None where too few report the metric to compare anything with."""
    if figures["reporters"] < FEWEST_REPORTERS:
        return None
    place = _place(value, figures)
    spread = FENCE * (figures["p75"] - figures["p25"])
    is_beyond = value > figures["p75"] + spread or value < figures["p25"] - spread
    return Rank(place, _share(value, figures), _factor(value, figures["median"]), place in FAR and is_beyond)


def _place(value: Number, figures: Figures) -> Place:
    if figures["min"] == figures["max"] == value:
        return Place.SAME
    if figures["p25"] <= value <= figures["p75"]:
        return Place.MIDDLE
    if value > figures["p75"]:
        # A fleet whose upper end many share has no highest one.
        if value <= figures["p95"]:
            return Place.ABOVE_75
        return Place.HIGHEST if value >= figures["max"] else Place.ABOVE_95
    if value >= figures["p5"]:
        return Place.BELOW_25
    return Place.LOWEST if value <= figures["min"] else Place.BELOW_5


def _share(value: Number, figures: Figures) -> float:
    """Between two known quantiles as if the values were spread evenly there."""
    known = [
        figures["min"],
        figures["p5"],
        figures["p25"],
        figures["median"],
        figures["p75"],
        figures["p95"],
        figures["max"],
    ]
    first, last = bisect_left(known, value), bisect_right(known, value)
    if first < last:  # It is one of them, or several that are equal.
        return (PLACES[first] + PLACES[last - 1]) / 2
    if first in (0, len(known)):
        return PLACES[0] if first == 0 else PLACES[-1]
    # Halved, because the difference of two doubles can be beyond one.
    low, high, middle = known[first - 1] / 2, known[first] / 2, value / 2
    weight = (middle - low) / (high - low) if high > low else 0.5
    return PLACES[first - 1] + (PLACES[first] - PLACES[first - 1]) * weight


def _factor(value: Number, median: float) -> float | None:
    if median <= 0 or value < median * NOTABLE_FACTOR:
        return None
    factor = value / median
    return factor if isfinite(factor) else None
