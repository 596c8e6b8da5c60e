"""A fleet's past: what a point of a chart is, and that it is the same number as a census of then."""

from datetime import timedelta, timezone

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as django_timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from dashboard.charts import (
    MAX_POINTS,
    SPARKLINE_HEIGHT,
    SPARKLINE_WIDTH,
    Point,
    active_history,
    fleet_history,
    metric_history,
    sparkline,
)
from instances.models import Application, Instance
from metrics import history, taking
from metrics.keys import Metrics
from metrics.models import ClosedCensus, Snapshot
from metrics.periods import DAY, HOUR, PERIODS
from tests.brute_force import census_by_hand, plain
from tests.clock import NOW
from tests.fleet import instance, store

CLOSING = NOW.replace(minute=0)
MIDNIGHT = CLOSING.replace(hour=0)
MICROSECOND, MINUTE = timedelta(microseconds=1), timedelta(minutes=1)
LARGEST = 1.7976931348623157e308


def lines(application, period="24h", at=NOW):
    """The charts' series, when the worker has just closed what was to be closed."""
    ClosedCensus.objects.filter(application=application).delete()
    taking.close(application, at)
    return fleet_history(application, PERIODS[period], taking.present(application, at), Metrics())


def values(application, key, period="24h", at=NOW):
    """The series of a metric as {time: value}; of active instances for None."""
    line = lines(application, period, at).get(key)
    if line is None:  # One that nobody reports any more is not among the fleet's lines.
        line = metric_history(application, Metrics()[key], PERIODS[period], taking.present(application, at))
    return {point.at: point.value for point in line.points}


# What a point is


def test_an_application_without_reports_has_the_present_only(ledger):
    assert values(ledger, None) == {NOW: 0}
    assert set(lines(ledger)) == {None}


def test_the_last_point_is_the_census(ledger):
    for number in range(3):
        instance(ledger, {CLOSING - HOUR * hours: {"users": number, "files": 0.5} for hours in range(5)})
    instance(ledger, {NOW - MINUTE: {"users": 100}})
    taking.close(ledger, NOW)
    made = taking.present(ledger, NOW)

    for period in PERIODS.values():
        series = fleet_history(ledger, period, made, Metrics())
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
    assert lines(ledger)["users"].values == [1, 2, 2]


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

    with time_machine.travel(CLOSING, tick=False):
        gone.include()

    assert list(values(ledger, None).values()) == [1, 1, 1, 1, 0, 1, 1]


def test_replayed_states_say_who_was_excluded_and_why(ledger):
    gone = instance(ledger, {CLOSING - HOUR * 3: {"users": 5, "none": None, "db": {"mb": 1}}}, app_version="1.0")
    with time_machine.travel(CLOSING - HOUR, tick=False):
        gone.exclude(Instance.Exclusion.MANUAL)

    states = dict(history.replay(ledger, [CLOSING - HOUR * 2, CLOSING]))

    [before], [after] = states[CLOSING - HOUR * 2].states, states[CLOSING].states
    assert (before.exclusion, after.exclusion) == ("", "manual")
    assert before.metrics == after.metrics == {"users": 5, "db.mb": 1}
    assert (before.app_version, before.last_report_at) == ("1.0", CLOSING - HOUR * 3)


def test_a_pending_instance_and_other_applications_count_nowhere(ledger):
    instance(ledger, {CLOSING - HOUR: {"users": 1}})
    instance(ledger, {}, state=Instance.State.PENDING, registered_at=CLOSING - HOUR * 2)
    instance(Application.objects.create(slug="other", name="Other"), {CLOSING - HOUR: {"users": 2}})

    assert set(values(ledger, None).values()) == set(values(ledger, "users").values()) == {1}


def test_buckets_are_of_utc_whatever_time_zone_is_active(ledger):
    # Beside an inner midnight: elsewhere the two are of one day, and the later would cover the earlier up.
    around = MIDNIGHT - DAY
    instance(ledger, {around - DAY: {"users": 1}, around - MINUTE: {"users": 2}, around + MINUTE: {"users": 3}})

    for hours in (-11, 0, 5.5, 13):
        with django_timezone.override(timezone(timedelta(hours=hours))):
            assert list(values(ledger, "users", "30d").values()) == [1, 2, 3, 3]


def test_all_ways_to_draw_a_series_draw_the_same(ledger):
    for number in range(3):
        reports = [NOW - DAY * age for age in (700, 430, 300, 60, 59, 20, 3, 0.1)]
        instance(ledger, {at: {"users": number + place} for place, at in enumerate(reports)})
    taking.close(ledger, NOW)
    made = taking.present(ledger, NOW)

    for name, period in PERIODS.items():
        drawn = fleet_history(ledger, period, made, Metrics())
        assert active_history(ledger, period, made) == drawn[None]
        assert metric_history(ledger, Metrics()["users"], period, made) == drawn["users"]
        if period.steps:
            assert [point.at for point in drawn[None].points] == [*period.closings(NOW, NOW - DAY * 700), NOW]
        else:
            assert MAX_POINTS / 2 < len(drawn[None].points) <= MAX_POINTS + 1, name
            assert drawn[None].points[0].at < MIDNIGHT - DAY * 690


def test_a_metric_that_nobody_reports_is_a_line_of_gaps(ledger):
    instance(ledger, {CLOSING - HOUR: {"users": 1}})
    taking.close(ledger, NOW)

    line = metric_history(ledger, Metrics()["nothing"], PERIODS["24h"], taking.present(ledger, NOW))

    assert [point.value for point in line.points] == [None, None, None]


def test_a_census_of_the_very_closing_is_one_point(ledger):
    instance(ledger, {CLOSING - HOUR: {"users": 1}})
    taking.close(ledger, CLOSING)
    made = taking.present(ledger, CLOSING)

    for series in (
        fleet_history(ledger, PERIODS["24h"], made, Metrics())[None],
        active_history(ledger, PERIODS["24h"], made),
    ):
        assert [point.at for point in series.points] == [CLOSING - HOUR, CLOSING]


@pytest.mark.parametrize("period", PERIODS)
def test_a_chart_takes_one_query_and_no_snapshot(ledger, period):
    for _ in range(4):
        instance(ledger, {CLOSING - HOUR * hours: {"users": 1} for hours in range(8)})
    taking.close(ledger, NOW)
    made = taking.present(ledger, NOW)

    for draw in (
        lambda: fleet_history(ledger, PERIODS[period], made, Metrics()),
        lambda: metric_history(ledger, Metrics()["users"], PERIODS[period], made),
        lambda: active_history(ledger, PERIODS[period], made),
    ):
        with CaptureQueriesContext(connection) as captured:
            draw()
        # All of it asks besides when that began.
        assert len(captured) <= (1 if PERIODS[period].steps else 2)
        assert not [query for query in captured if "metrics_snapshot" in query["sql"]]


def test_nothing_is_asked_for_no_times(ledger, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert list(history.replay(ledger, [])) == []


def test_what_is_stored_while_a_fleet_is_replayed_is_wholly_in_or_out(ledger, monkeypatch):
    silent = instance(ledger, {}, registered_at=CLOSING - DAY, activated_at=CLOSING - DAY)
    older = instance(ledger, {CLOSING - HOUR: {"users": 1}})
    rows = history._rows

    def rows_then_reports(application, *columns):
        read = rows(application, *columns)
        for one in (silent, older):
            store(one, CLOSING - HOUR * 2, {"users": 10}, NOW)
        return read

    monkeypatch.setattr(history, "_rows", rows_then_reports)
    times = [CLOSING - HOUR * 2, CLOSING - HOUR, CLOSING]
    made = [taking.census_of(ledger, fleet, at).document() for at, fleet in history.replay(ledger, times)]

    # Although the rows that were read before know of no report so old, or of none.
    assert [plain(one) for one in made] == [plain(census_by_hand(ledger, at)) for at in times]


def test_one_long_silent_whose_oldest_report_activated_it_late_was_not_pending(ledger):
    """It came back, and what it had sent before arrived only then: when it was activated says nothing of that time."""
    old, back = CLOSING - DAY * 90, CLOSING + HOUR
    made = instance(ledger, {}, state=Instance.State.PENDING, registered_at=old, activated_at=None)
    store(made, old, {"users": 1}, back)
    store(made, back, {"users": 2}, back)

    census = taking.census_of(ledger, history.at(ledger, CLOSING), CLOSING)

    assert (census.pending, census.silent, census.registered) == (0, 1, 1)
    assert plain(census.document()) == plain(census_by_hand(ledger, CLOSING))


def test_more_that_have_reported_since_than_are_looked_up_at_once(ledger, monkeypatch):
    monkeypatch.setattr(history, "LOOKUP_BATCH", 3)
    for number in range(10):
        instance(ledger, {CLOSING - HOUR: {"users": number}, CLOSING + MINUTE: {"users": 1000}})

    made = taking.census_of(ledger, history.at(ledger, CLOSING), CLOSING)

    assert (made.active, made.figures["users"]["sum"]) == (10, 45)


def test_a_full_batch_is_looked_up(ledger):
    made = [
        Instance(application=ledger, state="active", first_report_at=CLOSING, last_report_at=NOW) for _ in range(400)
    ]
    Instance.objects.bulk_create(made)
    for at, users in ((CLOSING, 1), (NOW, 2)):
        Snapshot.objects.bulk_create(Snapshot(instance=one, timestamp=at, metrics={"users": users}) for one in made)

    census = taking.census_of(ledger, history.at(ledger, CLOSING), CLOSING)

    assert (census.active, census.figures["users"]["sum"]) == (400, 400)


@pytest.mark.parametrize(("away", "returned"), [(DAY * 30, 0), (DAY * 30 + MICROSECOND, 1)])
def test_who_was_away_for_longer_than_the_active_window_has_returned(ledger, away, returned):
    back = CLOSING - DAY
    instance(ledger, {back - away: {"users": 1}, back: {"users": 2}, CLOSING: {"users": 3}})

    fleets = [history.now([ledger.pk])[ledger.pk], history.at(ledger, CLOSING - MINUTE)]
    fleets += [fleet for _, fleet in history.replay(ledger, [CLOSING - MINUTE])]

    assert [taking.census_of(ledger, fleet, CLOSING).returned for fleet in fleets] == [returned] * 3
    assert taking.census_of(ledger, history.at(ledger, back - MICROSECOND), back - MICROSECOND).returned == 0


@pytest.mark.parametrize("restored", [False, True])
def test_one_that_only_registered_and_was_revoked_is_revoked_from_then_until_it_is_restored(ledger, restored):
    pending = instance(ledger, {}, state=Instance.State.PENDING, registered_at=CLOSING - HOUR)
    for at, act in ((CLOSING - MINUTE, pending.revoke), (CLOSING + MINUTE, pending.restore))[: 1 + restored]:
        with time_machine.travel(at, tick=False):
            act()

    for fleet in (history.at(ledger, CLOSING), *(fleet for _, fleet in history.replay(ledger, [CLOSING]))):
        made = taking.census_of(ledger, fleet, CLOSING)
        assert (made.registered, made.revoked, made.pending) == (1, 1, 0)


# By brute force

# Most things happen on or beside a closing, where mistakes would.
AGES = st.one_of(
    st.builds(timedelta, microseconds=st.integers(0, DAY * 45 // MICROSECOND)),
    st.builds(
        lambda hours, off: NOW - CLOSING + HOUR * hours + MICROSECOND * off, st.integers(0, 60), st.integers(-1, 1)
    ),
    st.builds(lambda days, off: HOUR * 9 + DAY * days + MICROSECOND * off, st.integers(0, 45), st.integers(-1, 1)),
)
VALUES = st.integers(-5, 5) | st.sampled_from([0.5, -0.25, 2**53 + 1, 10**20 + 7, "text", "", True, False, None, [1]])
KEYS = st.sampled_from(["users", "files", "plan", "app_version", "", "ä.b"])
METRICS = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=2), max_size=4)
REPORTS = st.lists(
    st.tuples(AGES, METRICS, st.sampled_from(["1.0", "2.0", ""])), max_size=6, unique_by=lambda report: report[0]
)
DECIDED = st.sampled_from(["revoke", "restore", "exclude", "include", "approve", "wait"])
DECISIONS = st.lists(st.tuples(AGES, DECIDED), max_size=4)


@st.composite
def lives(draw):
    """Registered, in the order of arrival reported, and what was decided, all by its age."""
    reports = draw(REPORTS)
    oldest = max((age for age, *_ in reports), default=draw(AGES))
    registered = oldest + draw(st.sampled_from([timedelta(0), HOUR, DAY * 3]))
    return registered, draw(st.sampled_from(["pending", "active", "waiting"])), reports, draw(DECISIONS)


def live(application, life, in_order):
    registered, begins, reports, decisions = life
    is_activated = begins == "active"
    made = instance(
        application,
        {},
        state=Instance.State.ACTIVE if is_activated else Instance.State.PENDING,
        registered_at=NOW - registered,
        activated_at=NOW - registered if is_activated else None,
        awaits_approval=begins == "waiting",
        environment="test",
    )
    for age, metrics, version in sorted(reports, key=lambda report: -report[0]) if in_order else reports:
        made.app_version = version
        store(made, NOW - age, metrics, NOW - age)
    made.refresh_from_db()
    for age, decision in sorted(decisions, key=lambda decided: -decided[0]):
        with time_machine.travel(NOW - age, tick=False):
            if decision == "wait":
                wait(made)
            else:
                getattr(made, decision)(*(["manual" if age < DAY else "test"] if decision == "exclude" else []))


def wait(made):
    """As when it moves to where it has to be approved, which one that is revoked cannot."""
    if made.state != Instance.State.REVOKED:
        made._wait(True, "by moving to another application")
        made.prove(NOW)
        made.save()


def moments(fleet, active_days):
    """The times at which something is about to change, and just has."""
    edges = {timedelta(0)}
    for registered, _, reports, decisions in fleet:
        edges |= {registered, *(age for age, _ in decisions)}
        for age, *_ in reports:
            # Of the active window, of being new, quiet, newly quiet, and gone for a day and for a week.
            spans = (0, active_days, 1, 7, 2, 9, active_days + 1, active_days + 7)
            edges |= {age - DAY * span for span in spans}
    around = {NOW - age + MICROSECOND * off for age in edges for off in (-1, 0, 1)}
    closings = {CLOSING - HOUR * hours for hours in range(3)} | {MIDNIGHT - DAY * days for days in (0, 1, 8, 31)}
    return sorted(at for at in around | closings if at <= NOW)


class BruteForceTests(TestCase):
    @settings(max_examples=35, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(lives(), min_size=1, max_size=4), st.sampled_from([1, 2, 7, 30]), st.booleans(), st.randoms())
    def test_the_census_of_any_time_is_what_all_snapshots_and_events_say(self, fleet, active_days, in_order, random):
        application = Application.objects.create(slug="ledger", name="Ledger", active_days=active_days)
        for life in fleet:
            live(application, life, in_order)
        times = moments(fleet, active_days)
        times = sorted({*random.sample(times, min(len(times), 10)), NOW})

        replayed = dict(history.replay(application, times))
        for at in times:
            wanted = plain(census_by_hand(application, at))
            assert plain(taking.census_of(application, replayed[at], at).document()) == wanted, at
            made = {"at": history.at(application, at)}
            if at == NOW:
                made["now"] = history.now([application.pk])[application.pk]
            for name, read in made.items():
                document = plain(taking.census_of(application, read, at).document())
                if not in_order:
                    # A row knows what had arrived when it came back, not what was filed before that since.
                    for count in ("returned", "returned_in_day"):
                        document["instances"][count] = wanted["instances"][count]
                assert document == wanted, (name, at)


# Series


def test_change_is_from_the_first_value_to_the_last(ledger):
    instance(ledger, {CLOSING - HOUR * 2: {"files": 1}, CLOSING - HOUR: {"users": 100}, CLOSING: {"users": 112}})

    assert lines(ledger)["users"].change == "+12\xa0%"
    assert metric_history(ledger, Metrics()["files"], PERIODS["24h"], taking.present(ledger, NOW)).change == ""


def test_drawn_points_are_milliseconds_and_what_a_double_can_hold(ledger):
    instance(ledger, {CLOSING: {"bytes": 10**308, "users": 2}})
    instance(ledger, {CLOSING: {"bytes": 10**308}})

    made = lines(ledger)

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
