"""How regularly somebody reports."""

from datetime import timedelta

import pytest

from metrics.rhythm import Rhythm
from tests.clock import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def times(*hours):
    return [NOW + HOUR * hour for hour in hours]


@pytest.mark.parametrize("number", range(4))
def test_of_a_few_reports_nothing_is_said(number):
    assert Rhythm.of(times(*range(number))) is None


def test_a_regular_one_misses_nothing():
    rhythm = Rhythm.of(times(*range(10)))

    assert (rhythm.reports, rhythm.interval, rhythm.missed, rhythm.longest) == (10, HOUR, 0, HOUR)
    assert rhythm.kept == 1


def test_what_its_own_interval_would_have_made_it_send_is_missed():
    rhythm = Rhythm.of(times(0, 1, 2, 3, 7, 8, 10))

    assert (rhythm.interval, rhythm.missed, rhythm.longest) == (HOUR, 4, 4 * HOUR)
    assert rhythm.kept == pytest.approx(7 / 11)


def test_jitter_is_no_miss():
    assert Rhythm.of([NOW + HOUR * hour + MINUTE * (hour * 7 % 20) for hour in range(20)]).missed == 0


def test_its_interval_is_its_own_and_not_spoilt_by_one_long_silence():
    assert Rhythm.of(times(0, 24, 48, 72, 96, 960, 984)).interval == 24 * HOUR


def test_what_is_set_to_another_interval_has_missed_nothing():
    rhythm = Rhythm.of(times(*range(0, 300, 6), *range(300, 400)))

    assert (rhythm.interval, rhythm.missed) == (HOUR, 0)
    assert Rhythm.of(times(*range(100), *range(100, 400, 6))).missed == 0


def test_one_that_has_caught_up_in_a_burst_has_no_interval_of_nothing():
    burst = [NOW + timedelta(microseconds=number) for number in range(10)]

    assert Rhythm.of(burst).interval == timedelta(seconds=1)
    assert Rhythm.of([NOW] * 10).missed == 0


@pytest.mark.parametrize(("late", "overdue"), [(0.5, 0), (1.4, 0), (1.6, 1), (3.4, 2), (24, 23)])
def test_what_is_overdue_is_counted_from_its_own_interval(late, overdue):
    rhythm = Rhythm.of(times(0, 1, 2, 3))

    assert rhythm.overdue(NOW, NOW + HOUR * late) == overdue
