"""The figures of a list of numbers, held against exact arithmetic."""

import itertools
import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metrics.figures import DECADES, figures, histogram, quantile, total

LARGEST = 1.7976931348623157e308

# What the wire lets through: integers and floats within a double's range.
INTEGERS = st.integers(-1000, 1000) | st.integers(-(2**70), 2**70) | st.integers(-int(LARGEST), int(LARGEST))
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1000, 1000)
NUMBERS = INTEGERS | FLOATS | st.sampled_from([LARGEST, -LARGEST, 5e-324, 0, 0.0, -0.0, 2**53 + 1])
LISTS = st.lists(NUMBERS, min_size=1, max_size=30)

quick = settings(max_examples=150, deadline=None, database=None)


def close(value, wanted, size):
    """Whether two numbers agree to a double's precision, by the size of what they were made of."""
    return abs(Fraction(value) - Fraction(wanted)) <= abs(Fraction(size)) / 2**46 + Fraction(1, 2**1070)


def exact_quantile(ordered, share):
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return Fraction(ordered[below]) + (Fraction(ordered[above]) - Fraction(ordered[below])) * (place - below)


@quick
@given(st.lists(INTEGERS, max_size=30))
def test_the_sum_of_integers_is_exact(values):
    assert total(values) == sum(values)
    assert isinstance(total(values), int)


@quick
@given(LISTS)
@example([2**53 + 1, 0.5])
@example([LARGEST, LARGEST, -LARGEST, -LARGEST, 0.5])
@example([LARGEST] * 30)
def test_the_sum_of_anything_else_is_correctly_rounded(values):
    exact = sum(map(Fraction, values), Fraction())
    try:
        wanted = float(exact)
    except OverflowError:
        wanted = int(exact)
    if any(isinstance(value, float) for value in values):
        assert total(values) == wanted


def test_the_sum_of_nothing_is_zero():
    assert total([]) == 0


def test_a_sum_beyond_a_double_is_a_whole_number():
    assert total([LARGEST, LARGEST]) == 2 * int(LARGEST)
    assert total([LARGEST, LARGEST, 1]) == 2 * int(LARGEST) + 1


@quick
@given(LISTS)
@example([0.1] * 3)
@example([5e-324, -LARGEST, LARGEST])
@example([int(LARGEST), -1, LARGEST])
def test_the_figures_are_those_of_exact_arithmetic(values):
    made = figures(values)

    ordered = sorted(values)
    size = max(abs(Fraction(value)) for value in values)
    assert made["reporters"] == len(values)
    assert made["zeros"] == sum(value == 0 for value in values)
    assert (made["min"], made["max"]) == (min(values), max(values))
    assert made["sum"] == total(values)
    assert close(made["mean"], statistics.mean(map(Fraction, values)), size)
    assert close(made["median"], statistics.median(map(Fraction, values)), size)
    for name, percent in (("p5", 5), ("p25", 25), ("p75", 75), ("p95", 95)):
        assert close(made[name], exact_quantile(ordered, Fraction(percent, 100)), size), name


@quick
@given(LISTS)
@example([LARGEST, -LARGEST] * 5)
def test_no_figure_is_infinite_and_they_stand_in_order(values):
    made = figures(values)

    assert all(not isinstance(value, float) or math.isfinite(value) for value in made.values())
    names = ["p5", "p25", "median", "p75", "p95"]
    assert float(made["min"]) <= made["p5"]
    assert made["p95"] <= float(made["max"])
    size = max(abs(Fraction(value)) for value in values)
    for lower, higher in itertools.pairwise(names):
        assert made[lower] <= made[higher] or close(made[lower], made[higher], size)


@quick
@given(NUMBERS, st.integers(1, 40))
@example(49, 8)
def test_equal_values_have_that_value_for_every_quantile(value, count):
    made = figures([value] * count)

    for name in ("p5", "p25", "median", "p75", "p95"):
        assert made[name] == float(value)


@quick
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_quartiles_are_those_of_the_standard_library(values):
    made = figures(values)

    wanted = statistics.quantiles(values, n=4, method="inclusive")
    assert [made["p25"], made["median"], made["p75"]] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_the_figures_of_one_value():
    assert figures([7]) == {
        "reporters": 1,
        "zeros": 0,
        "sum": 7,
        "mean": 7.0,
        "min": 7,
        "p5": 7.0,
        "p25": 7.0,
        "median": 7.0,
        "p75": 7.0,
        "p95": 7.0,
        "max": 7,
        "histogram": [[7, 7, 1]],
    }


def test_the_figures_of_a_few_values_whatever_their_order():
    made = figures([40, 0, 10, 30, 20])

    assert (made["sum"], made["mean"], made["zeros"]) == (100, 20.0, 1)
    assert [made[name] for name in ("p5", "p25", "median", "p75", "p95")] == [2.0, 10.0, 20.0, 30.0, 38.0]


def test_floats_stay_floats_and_integers_integers():
    assert isinstance(figures([1, 2])["sum"], int)
    assert isinstance(figures([1.0, 2])["sum"], float)
    assert isinstance(figures([3, 1.5])["max"], int)


@pytest.mark.parametrize(("share", "wanted"), [(0, 1.0), (0.5, 2.0), (0.75, 3.0), (1, 4.0)])
def test_a_quantile_lies_between_the_closest_ranks(share, wanted):
    assert quantile([1, 2, 4], share) == wanted


# Histogram

FINITE = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1, max_size=50))
def test_a_histogram_holds_every_value_once(values):
    ordered = sorted(values)
    bins = histogram(ordered)

    assert sum(count for _, _, count in bins) == len(values)
    assert all(low <= high for low, high, _ in bins)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bins))
    assert bins[0][2] > 0
    assert bins[-1][2] > 0
    assert len(bins) <= 3 * (DECADES + 1) + 2
    assert all(math.isfinite(edge) for low, high, _ in bins for edge in (low, high))


@given(st.lists(st.integers(0, 10**6) | st.floats(0, 1e6), min_size=1, max_size=50))
def test_each_bin_holds_what_lies_between_its_edges(values):
    ordered = sorted(values)
    bins = histogram(ordered)

    for place, (low, high, count) in enumerate(bins):
        is_last = place == len(bins) - 1
        between = [value for value in values if low <= value < high or (is_last and value == high)]
        # An edge is written with twelve digits, and the outermost ones are those of the values.
        assert abs(len(between) - count) <= sum(math.isclose(value, edge) for value in values for edge in (low, high))


@pytest.mark.parametrize(
    ("values", "bins"),
    [
        ([5], [[5, 5, 1]]),
        ([0, 0], [[0, 0, 2]]),
        (list(range(1000)), [[low, low + 100, 100] for low in range(0, 1000, 100)]),
        ([1, 1, 1, 2, 100], [[1, 2, 3], [2, 5, 1], [5, 10, 0], [10, 20, 0], [20, 50, 0], [50, 100, 1]]),
        ([0, 0, 3], [[0, 1, 2], [1, 2, 0], [2, 3, 1]]),
    ],
)
def test_a_histogram_s_edges_are_round(values, bins):
    assert histogram(sorted(values)) == bins
