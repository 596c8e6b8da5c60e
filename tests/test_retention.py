"""Retention: what is kept, on the very edges, and that no census that is promised changes by it."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from instances.models import Application, Instance
from metrics import history, retention
from metrics.models import Snapshot, Thinning
from metrics.periods import hour, midnight
from metrics.retention import month, start_over, thin
from tests.clock import NOW

MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The bounds of NOW by the default settings: midnight 30 days ago, and the first of the month 730 days ago.
DAILY_UNTIL = datetime(2026, 10, 23, tzinfo=UTC)
MONTHLY_UNTIL = datetime(2024, 11, 1, tzinfo=UTC)


def reporting(application, times, **fields):
    """An instance with a snapshot at each of these times; each has other metrics."""
    times = sorted(set(times))
    made = Instance.objects.create(
        application=application,
        state=Instance.State.ACTIVE,
        registered_at=times[0],
        activated_at=times[0],
        first_report_at=times[0],
        last_report_at=times[-1],
        **fields,
    )
    filed(made, times)
    return made


def filed(instance, times):
    Snapshot.objects.bulk_create(
        [Snapshot(instance=instance, timestamp=at, metrics={"at": at.timestamp()}) for at in times]
    )


def kept(instance):
    return list(Snapshot.objects.filter(instance=instance).order_by("timestamp").values_list("timestamp", flat=True))


def by_definition(times, now, keep_all, keep_daily):
    """What is kept: the same as retention says, in the simplest words there are."""
    daily_until = midnight(now - keep_all)
    monthly_until = month(now - max(keep_all, keep_daily))
    last_of_day = {midnight(at - MICROSECOND): at for at in sorted(times)}
    last_of_month = {month(at - MICROSECOND): at for at in sorted(times)}
    return [
        at
        for at in sorted(set(times))
        if (at > daily_until or at == last_of_day[midnight(at - MICROSECOND)])
        and (at > monthly_until or at == last_of_month[month(at - MICROSECOND)])
    ]


# Days


def test_every_snapshot_is_kept_for_thirty_days_and_then_the_last_of_the_day(ledger):
    recent = [NOW - HOUR * back for back in range(30 * 24)]
    old = [DAILY_UNTIL - HOUR * back for back in range(48)]
    one = reporting(ledger, recent + old)

    assert thin(NOW) == "46 old snapshots are deleted"
    assert kept(one) == sorted({DAILY_UNTIL, DAILY_UNTIL - DAY, *recent})


@pytest.mark.parametrize(
    ("times", "remaining"),
    [
        # At midnight exactly: the last of the day that ends then.
        ([-2 * HOUR, timedelta(0), HOUR], [timedelta(0), HOUR]),
        ([-MICROSECOND, timedelta(0), MICROSECOND], [timedelta(0), MICROSECOND]),
        ([-DAY, -DAY + MICROSECOND, -HOUR], [-DAY, -HOUR]),
        ([-DAY, -DAY + MICROSECOND], [-DAY, -DAY + MICROSECOND]),
        # The day that the bound lies in has not passed it as a whole.
        ([MICROSECOND, HOUR, 2 * HOUR], [MICROSECOND, HOUR, 2 * HOUR]),
    ],
)
def test_a_day_ends_with_its_midnight(ledger, times, remaining):
    one = reporting(ledger, [DAILY_UNTIL + shift for shift in times])
    thin(NOW)

    assert kept(one) == [DAILY_UNTIL + shift for shift in remaining]


@pytest.mark.parametrize(
    ("now", "thinned"),
    [
        (datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=UTC), False),
        (datetime(2026, 11, 22, tzinfo=UTC), True),
    ],
)
def test_a_day_is_thinned_as_soon_as_all_of_it_is_old_enough(ledger, now, thinned):
    one = reporting(ledger, [DAILY_UNTIL - 2 * HOUR, DAILY_UNTIL - HOUR, NOW])
    thin(now)

    assert len(kept(one)) == (2 if thinned else 3)


def test_days_are_those_of_utc(ledger, settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    one = reporting(ledger, [DAILY_UNTIL - 6 * HOUR, DAILY_UNTIL - HOUR])
    thin(NOW.astimezone(ZoneInfo("Asia/Kolkata")))

    assert kept(one) == [DAILY_UNTIL - HOUR]


def test_the_newest_is_kept_however_old_it_is(ledger):
    times = [NOW - 2000 * DAY + HOUR * back for back in range(3)]
    one = reporting(ledger, times)
    thin(NOW)

    assert kept(one) == times[-1:]


def test_each_instance_has_its_own_last(ledger):
    other = Application.objects.create(slug="other", name="Other")
    times = [DAILY_UNTIL - HOUR * back for back in range(1, 9)]
    instances = [reporting(where, times[place:]) for place, where in enumerate([ledger, other, ledger, other])]
    thin(NOW)

    assert [kept(each) for each in instances] == [[at] for at in times[:4]]


# Months


def test_after_two_years_the_last_of_the_month_is_kept(ledger):
    days = [MONTHLY_UNTIL + DAY * shift for shift in range(-61, 10)]
    one = reporting(ledger, [*days, NOW])
    thin(NOW)

    assert kept(one) == [
        datetime(2024, 9, 1, tzinfo=UTC),
        datetime(2024, 10, 1, tzinfo=UTC),
        *[MONTHLY_UNTIL + DAY * shift for shift in range(10)],
        NOW,
    ]


def test_a_month_ends_with_the_first_midnight_of_the_next(ledger):
    around = [-MICROSECOND, timedelta(0), MICROSECOND, HOUR]
    one = reporting(ledger, [MONTHLY_UNTIL - 31 * DAY + shift for shift in around] + [MONTHLY_UNTIL - 20 * DAY])
    other = reporting(ledger, [MONTHLY_UNTIL + shift for shift in (-DAY, *around)])
    thin(NOW)

    assert kept(one) == [MONTHLY_UNTIL - 31 * DAY, MONTHLY_UNTIL - 20 * DAY]
    assert kept(other) == [MONTHLY_UNTIL, MONTHLY_UNTIL + HOUR]


def test_february_of_a_leap_year_has_its_29th(ledger):
    noons = [datetime(2024, 2, day, 12, tzinfo=UTC) for day in (27, 28, 29)] + [datetime(2024, 3, 1, 12, tzinfo=UTC)]
    one = reporting(ledger, noons)
    thin(NOW)

    assert kept(one) == noons[2:]


@pytest.mark.parametrize(
    ("now", "count"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC) - MICROSECOND, 2),
        (datetime(2026, 3, 1, tzinfo=UTC), 1),
    ],
)
def test_a_leap_day_s_month_is_thinned_as_soon_as_all_of_it_is_old_enough(ledger, now, count):
    # 730 days before the first of March 2026 it was the first of March 2024.
    one = reporting(ledger, [datetime(2024, 2, 28, 12, tzinfo=UTC), datetime(2024, 2, 29, 12, tzinfo=UTC)])
    thin(now)

    assert len(kept(one)) == count


# Settings


def test_both_bounds_are_settings(ledger, settings):
    settings.KEEP_ALL, settings.KEEP_DAILY = 2 * DAY, 40 * DAY
    times = [NOW - 6 * HOUR * back for back in range(4 * 120)]
    one = reporting(ledger, times)
    thin(NOW)

    assert kept(one) == by_definition(times, NOW, 2 * DAY, 40 * DAY)


def test_daily_ones_for_shorter_than_all_of_them_are_months_only(ledger, settings):
    settings.KEEP_ALL, settings.KEEP_DAILY = 60 * DAY, DAY
    times = [NOW - 6 * HOUR * back for back in range(4 * 120)]
    one = reporting(ledger, times)
    thin(NOW)

    assert kept(one) == by_definition(times, NOW, 60 * DAY, DAY)
    assert len([at for at in kept(one) if at > NOW - 60 * DAY]) == 240


def test_a_span_longer_than_there_are_dates_is_for_ever(ledger, settings):
    settings.KEEP_ALL = timedelta(days=999_999)
    reporting(ledger, [NOW - 5000 * DAY + HOUR * back for back in range(3)])

    assert thin(NOW) is None


# Again and again


def test_a_second_time_there_is_nothing_to_do(ledger):
    reporting(ledger, [DAILY_UNTIL - HOUR * back for back in range(48)])
    thin(NOW)

    assert thin(NOW) is None
    assert thin(NOW + HOUR) is None


def test_an_empty_server_has_nothing_to_thin(db):
    assert thin(NOW) is None


def test_a_missed_week_is_thinned_afterwards(ledger):
    times = [NOW - HOUR * back for back in range(60 * 24)]
    one = reporting(ledger, times)
    thin(NOW)
    thin(NOW + 7 * DAY)

    assert kept(one) == by_definition(times, NOW + 7 * DAY, 30 * DAY, 730 * DAY)


def test_what_was_thinned_before_is_not_read_again(ledger):
    one = reporting(ledger, [NOW - HOUR * back for back in range(60 * 24)])
    thin(NOW)
    # Filed by nothing that says so: a look at all of the history would find it.
    filed(one, [DAILY_UNTIL - 10 * DAY - 90 * MICROSECOND])

    assert thin(NOW + DAY) == "23 old snapshots are deleted"
    start_over()
    assert thin(NOW + DAY) == "1 old snapshots are deleted"


def test_one_that_fell_silent_early_in_a_day_is_thinned_with_it(ledger):
    times = [DAILY_UNTIL, DAILY_UNTIL + MICROSECOND, DAILY_UNTIL + 2 * MICROSECOND]
    one = reporting(ledger, times)
    thin(NOW)
    thin(NOW + DAY)

    assert kept(one) == [times[0], times[2]]


def test_an_instance_that_has_not_reported_since_costs_no_query(ledger):
    reporting(ledger, [DAILY_UNTIL - HOUR * back for back in range(48)])
    thin(NOW)
    with CaptureQueriesContext(connection) as queries:
        thin(NOW + DAY)

    assert not [query for query in queries if "metrics_snapshot" in query["sql"]]


def test_snapshots_that_arrive_after_their_day_was_thinned_are_thinned_too(ledger, settings):
    settings.KEEP_ALL, settings.ACCEPTANCE_WINDOW = DAY, 7 * DAY
    times = [NOW - HOUR * back for back in range(24 * 10)]
    one = reporting(ledger, times)
    thin(NOW)
    late = [NOW - 6 * DAY + timedelta(minutes=7 * back) for back in range(3)]
    filed(one, late)
    thin(NOW + DAY)

    assert kept(one) == by_definition(times + late, NOW + DAY, DAY, 730 * DAY)


def test_a_span_that_is_made_longer_keeps_more_from_then_on(ledger, settings):
    settings.KEEP_ALL = 10 * DAY
    times = [NOW - HOUR * back for back in range(20 * 24)]
    one = reporting(ledger, times)
    thin(NOW)
    settings.KEEP_ALL = 15 * DAY
    assert thin(NOW) is None
    thin(NOW + 10 * DAY)

    assert kept(one) == by_definition(times, NOW + 10 * DAY, 15 * DAY, 730 * DAY)


def test_a_clock_that_had_jumped_ahead_does_not_end_it(ledger):
    one = reporting(ledger, [NOW - HOUR])
    thin(NOW + 300 * DAY)
    later = [NOW + HOUR * ahead for ahead in range(5 * 24)]
    filed(one, later)
    Instance.objects.update(last_report_at=later[-1])
    thin(NOW)
    thin(NOW + 60 * DAY)

    assert kept(one) == by_definition([NOW - HOUR, *later], NOW + 60 * DAY, 30 * DAY, 730 * DAY)


# Stopped, twice at once, and in batches


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("portions", [0, 1, 3, 7])
def test_a_run_that_was_stopped_is_made_up_for(ledger, monkeypatch, portions):
    monkeypatch.setattr(retention, "READ_INSTANCES", 2)
    monkeypatch.setattr(retention, "DELETE_STRETCHES", 2)
    times = [NOW - 8 * HOUR * back for back in range(3 * 40)]
    instances = [reporting(ledger, times) for _ in range(5)]
    delete, left = retention._delete, iter(range(portions))

    def stopped(stretches):
        if next(left, None) is None:
            raise StoppedError
        return delete(stretches)

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_delete", stopped)
        with pytest.raises(StoppedError):
            thin(NOW)
    assert all(set(by_definition(times, NOW, 30 * DAY, 730 * DAY)) <= set(kept(each)) for each in instances)

    thin(NOW)
    assert all(kept(each) == by_definition(times, NOW, 30 * DAY, 730 * DAY) for each in instances)


@pytest.mark.parametrize("ahead", [timedelta(0), DAY, 800 * DAY])
def test_two_runs_at_once_keep_what_one_keeps(ledger, monkeypatch, ahead):
    monkeypatch.setattr(retention, "DELETE_STRETCHES", 3)
    times = [NOW - 8 * HOUR * back for back in range(3 * 60)]
    instances = [reporting(ledger, times) for _ in range(3)]
    delete = retention._delete

    def meanwhile(stretches):
        monkeypatch.setattr(retention, "_delete", delete)
        thin(NOW + ahead)
        return delete(stretches)

    monkeypatch.setattr(retention, "_delete", meanwhile)
    thin(NOW)

    assert all(kept(each) == by_definition(times, NOW + ahead, 30 * DAY, 730 * DAY) for each in instances)


def test_an_import_while_it_runs_is_thinned_the_next_time(ledger, monkeypatch):
    first = reporting(ledger, [NOW - 60 * DAY, NOW - 60 * DAY + HOUR])
    delete = retention._delete
    imported = []

    def meanwhile(stretches):
        monkeypatch.setattr(retention, "_delete", delete)
        filed(first, [NOW - 90 * DAY, NOW - 90 * DAY + HOUR])
        imported.append(reporting(ledger, [NOW - 90 * DAY, NOW - 90 * DAY + HOUR]))
        start_over()
        return delete(stretches)

    monkeypatch.setattr(retention, "_delete", meanwhile)
    thin(NOW)
    Instance.objects.filter(pk=first.pk).update(first_report_at=NOW - 90 * DAY)
    thin(NOW)

    assert kept(first) == [NOW - 90 * DAY + HOUR, NOW - 60 * DAY + HOUR]
    assert kept(imported[0]) == [NOW - 90 * DAY + HOUR]


def test_an_instance_that_is_erased_meanwhile_is_no_error(ledger, monkeypatch):
    one = reporting(ledger, [NOW - 60 * DAY, NOW - 60 * DAY + HOUR])
    delete = retention._delete
    monkeypatch.setattr(retention, "_delete", lambda stretches: (one.erase(), delete(stretches))[1])

    assert thin(NOW) is None


def test_what_one_transaction_deletes_is_bounded(ledger, monkeypatch):
    for _ in range(3):
        reporting(ledger, [DAILY_UNTIL - timedelta(minutes=10) * back for back in range(6 * 24 * 40)])
    delete, deleted = retention._delete, []

    def counted(stretches):
        deleted.append((len(stretches), delete(stretches)))
        return deleted[-1][1]

    monkeypatch.setattr(retention, "_delete", counted)
    thin(NOW)

    assert sum(rows for _, rows in deleted) == 3 * 40 * (6 * 24 - 1)
    # A stretch is never cut, and these have 143 each.
    assert max(rows for _, rows in deleted) < retention.DELETE_ROWS + 143


def test_all_instances_are_visited_whatever_the_batches(ledger, monkeypatch):
    monkeypatch.setattr(retention, "READ_INSTANCES", 3)
    instances = [reporting(ledger, [NOW - 60 * DAY, NOW - 60 * DAY + HOUR]) for _ in range(10)]
    thin(NOW)

    assert [len(kept(each)) for each in instances] == [1] * 10


# Whatever the times

KEEP_ALL, KEEP_DAILY = 3 * DAY, 40 * DAY
SPAN = timedelta(days=170)
FIRST = NOW - SPAN
# Somewhere, or next to a midnight or a full hour.
somewhere = st.timedeltas(timedelta(0), SPAN).map(lambda shift: FIRST + shift)
edges = st.tuples(
    somewhere,
    st.sampled_from([hour, midnight, month]),
    st.sampled_from([-HOUR, -MICROSECOND, timedelta(0), MICROSECOND, HOUR]),
).map(lambda parts: parts[1](parts[0]) + parts[2])
# Many in one day, so that there is something to thin.
bursts = st.tuples(somewhere, st.integers(2, 8)).map(lambda parts: [parts[0] + 5 * HOUR * n for n in range(parts[1])])
reports = st.lists(
    st.one_of(somewhere.map(lambda at: [at]), edges.map(lambda at: [at]), bursts), min_size=1, max_size=15
)
times = reports.map(lambda lists: sorted({at for at in itertools.chain(*lists) if at <= NOW}) or [NOW])
# When it is run before NOW: never, once or several times.
runs = st.lists(st.timedeltas(timedelta(0), SPAN).map(lambda back: NOW - back), max_size=3)


class WhateverTheTimes(TestCase):
    @given(st.lists(times, min_size=1, max_size=3), runs)
    @example([[FIRST + 7 * HOUR * step for step in range(500)]], [NOW - 3 * DAY, NOW - 100 * DAY])
    @example([[midnight(FIRST) + DAY * step + shift for step in range(160) for shift in (-MICROSECOND, 0 * DAY)]], [])
    @hypothesis_settings(max_examples=30, deadline=None, database=None)
    def test_what_is_kept_is_as_defined_and_every_promised_count_is_the_same(self, fleet, runs):
        ledger = Application.objects.create(slug="ledger", name="Ledger", active_days=30)
        instances = [reporting(ledger, times) for times in fleet]
        moments = promised(NOW)
        before = counted(ledger, moments)
        with self.settings(KEEP_ALL=KEEP_ALL, KEEP_DAILY=KEEP_DAILY):
            for now in [*runs, NOW, NOW]:
                thin(now)

        # Runs in disorder delete no more than the latest of them does.
        assert [kept(each) for each in instances] == [by_definition(at, NOW, KEEP_ALL, KEEP_DAILY) for at in fleet]
        assert counted(ledger, moments) == before
        assert Thinning.objects.count() == 2


def promised(now):
    """The times that can be counted again: full hours, then midnights, then the ends of months."""
    hours = [hour(now) - HOUR * back for back in range(1000) if hour(now) - HOUR * back >= now - KEEP_ALL]
    midnights = [midnight(now) - DAY * back for back in range(1000) if midnight(now) - DAY * back >= now - KEEP_DAILY]
    months = {month(now - DAY * back) for back in range(SPAN.days)}
    return sorted({*hours, *midnights, *months})


def counted(application, moments):
    """The metrics of each active instance at each time."""
    return {
        at: {
            state.id: (state.last_report_at, state.metrics)
            for state in fleet.states
            if state.last_report_at and state.last_report_at >= application.active_since(at)
        }
        for at, fleet in history.replay(application, moments)
    }
