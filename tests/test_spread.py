"""Choosing a few of an instance's snapshots, evenly apart, at a cost that does not grow with their number."""

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from instances.models import Application
from metrics.models import Snapshot
from metrics.periods import edges
from tests import fleet
from tests.clock import NOW

MICROSECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("microseconds", "minutes", "hours", "days"))

pytestmark = pytest.mark.django_db


def chosen(instance, times):
    return [snapshot.timestamp for snapshot in Snapshot.objects.spread(instance, times)]


def test_of_each_stretch_it_is_the_newest(ledger):
    times = [NOW - MINUTE * 20 * back for back in reversed(range(12))]
    instance = fleet.instance(ledger, {at: {} for at in times})

    assert chosen(instance, [NOW - HOUR * back for back in (3, 2, 1, 0)]) == [NOW - HOUR * back for back in (2, 1, 0)]


def test_it_can_be_the_oldest_as_well(ledger):
    instance = fleet.instance(ledger, {NOW - MINUTE * 20 * back: {} for back in range(7)})
    bounds = [NOW - HOUR * back for back in (3, 2, 1, 0)]

    ends = [snapshot.timestamp for snapshot in Snapshot.objects.spread(instance, bounds, both_ends=True)]

    assert ends == [NOW - MINUTE * back for back in (120, 100, 60, 40, 0)]


def test_the_newest_until_a_moment_is_found(ledger):
    instance = fleet.instance(ledger, {NOW - HOUR: {"n": 1}, NOW: {"n": 2}})

    assert Snapshot.objects.newest_of(instance).metrics == {"n": 2}
    assert Snapshot.objects.newest_of(instance, NOW - HOUR).metrics == {"n": 1}
    assert Snapshot.objects.newest_of(instance, NOW - 2 * HOUR) is None


def test_the_later_edge_belongs_to_a_stretch_and_the_earlier_does_not(ledger):
    instance = fleet.instance(ledger, {NOW - HOUR: {}, NOW - HOUR + MICROSECOND: {}, NOW: {}})

    assert chosen(instance, [NOW - HOUR, NOW - MICROSECOND]) == [NOW - HOUR + MICROSECOND]
    assert chosen(instance, [NOW - DAY, NOW - HOUR]) == [NOW - HOUR]


def test_an_empty_stretch_has_none_and_no_edges_no_stretch(ledger, django_assert_num_queries):
    instance = fleet.instance(ledger, {NOW: {}})

    assert chosen(instance, [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW]) == [NOW]
    with django_assert_num_queries(0):
        assert chosen(instance, []) == []
        assert chosen(instance, [NOW]) == []


def test_anothers_are_not_among_them(ledger):
    instance = fleet.instance(ledger, {NOW - HOUR: {"mine": 1}})
    fleet.instance(ledger, {NOW: {"mine": 0}})

    assert [snapshot.metrics for snapshot in Snapshot.objects.spread(instance, [NOW - DAY, NOW])] == [{"mine": 1}]


def test_it_can_be_asked_for_some_columns(ledger):
    instance = fleet.instance(ledger, {NOW: {"documents": 10**30}}, app_version="1.2")

    rows = Snapshot.objects.spread(instance, [NOW - DAY, NOW])

    assert list(rows.values_list("timestamp", "app_version")) == [(NOW, "1.2")]
    assert rows.get().metrics == {"documents": 10**30}


def test_the_newest_times_are_in_order_and_not_too_many(ledger, django_assert_num_queries):
    instance = fleet.instance(ledger, {NOW - HOUR * back: {} for back in range(10)})

    with django_assert_num_queries(1):
        times = Snapshot.objects.newest_times_of(instance, NOW - 8 * HOUR, 4)

    assert times == [NOW - HOUR * back for back in (3, 2, 1, 0)]
    assert Snapshot.objects.newest_times_of(instance, NOW - 2 * HOUR, 4) == times[1:]


def test_a_year_of_hours_is_one_query_of_few_rows(ledger):
    instance = fleet.instance(ledger, {NOW: {"n": 0}})
    hours = [NOW - HOUR * back for back in range(1, 24 * 365)]
    Snapshot.objects.bulk_create([Snapshot(instance=instance, timestamp=at, metrics={}) for at in hours], 2000)

    with CaptureQueriesContext(connection) as captured:
        times = chosen(instance, edges(NOW - 365 * DAY, NOW, 400))

    assert len(captured) == 1
    assert len(times) == 400
    assert times[-1] == NOW


AGES = st.lists(st.integers(0, 5000), max_size=30, unique=True)


class SpreadTests(TestCase):
    @settings(max_examples=60, deadline=None, database=None)
    @given(AGES, AGES.map(sorted), st.sampled_from([MICROSECOND, MINUTE]))
    def test_it_chooses_what_reading_all_would(self, ages, bounds, unit):
        ledger = Application.objects.create(name="Ledger", slug="ledger")
        instance = fleet.instance(ledger, {NOW - unit * age: {} for age in ages})
        times = [NOW - unit * age for age in reversed(bounds)]

        wanted = [
            max(within)
            for after, until in itertools.pairwise(times)
            if (within := [at for age in ages if after < (at := NOW - unit * age) <= until])
        ]

        assert chosen(instance, times) == wanted


# Edges


def test_edges_are_evenly_apart_and_hold_both_ends():
    bounds = edges(NOW - DAY, NOW, 4)

    assert len(bounds) == 5
    assert bounds[0] == NOW - DAY - MICROSECOND  # So that a snapshot of the start is in the first stretch.
    assert bounds[-1] == NOW
    assert bounds == sorted(set(bounds))


def test_of_no_length_there_is_one_stretch_and_of_less_there_is_none():
    assert edges(NOW, NOW, 400) == [NOW - MICROSECOND, NOW]
    assert edges(NOW + HOUR, NOW, 400) == []
