"""Hours and days as they are closed, and which of them a period shows."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest

from metrics.periods import DAY, HOUR, PERIODS, evenly, hour, midnight
from tests.clock import NOW

CLOSING = NOW.replace(minute=0)
MIDNIGHT = CLOSING.replace(hour=0)
MICROSECOND, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)


@pytest.mark.parametrize("offset", [-11, -3.5, 0, 5.75, 14])
def test_hours_and_days_are_of_utc_whatever_zone_a_time_comes_in(offset):
    zone = timezone(timedelta(hours=offset))

    for moment in (CLOSING, NOW, CLOSING + HOUR - MICROSECOND):
        assert (hour(moment.astimezone(zone)), hour(moment.astimezone(zone)).tzinfo) == (CLOSING, UTC)
        assert midnight(moment.astimezone(zone)) == MIDNIGHT
    assert midnight((MIDNIGHT - MICROSECOND).astimezone(zone)) == MIDNIGHT - DAY


# When the buckets end


@pytest.mark.parametrize(
    ("name", "step", "count"),
    [("24h", HOUR, 24), ("7d", HOUR, 168), ("30d", DAY, 30), ("3m", DAY, 91), ("1y", DAY, 365)],
)
def test_a_period_has_as_many_closings_as_it_says(name, step, count):
    closings = PERIODS[name].closings(NOW, NOW - DAY * 1000)

    assert len(closings) == count
    assert closings[-1] == (CLOSING if step == HOUR else MIDNIGHT)
    assert {later - earlier for earlier, later in itertools.pairwise(closings)} == {step}


def test_all_of_it_goes_back_to_the_first_report():
    closings = PERIODS["all"].closings(NOW, MIDNIGHT - DAY * 999 - MINUTE)

    assert (len(closings), closings[0], closings[-1]) == (1000, MIDNIGHT - DAY * 999, MIDNIGHT)


@pytest.mark.parametrize(
    ("first", "count"),
    [
        (CLOSING - HOUR * 3, 4),
        (CLOSING - HOUR * 3 + MICROSECOND, 3),
        (CLOSING, 1),
        (CLOSING + MICROSECOND, 0),
        (NOW, 0),
        (NOW + MINUTE * 5, 0),
    ],
)
def test_none_is_from_before_the_first_report(first, count):
    closings = PERIODS["24h"].closings(NOW, first)

    assert closings == [CLOSING - HOUR * back for back in reversed(range(count))]


def test_an_hour_that_is_just_over_has_its_closing():
    assert PERIODS["24h"].closings(CLOSING, CLOSING - DAY)[-1] == CLOSING
    assert PERIODS["24h"].closings(CLOSING - MICROSECOND, CLOSING - DAY)[-1] == CLOSING - HOUR
    assert PERIODS["30d"].closings(MIDNIGHT, MIDNIGHT - DAY)[-1] == MIDNIGHT


def test_days_end_at_midnight_utc_when_clocks_change():
    # In Europe the clocks went back on 25 October 2026.
    closings = PERIODS["30d"].closings(datetime(2026, 10, 27, 3, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))

    assert [closing.hour for closing in closings] == [0] * 30
    assert {later - earlier for earlier, later in itertools.pairwise(closings)} == {DAY}


# Fewer of them


@pytest.mark.parametrize("number", [0, 1, 2, 399, 400, 401, 800, 801, 5000])
def test_times_are_thinned_evenly_and_end_with_the_last(number):
    times = [CLOSING - HOUR * back for back in reversed(range(number))]

    kept = evenly(times, 400)

    assert len(kept) == min(number, 400) if number <= 400 else 200 < len(kept) <= 400
    assert kept[-1:] == times[-1:]
    assert len({later - earlier for earlier, later in itertools.pairwise(kept)}) <= 1
