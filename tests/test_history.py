"""A fleet's past: what a point of a chart is, and that it is the same number as a census of then."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from django.utils import timezone as django_timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from dashboard.charts import SPARKLINE_HEIGHT, SPARKLINE_WIDTH, Point, fleet_history, instance_history, sparkline
from instances.models import Application, Instance
from metrics import census
from metrics.flatten import is_number, scalars
from metrics.history import PERIODS, Period, replay
from metrics.ingestion import store
from metrics.models import Snapshot
from tests.fleet import instance

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CLOSING = NOW.replace(minute=0)
MIDNIGHT = CLOSING.replace(hour=0)
MICROSECOND, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LARGEST = 1.7976931348623157e308


@pytest.fixture
def ledger(db):
    return Application.objects.create(slug="ledger", name="Ledger")


def history(application, period="24h", at=NOW):
    return fleet_history(application, PERIODS[period], census.present(application, at))


def values(application, key, period="24h", at=NOW):
    """The series of a metric as {time: value}; of active instances for None."""
    return {point.at: point.value for point in history(application, period, at)[key].points}


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


# What a point is


def test_an_application_without_reports_has_the_present_only(ledger):
    assert values(ledger, None) == {NOW: 0}
    assert set(history(ledger)) == {None}


def test_the_last_point_is_the_census(ledger):
    for number in range(3):
        instance(ledger, {CLOSING - HOUR * hours: {"users": number, "files": 0.5} for hours in range(5)})
    instance(ledger, {NOW - MINUTE: {"users": 100}})
    made = census.present(ledger, NOW)

    for period in PERIODS.values():
        series = fleet_history(ledger, period, made)
        assert {key: one.points[-1].at for key, one in series.items()} == {None: NOW, "users": NOW, "files": NOW}
        assert series[None].points[-1].value == made.active == 4
        assert series["users"].points[-1].value == made.figures["users"]["sum"] == 103
        assert series["files"].points[-1].value == made.figures["files"]["sum"] == 1.5


def test_a_point_is_the_sum_of_the_latest_values(ledger):
    instance(ledger, {CLOSING - HOUR * 3: {"users": 1}, CLOSING - HOUR * 2 - MINUTE: {"users": 2}})
    instance(
        ledger,
        {CLOSING - HOUR * 2: {"users": 10}, CLOSING - MINUTE * 50: {"users": 5}, CLOSING - MINUTE: {"users": 20}},
    )

    assert values(ledger, "users") == {
        CLOSING - HOUR * 3: 1,
        CLOSING - HOUR * 2: 12,
        CLOSING - HOUR: 12,
        CLOSING: 22,
        NOW: 22,
    }


def test_an_instance_that_misses_hours_does_not_dent_the_line(ledger):
    instance(ledger, {CLOSING - HOUR * hours: {"users": 1} for hours in range(21)})
    instance(ledger, {CLOSING - HOUR * hours: {"users": 5} for hours in (20, 19, 3)})

    assert set(values(ledger, "users").values()) == {6}
    assert set(values(ledger, None).values()) == {2}


def test_one_that_dies_leaves_after_the_active_window(ledger):
    ledger.active_days = 3
    ledger.save()
    last = MIDNIGHT - DAY * 5
    instance(ledger, {last - DAY: {"users": 1}, last: {"users": 5}})
    instance(ledger, {MIDNIGHT - DAY * days: {"users": 1} for days in range(8)})

    line = values(ledger, "users", "30d")

    assert line[last + DAY * 3] == 6  # A snapshot exactly as old as the window still counts.
    assert line[last + DAY * 4] == 1
    assert values(ledger, None, "7d")[last + DAY * 3 + HOUR] == 1
    assert line[NOW] == 1


def test_it_was_active_before_the_period_began(ledger):
    instance(ledger, {CLOSING - DAY * 29: {"users": 5}})

    line = values(ledger, "users")

    assert len(line) == 25
    assert set(line.values()) == {5}


@pytest.mark.parametrize(("period", "step", "closing"), [("24h", HOUR, CLOSING), ("30d", DAY, MIDNIGHT)])
def test_a_snapshot_exactly_at_a_closing_belongs_to_it(ledger, period, step, closing):
    instance(
        ledger,
        {closing - step * 2: {"users": 1}, closing - step: {"users": 2}, closing - step + MICROSECOND: {"users": 3}},
    )

    line = values(ledger, "users", period)

    assert [line[closing - step * back] for back in (2, 1, 0)] == [1, 2, 3]


def test_a_late_snapshot_takes_its_own_place(ledger):
    made = instance(ledger, {CLOSING - HOUR * 4: {"users": 1}, CLOSING - HOUR: {"users": 9}})
    store(made, CLOSING - HOUR * 3, {"users": 5}, NOW)
    store(made, CLOSING - HOUR * 6, {"users": 2}, NOW)

    line = values(ledger, "users")

    assert list(line.values()) == [2, 2, 1, 5, 5, 9, 9, 9]
    assert next(iter(line)) == CLOSING - HOUR * 6


def test_a_metric_that_nobody_reported_then_has_no_value(ledger):
    instance(ledger, {CLOSING - HOUR * 2: {"users": 1}, CLOSING - HOUR: {"files": 0}, CLOSING: {"users": 2}})

    assert list(values(ledger, "users").values()) == [1, None, 2, 2]
    assert list(values(ledger, "files").values()) == [None, 0, None, None]
    assert history(ledger)["users"].values == [1, 2, 2]


def test_text_where_others_send_a_number_is_left_out(ledger):
    instance(ledger, {CLOSING - HOUR: {"users": 7}})
    instance(ledger, {CLOSING - HOUR: {"users": "seven"}, CLOSING: {"users": True}})

    assert set(values(ledger, "users").values()) == {7}


def test_big_integers_stay_exact(ledger):
    for value in (2**63 + 1, 10**30 + 1):
        instance(ledger, {CLOSING - HOUR: {"bytes": value}})

    assert set(values(ledger, "bytes").values()) == {2**63 + 10**30 + 2}


def test_a_revoked_one_counts_until_it_was_revoked(ledger):
    reports = {CLOSING - HOUR * hours: {"users": 5} for hours in range(6)}
    gone = instance(ledger, reports)
    with time_machine.travel(CLOSING - HOUR * 2, tick=False):
        gone.revoke()

    assert list(values(ledger, "users").values()) == [5, 5, 5, None, None, None, None]
    assert list(values(ledger, None).values()) == [1, 1, 1, 0, 0, 0, 0]


def test_an_excluded_one_counts_until_it_was_excluded_and_again_once_it_is_included(ledger):
    gone = instance(ledger, {CLOSING - HOUR * hours: {"users": 5} for hours in range(6)})
    with time_machine.travel(CLOSING - HOUR * 2 + MICROSECOND, tick=False):
        gone.exclude(Instance.Exclusion.TEST)

    assert list(values(ledger, None).values()) == [1, 1, 1, 1, 0, 0, 0]

    gone.include()

    assert set(values(ledger, None).values()) == {1}


def test_replayed_states_say_who_was_excluded_and_why(ledger):
    gone = instance(ledger, {CLOSING - HOUR * 3: {"users": 5, "none": None, "db": {"mb": 1}}}, app_version="1.0")
    with time_machine.travel(CLOSING - HOUR, tick=False):
        gone.exclude(Instance.Exclusion.MANUAL)

    states = dict(replay(ledger, [CLOSING - HOUR * 2, CLOSING], "hour"))

    before, after = states[CLOSING - HOUR * 2][0], states[CLOSING][0]
    assert (before.exclusion, after.exclusion) == ("", "manual")
    assert before.metrics == after.metrics == {"users": 5, "db.mb": 1}
    assert (before.app_version, before.last_report_at) == ("1.0", CLOSING - HOUR * 3)


def test_a_pending_instance_and_other_applications_count_nowhere(ledger):
    pending = instance(ledger, {CLOSING - HOUR: {"users": 1}})
    Instance.objects.filter(pk=pending.pk).update(state=Instance.State.PENDING)
    instance(Application.objects.create(slug="other", name="Other"), {CLOSING - HOUR: {"users": 2}})

    assert set(values(ledger, None).values()) == {0}


def test_buckets_are_of_utc_whatever_time_zone_is_active(ledger):
    # Beside an inner midnight: elsewhere the two are of one day, and the later would cover the earlier up.
    around = MIDNIGHT - DAY
    instance(ledger, {around - DAY: {"users": 1}, around - MINUTE: {"users": 2}, around + MINUTE: {"users": 3}})

    for hours in (-11, 0, 5.5, 13):
        with django_timezone.override(timezone(timedelta(hours=hours))):
            assert list(values(ledger, "users", "30d").values()) == [1, 2, 3, 3]


def test_it_reads_a_bounded_number_of_queries(ledger, django_assert_num_queries):
    for _ in range(4):
        instance(ledger, {CLOSING - HOUR * hours: {"users": 1} for hours in range(8)})
    made = census.present(ledger, NOW)

    with django_assert_num_queries(3):
        fleet_history(ledger, PERIODS["7d"], made)


def test_nothing_is_asked_for_no_times(ledger, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(replay(ledger, [], "hour")) == []


# By brute force

WEEKS = {"seconds": st.integers(0, int((DAY * 45).total_seconds()))}
# Most reports fall on or beside a closing, where mistakes would.
AGES = st.one_of(
    st.builds(timedelta, **WEEKS),
    st.integers(0, 200).map(lambda hours: NOW - CLOSING + HOUR * hours),
    st.integers(0, 45).map(lambda days: NOW - MIDNIGHT + DAY * days),
    st.builds(
        lambda hours, off: NOW - CLOSING + HOUR * hours + MICROSECOND * off, st.integers(0, 60), st.integers(-2, 2)
    ),
)
METRICS = st.dictionaries(
    st.sampled_from(["users", "files"]),
    st.integers(-5, 5) | st.sampled_from([0.5, 2**60, "text", True, None]),
    max_size=2,
)
# Reports by their age, in the order of arrival; when it was revoked or excluded, if it was.
LIVES = st.tuples(
    st.lists(st.tuples(AGES, METRICS), min_size=1, max_size=5, unique_by=lambda report: report[0]),
    st.none() | AGES,
    st.none() | AGES,
)


def brute_force(application, at):
    """The number of active instances, and each metric's sum, by the definition: reads all snapshots there are."""
    sums = {None: 0}
    for one in Instance.objects.filter(application=application):
        if any(since is not None and since <= at for since in (one.revoked_at, one.excluded_at)):
            continue
        reports = [row for row in Snapshot.objects.filter(instance=one) if row.timestamp <= at]
        if not reports:
            continue
        latest = max(reports, key=lambda row: row.timestamp)
        if latest.timestamp < at - timedelta(days=application.active_days):
            continue
        sums[None] += 1
        for key, value in scalars(latest.metrics).items():
            if is_number(value):
                sums[key] = sums.get(key, 0) + value
    return sums


class BruteForceTests(TestCase):
    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(LIVES, min_size=1, max_size=3), st.sampled_from([1, 3, 30]))
    @example([([(NOW - CLOSING, {"users": 1}), (NOW - CLOSING + HOUR, {"users": 2})], None, None)], 1)
    def test_every_point_is_what_all_snapshots_say(self, lives, active_days):
        application = Application.objects.create(slug="ledger", name="Ledger", active_days=active_days)
        for reports, revoked, excluded in lives:
            made = instance(application, {NOW - age: metrics for age, metrics in reports})
            if revoked is not None:
                Instance.objects.filter(pk=made.pk).update(state="revoked", revoked_at=NOW - revoked)
            if excluded is not None:
                Instance.objects.filter(pk=made.pk).update(exclusion="manual", excluded_at=NOW - excluded)
        first = min(NOW - age for reports, *_ in lives for age, _ in reports)

        wanted = {}
        for name in ("24h", "7d", "30d"):
            made = history(application, name)
            times = [point.at for point in made[None].points]
            assert times == [*PERIODS[name].closings(NOW, first), NOW]
            for place, at in enumerate(times):
                if at not in wanted:
                    wanted[at] = brute_force(application, at)
                drawn = {key: one.points[place].value for key, one in made.items()}
                assert {key: value for key, value in drawn.items() if value is not None} == wanted[at], (name, at)


# Series


def test_change_is_from_the_first_value_to_the_last(ledger):
    instance(ledger, {CLOSING - HOUR * 2: {"files": 1}, CLOSING - HOUR: {"users": 100}, CLOSING: {"users": 112}})

    assert history(ledger)["users"].change == "+12 %"
    assert history(ledger)["files"].change == ""


def test_drawn_points_are_milliseconds_and_what_a_double_can_hold(ledger):
    instance(ledger, {CLOSING: {"bytes": 10**308, "users": 2}})
    instance(ledger, {CLOSING: {"bytes": 10**308}})

    made = history(ledger)

    milliseconds = [int(at.timestamp() * 1000) for at in (CLOSING, NOW)]
    assert made["users"].data() == [[at, 2] for at in milliseconds]
    assert made["bytes"].values == [2 * 10**308] * 2
    assert made["bytes"].data() == [[at, None] for at in milliseconds]


def line_of(*line):
    points = [Point(NOW + HOUR * hours, value) for hours, value in enumerate(line)]
    return [tuple(map(float, place.split(","))) for place in sparkline(points).split()]


@pytest.mark.parametrize("line", [(), (1,), (None, 1, None), (1, 10**400)])
def test_a_sparkline_has_two_known_points_at_least(line):
    assert line_of(*line) == []


@pytest.mark.parametrize(
    "line",
    [(0, 5, 10), (3, 3), (0, 0), (0, None, 10), (-5, -1), (5e-324, 0), (-LARGEST, LARGEST, 1), (LARGEST,) * 3],
)
def test_a_sparkline_fits_its_box_and_goes_up_with_the_values(line):
    places = line_of(*line)

    known = [value for value in line if value is not None]
    assert len(places) == len(known)
    assert (places[0][0], places[-1][0]) == (0, SPARKLINE_WIDTH)
    assert all(0 <= y <= SPARKLINE_HEIGHT for _, y in places)
    heights = [SPARKLINE_HEIGHT - y for _, y in places]
    assert sorted(heights) == [height for _, height in sorted(zip(known, heights, strict=True))]


def test_a_sparkline_leaves_a_gap_in_proportion_to_time():
    points = [Point(NOW, 1), Point(NOW + HOUR, None), Point(NOW + HOUR * 3, 3), Point(NOW + HOUR * 4, 1)]

    assert [place.split(",")[0] for place in sparkline(points).split()] == ["0.0", "90.0", "120.0"]


def test_an_instances_own_history_is_thinned_and_keeps_the_newest(ledger):
    made = instance(ledger, {CLOSING - MINUTE * ago: {"users": ago, "plan": "pro"} for ago in range(5)})
    Snapshot.objects.bulk_create(
        Snapshot(instance=made, timestamp=CLOSING - MINUTE * ago, metrics={"users": ago}) for ago in range(5, 1000)
    )

    series = instance_history(made, CLOSING - MINUTE * 900)

    assert set(series) == {"users"}
    points = series["users"].points
    assert len(points) <= 400
    assert (points[-1].at, points[-1].value) == (CLOSING, 0)
    assert len({later.at - earlier.at for earlier, later in itertools.pairwise(points)}) == 1


def test_a_period_knows_how_the_database_cuts_it():
    assert Period("x", "X", HOUR, 1).trunc == "hour"
    assert Period("x", "X", DAY, 1).trunc == "day"
