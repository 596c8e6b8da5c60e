"""The fleet by a dimension: bars, what is behind the fold, and the file of it."""

import re

import pytest

from dashboard.breakdowns import BREAKDOWN_ROWS
from dashboard.breakdowns import breakdown as breakdown_of
from metrics.census import MAX_VALUES, Dimension
from metrics.keys import Metric


def breakdown(key, *arguments, **options):
    return breakdown_of(Metric.named(key), *arguments, **options)


def dimension(counts, folded=0, values=0):
    return Dimension(counts, folded=folded, values=values or len(counts))


def bars(shares):
    return [(share.label, share.count) for share in shares]


def test_the_most_frequent_values_come_first_and_equals_by_name():
    made = breakdown("plan", dimension({"b": 2, "c": 5, "a": 2}))

    assert bars(made.top) == [("c", 5), ("a", 2), ("b", 2)]
    assert (made.more, made.rest, made.others) == ([], None, None)
    assert [share.share for share in made.top] == [5 / 9, 2 / 9, 2 / 9]


def test_those_that_do_not_say_are_part_of_the_fleet():
    made = breakdown("plan", dimension({"pro": 1}), unsaid=3)

    assert bars(made.every) == [("(not said)", 3), ("pro", 1)]
    assert [share.is_said for share in made.every] == [False, True]
    assert made.every[0].share == 0.75


def test_an_empty_text_and_none_are_the_same():
    assert bars(breakdown("plan", dimension({"": 2, "pro": 1}), unsaid=3).every) == [("(not said)", 5), ("pro", 1)]


@pytest.mark.parametrize("values", [BREAKDOWN_ROWS, BREAKDOWN_ROWS + 1, MAX_VALUES])
def test_what_is_too_much_for_a_glance_is_behind_a_fold(values):
    made = breakdown("plan", dimension({f"{number:03}": 100 - number for number in range(values)}))

    assert len(made.top) + bool(made.others) == BREAKDOWN_ROWS
    assert len(made.every) == values
    assert (made.others is None) == (values == BREAKDOWN_ROWS)
    if made.others:
        hidden = values - BREAKDOWN_ROWS + 1
        assert (made.others.label, made.others.values, len(made.more)) == (f"{hidden} others", hidden, hidden)
        assert made.others.count == sum(share.count for share in made.more)


def test_what_the_census_has_folded_is_one_bar_that_says_how_many_values_that_are():
    made = breakdown("plan", dimension({f"{number:03}": 9 for number in range(50)}, folded=30, values=70))

    assert bars([made.every[-1]]) == [("20 others", 30)]
    assert made.rest.is_folded
    assert (made.others.values, made.others.count) == (65, 45 * 9 + 30)
    assert sum(share.share for share in made.every) == pytest.approx(1)


def test_spaces_are_seen():
    assert bars(breakdown("plan", dimension({" ": 2, "": 1})).every) == [("“ ”", 2), ("(not said)", 1)]


def test_one_other_is_one():
    made = breakdown("plan", dimension({str(number): 9 for number in range(50)}, folded=1, values=51))

    assert made.rest.label == "1 other"


def test_the_file_holds_every_value_and_its_share():
    sheet = breakdown("plan", dimension({"pro": 3, "": 1})).sheet

    assert list(sheet.columns) == ["Value", "Instances", "Share"]
    assert list(sheet.rows) == [["pro", 3, 0.75], ["(not said)", 1, 0.25]]
    assert (sheet.name, sheet.title) == ("by-plan", "Instances by Plan")


def test_each_key_has_a_name_of_its_own_for_its_file(hostile):
    keys = [*hostile, "plan", "Plan", "pl an", "a.b", "a_b", "a-b", "app_version"]
    names = [breakdown(key, dimension({"x": 1})).name for key in keys]

    assert len(set(names)) == len(set(keys))
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
    assert names[-1] == "by-app-version"
