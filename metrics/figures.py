"""What a list of numbers amounts to: sum, mean, quantiles and the rest. Pure."""

import contextlib
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TypedDict

Number = int | float


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
    )
