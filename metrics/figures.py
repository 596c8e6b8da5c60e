"""What a list of numbers amounts to: sum, mean, quantiles and the rest. Pure."""

import contextlib
import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import TypedDict

Number = int | float

BINS = 10  # About so many, where values are evenly spread.
# Values are binned by magnitude if the largest is so many times the median: a few very large installations must not
# squeeze all others into one bin. Such bins cover so many powers of ten below the largest value, and one the rest.
WIDE = 20
DECADES = 9
# Below this a bin's width is lost in rounding.
LEAST_WIDTH = 1e-300
LARGEST = sys.float_info.max * (1 - 1e-12)  # That rounding to twelve digits leaves below infinity.


class Figures(TypedDict):
    """One metric over a fleet. Floats and integers as they come; every figure but `reporters` and `zeros` in the
    metric's own unit."""

    reporters: int
    zeros: int
    sum: Number
    mean: float
    min: Number
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    max: Number
    histogram: list[list[Number]]


def total(values: Sequence[Number]) -> Number:
    """The sum: exact for integers, correctly rounded otherwise, and never an overflow."""
    if all(isinstance(value, int) for value in values):
        return sum(values)
    with contextlib.suppress(OverflowError):
        # fsum takes everything as doubles, which the largest integers are not.
        if all(float(value) == value for value in values):
            return math.fsum(values)
    exact = sum(map(Fraction, values), Fraction())
    try:
        return float(exact)
    except OverflowError:
        return int(exact)  # The fraction that is cut off is far below a double's precision.


def quantile(ordered: Sequence[Number], share: float) -> float:
    """The value below which `share` of the sorted values lie, interpolated between closest ranks (Hyndman-Fan 7)."""
    place = (len(ordered) - 1) * share
    below = int(place)
    weight = place - below
    if not weight:
        return float(ordered[below])
    low, high = float(ordered[below]), float(ordered[below + 1])
    # Weighted apart: the difference of two doubles can be beyond a double, their mean cannot. Rounding may still put
    # it beside the two, as with equal ones, whose quantile nobody expects to be another number.
    return min(max(low * (1 - weight) + high * weight, low), high)


def histogram(ordered: Sequence[Number]) -> list[list[Number]]:
    """Bins of sorted values, each [from, to, count], from the lowest that holds any to the highest.

    Edges are round numbers: 1, 2 or 5 times a power of ten apart, or at such places where values are binned by
    magnitude. A bin holds its lower edge and not its upper one; the last holds both.
    """
    low, high = ordered[0], ordered[-1]
    if low >= 0 and high > WIDE * quantile(ordered, 0.5):
        least = ordered[bisect_right(ordered, 0)]
        edges = _edges_by_magnitude(float(least), float(high))
    else:
        edges = _even_edges(float(low), float(high))
    places = [0, *(bisect_left(ordered, edge) for edge in edges[1:-1]), len(ordered)]
    bins = [[edges[i], edges[i + 1], places[i + 1] - places[i]] for i in range(len(edges) - 1)]
    filled = [index for index, (_, _, count) in enumerate(bins) if count]
    return bins[filled[0] : filled[-1] + 1]


def _even_edges(low: float, high: float) -> list[Number]:
    width = _round_up(high / BINS - low / BINS)
    if width < LEAST_WIDTH:
        return [_tidy(low), _tidy(high)]
    first = math.floor(low / width)
    last = max(math.floor(high / width), first)
    return [_tidy((first + step) * width) for step in range(last - first + 2)]


def _edges_by_magnitude(least: float, high: float) -> list[Number]:
    top = math.floor(math.log10(high))
    powers = range(max(math.floor(math.log10(least)), top - DECADES), top + 1)
    steps = [float(f"{step}e{power}") for power in powers for step in (1, 2, 5)]
    return [0, *(_tidy(edge) for edge in steps if edge < high), _tidy(high)]


def _round_up(width: float) -> float:
    """The next of 1, 2 or 5 times a power of ten."""
    if width < LEAST_WIDTH:
        return 0.0
    power = math.floor(math.log10(width))
    # A width that is round but for its last bits is left as it is.
    return next(edge for step in (1, 2, 5, 10) if (edge := float(f"{step}e{power}")) >= width * (1 - 1e-9))


def _tidy(edge: float) -> Number:
    """Without what multiplication has left in the last bits, and whole if it is."""
    # The edge beyond the largest double is that double.
    tidy = float(f"{min(max(edge, -LARGEST), LARGEST):.12g}")
    return int(tidy) if tidy.is_integer() and abs(tidy) < 1e15 else tidy


def figures(values: Sequence[Number]) -> Figures:
    """The figures of at least one value."""
    ordered = sorted(values)
    summed = total(ordered)
    return Figures(
        reporters=len(ordered),
        zeros=ordered.count(0),
        sum=summed,
        mean=float(Fraction(summed) / len(ordered)),
        min=ordered[0],
        p5=quantile(ordered, 0.05),
        p25=quantile(ordered, 0.25),
        median=quantile(ordered, 0.5),
        p75=quantile(ordered, 0.75),
        p95=quantile(ordered, 0.95),
        max=ordered[-1],
        histogram=histogram(ordered),
    )
