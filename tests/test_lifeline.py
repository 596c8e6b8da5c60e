"""An installation's life as stretches of time."""

from datetime import timedelta

import pytest

from dashboard.lifeline import Axis, Decision, Sighting, bands, silences, stretches
from tests.clock import NOW

DAY = timedelta(days=1)
ZERO = timedelta(0)


def seen(versions):
    """A report a day, the last one now."""
    return [Sighting(NOW - DAY * (len(versions) - 1 - day), version) for day, version in enumerate(versions)]


def named(versions, **bounds):
    return [band.version for band in bands(seen(versions), **bounds)]


# Versions


def test_without_reports_there_is_no_band():
    assert bands([]) == []


def test_one_report_is_a_band_of_no_length():
    [band] = bands(seen(["1"]))

    assert (band.version, band.first, band.last, band.until) == ("1", NOW, NOW, NOW)


def test_a_version_lasts_until_the_next_one():
    old, new = bands(seen(["1", "1", "2", "2"]))

    assert (old.version, old.first, old.last, old.until) == ("1", NOW - 3 * DAY, NOW - 2 * DAY, NOW - DAY)
    assert (new.version, new.first, new.until) == ("2", NOW - DAY, NOW)


def test_going_back_to_an_older_version_is_seen():
    assert named("11122111") == ["1", "2", "1"]
    assert named("1112111") == ["1", "2", "1"]


def test_a_report_that_arrived_after_the_upgrade_begins_no_band():
    late = bands(seen("1112111222"))

    assert [(band.version, band.first) for band in late] == [("1", NOW - 9 * DAY), ("2", NOW - 2 * DAY)]
    assert named("11211211222") == ["1", "2"]


def test_of_very_many_versions_the_oldest_are_one():
    every = [str(number) for number in range(100)]

    oldest, *newest = bands(seen(every), at_most=5)

    assert [band.version for band in newest] == ["96", "97", "98", "99"]
    assert (oldest.version, oldest.versions) == ("", 96)
    assert (oldest.first, oldest.until) == (NOW - 99 * DAY, newest[0].first)
    assert named(every[:5], at_most=5) == every[:5]


# Silences


def silent(*ages, blur=ZERO):
    times = [NOW - DAY * age for age in ages]
    return [(each.start, each.end) for each in silences(times, 30 * DAY, lambda at: blur, NOW)]


def test_only_what_is_longer_than_the_active_window_is_a_silence():
    assert silent(100, 70, 40, 10, 0) == []
    assert silent(100, 69, 10, 0) == [(NOW - 100 * DAY, NOW - 69 * DAY), (NOW - 69 * DAY, NOW - 10 * DAY)]


def test_a_silence_may_still_last():
    assert silent(100, 90, 31) == [(NOW - 90 * DAY, NOW - 31 * DAY), (NOW - 31 * DAY, None)]
    assert silent(30) == []
    assert silent() == []


def test_what_has_been_thinned_is_no_silence():
    assert silent(100, 60, 20, blur=31 * DAY) == []
    assert silent(100, 20, blur=31 * DAY) == [(NOW - 100 * DAY, NOW - 20 * DAY)]


# What was decided


def decided(*rows):
    return [(each.kind, each.start, each.end, each.detail) for each in stretches(Decision(*row) for row in rows)]


def test_a_decision_lasts_until_it_is_taken_back():
    assert decided((NOW - 3 * DAY, "revoked", True), (NOW - DAY, "revoked", False)) == [
        ("revoked", NOW - 3 * DAY, NOW - DAY, "")
    ]
    assert decided((NOW, "revoked", True)) == [("revoked", NOW, None, "")]


def test_decided_twice_it_began_once():
    rows = [(NOW - 3 * DAY, "excluded", True, "manual"), (NOW - DAY, "excluded", True, "manual")]

    assert decided(*rows) == [("excluded", NOW - 3 * DAY, None, "manual")]


def test_another_reason_is_another_stretch():
    rows = [(NOW - 3 * DAY, "excluded", True, "test"), (NOW - DAY, "excluded", True, "manual")]

    assert decided(*rows) == [
        ("excluded", NOW - 3 * DAY, NOW - DAY, "test"),
        ("excluded", NOW - DAY, None, "manual"),
    ]


def test_what_was_never_decided_is_not_taken_back():
    assert decided((NOW, "revoked", False)) == []


def test_kinds_do_not_end_each_other():
    rows = [(NOW - 3 * DAY, "revoked", True), (NOW - 2 * DAY, "excluded", True), (NOW - DAY, "revoked", False)]

    assert decided(*rows) == [("revoked", NOW - 3 * DAY, NOW - DAY, ""), ("excluded", NOW - 2 * DAY, None, "")]


# The picture


def test_times_stand_in_proportion_and_never_outside():
    axis = Axis(NOW - 4 * DAY, NOW)

    assert [axis.place(NOW - DAY * age) for age in (9, 4, 3, 0, -9)] == [0, 0, 25, 100, 100]
    assert axis.width(NOW - 3 * DAY, NOW - DAY) == 50
    assert axis.ticks(4) == [NOW - DAY * age for age in (4, 3, 2, 1)]


def test_a_life_of_no_length_has_a_picture():
    axis = Axis(NOW, NOW)

    assert (axis.place(NOW), axis.width(NOW, NOW), axis.ticks(4)) == (0, 0, [NOW])


@pytest.mark.parametrize("number", [0, -1])
def test_no_ticks_are_no_error(number):
    assert Axis(NOW - DAY, NOW).ticks(number) == [NOW - DAY]
