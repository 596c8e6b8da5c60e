"""How numbers are written."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.numbers import change, compact, exact

FINITE = st.integers() | st.integers(-(10**320), 10**320) | st.floats(allow_nan=False, allow_infinity=False)

quick = settings(max_examples=200, deadline=None, database=None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (7, "7"),
        (950, "950"),
        (999, "999"),
        (999.4, "999"),
        (999.6, "1k"),
        (1000, "1k"),
        (1234, "1.23k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (4_560_000, "4.56M"),
        (7_800_000_000, "7.8B"),
        (12_345_678_901_234, "12.3T"),
        (999_000_000_000_000, "999T"),
        (999_999_999_999_999, "1.00e15"),
        (10**15, "1.00e15"),
        (-(10**400), "-1.00e400"),
        (1.5e300, "1.50e300"),
        (0.125, "0.125"),
        (0.1, "0.1"),
        (0.00012345, "0.000123"),
        (1.5, "1.5"),
        (9.996, "10"),
        (99.96, "100"),
        (-12_345, "-12.3k"),
    ],
)
def test_compact_has_three_digits(value, text):
    assert compact(value) == text


@quick
@given(FINITE)
def test_compact_is_short_near_and_never_rounded_to_zero(value):
    text = compact(value)

    assert len(text) <= 10
    match = re.fullmatch(r"(-?[\d.]+(?:e-?\d+)?)([kMBT]?)", text)
    assert match, text
    assert (text == "0") == (value == 0)
    if abs(value) < 1e300:
        scale = {"": 1, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[match[2]]
        assert math.isclose(float(match[1]) * scale, value, rel_tol=0.0051, abs_tol=1e-320)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1_234_567, "1,234,567"),
        (-1_234, "-1,234"),
        (1234.0, "1,234"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (2**70 + 1, "1,180,591,620,717,411,303,425"),
    ],
)
def test_exact_leaves_nothing_out(value, text):
    assert exact(value) == text


@quick
@given(FINITE)
def test_exact_reads_back(value):
    text = exact(value).replace(",", "")

    assert (int(text) if isinstance(value, int) else float(text)) == value


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (100, 112, "+12 %"),
        (100, 88, "−12 %"),
        (100, 101.5, "+1.5 %"),
        (1000, 1000.01, "± 0 %"),
        (100, 100, "± 0 %"),
        (100, 0, "−100 %"),
        (0, 5, ""),
        (0.0, 0, ""),
        (1, 20, "> +999 %"),
        (1, -20, "< −999 %"),
        (-10, -5, "+50 %"),
        (-10, -20, "−100 %"),
        (-1, 1, "+200 %"),
        (5e-324, 1e308, "> +999 %"),
        (5e-324, -1e308, "< −999 %"),
        (10**400, 11 * 10**399, "+10 %"),
    ],
)
def test_change_is_a_signed_percentage(before, after, text):
    assert change(before, after) == text


@quick
@given(FINITE, FINITE)
def test_change_is_short_and_points_the_right_way(before, after):
    text = change(before, after)

    assert len(text) <= 8
    assert (text == "") == (before == 0)
    if "+" in text:
        assert after > before
    if "−" in text:
        assert after < before
