"""What is usual, and what is far from it."""

import pytest

from metrics.usual import Lost, is_far_below, lost, usual


@pytest.mark.parametrize(
    ("values", "at_least", "wanted"),
    [
        ([], 1, None),
        ([], 0, None),
        ([None, None], 1, None),
        ([5, None], 2, None),
        ([5, None, 7], 2, 6.0),
        ([100, 0, 98, 101], 2, 99.0),  # One day on which the server was away moves nothing.
        ([3, 1, 2], 3, 2.0),
    ],
)
def test_the_usual_is_the_median_of_enough_values(values, at_least, wanted):
    assert usual(values, at_least) == wanted


@pytest.mark.parametrize(
    ("now", "before", "is_far"),
    [
        (0, None, False),
        (0, 9, False),  # Too few for a measure.
        (0, 10, True),
        (3, 10, True),
        (4, 10, False),
        (11, 20, True),
        (12, 20, False),
        (70, 100, True),
        (71, 100, False),
        (7_000, 10_000, True),
        (7_001, 10_000, False),
        (20_000, 10_000, False),
    ],
)
def test_far_below_is_what_small_numbers_do_not_do_by_themselves(now, before, is_far):
    assert is_far_below(now, before) is is_far


def test_a_metric_is_lost_that_much_fewer_send():
    before = {"all": 100, "fewer": 100, "half": 100, "gone": 4, "renamed": 100, "rare": 9, "two": 2}
    now = {"all": 100, "fewer": 61, "half": 60, "rare": 1, "new": 100}

    assert lost(before, now, 100, 100) == [Lost("renamed", 100, 0), Lost("half", 100, 60), Lost("gone", 4, 0)]


def test_no_metric_is_to_blame_for_a_fleet_that_has_shrunk():
    assert lost({"users": 100}, {"users": 20}, 100, 20) == []
    assert lost({"users": 100}, {"users": 20}, 100, 40) == [Lost("users", 100, 20)]
    assert lost({"users": 100}, {}, 100, 0) == []
    assert lost({}, {"users": 100}, 0, 100) == []
