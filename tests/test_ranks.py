"""Where one value stands among a fleet's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.ranks import FEWEST_REPORTERS, Place, rank
from metrics.figures import figures

LARGEST = 1.7976931348623157e308
NUMBERS = st.integers(-1000, 1000) | st.integers(-int(LARGEST), int(LARGEST)) | st.floats(-LARGEST, LARGEST)
HUNDRED = figures(range(1, 101))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (0, Place.LOWEST),
        (1, Place.LOWEST),
        (3, Place.BELOW_5),
        (10, Place.BELOW_25),
        (26, Place.MIDDLE),
        (50, Place.MIDDLE),
        (75, Place.MIDDLE),
        (80, Place.ABOVE_75),
        (97, Place.ABOVE_95),
        (100, Place.HIGHEST),
        (1000, Place.HIGHEST),
    ],
)
def test_a_value_has_its_place(value, place):
    assert rank(value, HUNDRED).place == place


def test_among_a_few_there_is_no_place():
    assert rank(5, figures(range(FEWEST_REPORTERS - 1))) is None
    assert rank(5, figures(range(FEWEST_REPORTERS))) is not None


def test_where_all_report_the_same_no_value_is_the_highest():
    assert rank(4, figures([4] * 50)).place == Place.SAME
    assert rank(1, figures([0] * 50 + [1] * 50)).place == Place.MIDDLE
    assert rank(5, figures([4] * 50)).place == Place.HIGHEST  # It has changed since the census.


def test_what_is_far_from_the_middle_half_stands_out_and_the_ends_of_an_even_fleet_do_not():
    assert not rank(100, HUNDRED).stands_out
    skewed = figures([*range(1, 100), 5000])
    assert rank(5000, skewed).stands_out
    assert not rank(50, skewed).stands_out
    assert rank(-400, figures([-400, *range(1, 100)])).stands_out


def test_many_times_the_median_is_said_where_it_is_many_times():
    assert rank(5000, figures([*range(1, 100), 5000])).factor == pytest.approx(5000 / 50.5)
    assert rank(60, HUNDRED).factor is None
    assert rank(7, figures([0] * 50 + [7])).factor is None  # Many times nothing is no number.
    assert rank(LARGEST, figures([5e-324] * 50 + [LARGEST])).factor is None


@pytest.mark.parametrize(("value", "share"), [(-5, 0), (1, 0), (50.5, 0.5), (100, 1), (1000, 1), (75.25, 0.75)])
def test_the_share_of_the_fleet_that_lies_below_is_about_right(value, share):
    assert rank(value, HUNDRED).share == pytest.approx(share)


@settings(max_examples=300, deadline=None, database=None)
@given(NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=FEWEST_REPORTERS, max_size=20))
def test_any_value_among_any_has_a_share_and_no_larger_one_a_smaller(one, other, fleet):
    known = figures(fleet)

    low, high = (rank(value, known) for value in sorted((one, other)))

    assert 0 <= low.share <= high.share <= 1
    if high.place is Place.HIGHEST:
        assert max(one, other) >= max(fleet)
    if low.place is Place.LOWEST:
        assert min(one, other) <= min(fleet)
