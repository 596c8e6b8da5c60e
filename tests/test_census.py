"""The census: what each of its numbers means, on the very edges."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from instances.models import Application, Instance
from metrics import history, taking
from metrics.census import DESCRIPTION, MAX_VALUES, Census, Dimension, State, count, week_of
from metrics.keys import is_system
from tests.clock import NOW
from tests.fleet import instance

MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = pytest.mark.django_db


def taken(application, at=NOW):
    return taking.present(application, at)


def reporting(application, metrics, **fields):
    """An instance that has just sent these metrics."""
    return instance(application, {NOW - timedelta(minutes=1): metrics}, **fields)


# Who counts


def test_a_fleet_of_nobody_is_all_zeros(ledger):
    made = taken(ledger)

    assert made == Census(at=NOW)
    assert made.keys == []


@pytest.mark.parametrize("days", [1, 30, 400])
def test_a_snapshot_exactly_as_old_as_the_active_window_counts(ledger, days):
    ledger.active_days = days
    ledger.save()
    instance(ledger, {NOW - timedelta(days=days): {"users": 3}})

    made = taken(ledger)

    assert (made.active, made.active_raw, made.silent) == (1, 1, 0)
    assert made.figures["users"]["sum"] == 3


@pytest.mark.parametrize("days", [1, 30, 400])
def test_one_a_microsecond_older_is_silent(ledger, days):
    ledger.active_days = days
    ledger.save()
    instance(ledger, {NOW - timedelta(days=days) - MICROSECOND: {"users": 3}})

    made = taken(ledger)

    assert (made.active, made.active_raw, made.silent) == (0, 0, 1)
    assert made.figures == {}
    assert made.dimensions == {}


def test_it_counts_each_instance_once_by_its_newest_snapshot(ledger):
    instance(ledger, {NOW - HOUR * hours: {"users": hours} for hours in (5, 1, 3)})

    made = taken(ledger)

    assert made.active == 1
    assert (made.figures["users"]["sum"], made.figures["users"]["reporters"]) == (1, 1)


def test_a_key_that_the_newest_snapshot_leaves_out_is_gone(ledger):
    instance(ledger, {NOW - HOUR * 2: {"users": 3, "files": 7}, NOW - HOUR: {"users": 4}})

    assert set(taken(ledger).figures) == {"users"}


def test_a_pending_instance_counts_nowhere(ledger):
    Instance.objects.create(application=ledger, app_version="1.0")

    assert taken(ledger) == Census(at=NOW, registered=1, pending=1)


def test_an_activated_one_that_has_never_reported_is_silent(ledger):
    instance(ledger, {}, activated_at=NOW, registered_at=NOW, app_version="1.0")

    made = taken(ledger)

    assert (made.silent, made.active, made.active_raw) == (1, 0, 0)
    assert made.dimensions == {}


def test_an_excluded_one_is_in_the_raw_number_only(ledger):
    reporting(ledger, {"users": 1})
    excluded = reporting(ledger, {"users": 100, "plan": "pro"}, app_version="9.9")
    excluded.exclude(Instance.Exclusion.TEST)

    made = taken(ledger)

    assert (made.active, made.active_raw, made.silent, made.new, made.reporting) == (1, 2, 0, 1, 1)
    assert made.excluded == {"test": 1}
    assert made.figures["users"]["sum"] == 1
    assert made.dimensions == {}

    excluded.include()

    assert (taken(ledger).active, taken(ledger).figures["users"]["sum"]) == (2, 101)


def test_exclusions_are_counted_by_their_reason_silent_ones_among_them(ledger):
    for reason, age in (("manual", HOUR), ("manual", DAY * 90), ("ephemeral", DAY * 90)):
        instance(ledger, {NOW - age: {}}).exclude(reason)

    made = taken(ledger)

    assert made.excluded == {"manual": 2, "ephemeral": 1}
    assert (made.active, made.active_raw, made.silent) == (0, 1, 0)


def test_a_revoked_one_is_counted_as_revoked_and_as_nothing_else(ledger):
    reporting(ledger, {"users": 5}).revoke()
    both = reporting(ledger, {"users": 5})
    both.exclude(Instance.Exclusion.MANUAL)
    both.revoke()

    made = taken(ledger)

    assert made == Census(at=NOW, registered=2, revoked=2)

    both.restore()
    both.include()

    assert (taken(ledger).active, taken(ledger).revoked) == (1, 1)


@pytest.mark.parametrize(("lasted", "established"), [(DAY, 1), (DAY * 9, 1), (DAY - MICROSECOND, 0), (HOUR * 0, 0)])
def test_established_is_who_has_reported_across_24_hours(ledger, lasted, established):
    instance(ledger, {NOW - HOUR - lasted: {}, NOW - HOUR: {}})

    made = taken(ledger)

    assert (made.active, made.established) == (1, established)


def test_established_ones_that_fell_silent_are_not_counted_as_such(ledger):
    instance(ledger, {NOW - DAY * 90: {}, NOW - DAY * 31: {}})

    assert taken(ledger).established == 0


@pytest.mark.parametrize(("first", "new"), [(HOUR, 1), (DAY * 7 - MICROSECOND, 1), (DAY * 7 + MICROSECOND, 0)])
def test_new_is_who_first_reported_within_7_days(ledger, first, new):
    instance(ledger, {NOW - first: {}, NOW - timedelta(minutes=5): {}})

    made = taken(ledger)

    assert (made.active, made.new) == (1, new)


@pytest.mark.parametrize(("last", "now"), [(HOUR, 1), (DAY - MICROSECOND, 1), (DAY + MICROSECOND, 0), (DAY * 20, 0)])
def test_reporting_is_who_sent_something_within_24_hours(ledger, last, now):
    instance(ledger, {NOW - DAY * 25: {}, NOW - last: {}})

    made = taken(ledger)

    assert (made.active, made.reporting) == (1, now)


@pytest.mark.parametrize(("last", "now"), [(MICROSECOND, 1), (HOUR - MICROSECOND, 1), (HOUR, 0), (DAY, 0)])
def test_heard_is_who_sent_something_within_the_hour(ledger, last, now):
    instance(ledger, {NOW - DAY * 25: {}, NOW - last: {}})

    made = taken(ledger)

    assert (made.active, made.heard) == (1, now)


def test_a_census_from_before_the_hours_reports_were_counted_says_so(ledger):
    reporting(ledger, {"users": 7})
    document = taken(ledger).document()
    assert Census.from_document(NOW, document).heard == 1
    del document["instances"]["heard"]

    assert Census.from_document(NOW, document).heard is None


def test_other_applications_are_left_alone(ledger):
    other = Application.objects.create(slug="other", name="Other")
    reporting(other, {"users": 7})
    reporting(ledger, {"users": 1})

    assert taken(ledger).figures["users"]["sum"] == 1
    assert taken(other).active == 1


def test_every_instance_is_in_exactly_one_place(ledger):
    for age, fields in (
        (HOUR, {}),
        (DAY * 40, {}),
        (HOUR, {"exclusion": "test"}),
        (DAY * 40, {"exclusion": "manual"}),
        (HOUR, {"state": "revoked"}),
    ):
        made = instance(ledger, {NOW - age: {"users": 1}})
        Instance.objects.filter(pk=made.pk).update(**fields)
    Instance.objects.create(application=ledger)

    made = taken(ledger)

    assert made.active + made.silent + made.revoked + sum(made.excluded.values()) == 5
    assert (made.active, made.active_raw, made.pending, made.registered) == (1, 2, 1, 6)


def test_it_takes_as_many_queries_however_many_there_are(ledger, django_assert_num_queries):
    for number in range(5):
        instance(ledger, {NOW - HOUR * hours: {"users": number} for hours in range(1, 4)})

    with django_assert_num_queries(3):
        taken(ledger)


# What they report


def test_the_figures_are_over_those_that_report_the_metric(ledger):
    for users in (0, 10, 20, 30):
        reporting(ledger, {"users": users})
    reporting(ledger, {"files": 1})

    made = taken(ledger).figures["users"]

    assert (made["reporters"], made["zeros"], made["sum"], made["mean"], made["median"]) == (4, 1, 60, 15.0, 15.0)
    assert (made["min"], made["max"]) == (0, 30)


def test_nested_metrics_go_by_their_path(ledger):
    reporting(ledger, {"db": {"size_mb": 1.5, "engine": "pg"}})
    reporting(ledger, {"db": {"size_mb": 2.25, "engine": "pg"}})

    made = taken(ledger)

    assert made.figures["db.size_mb"]["sum"] == 3.75
    assert made.dimensions["db.engine"].counts == {"pg": 2}
    assert made.keys == ["db.engine", "db.size_mb"]


def test_big_integers_are_summed_exactly(ledger):
    values = [2**53 + 1, 2**53 + 3, 2**63, 10**30 + 7, -(10**18) - 1]
    for value in values:
        reporting(ledger, {"bytes": value})

    made = taken(ledger).figures["bytes"]

    assert made["sum"] == sum(values)
    assert (made["min"], made["max"]) == (min(values), max(values))


def test_text_where_others_send_a_number_is_left_out_and_counted(ledger):
    for users in (1, 2, 3):
        reporting(ledger, {"users": users})
    reporting(ledger, {"users": "42"})

    made = taken(ledger)

    assert (made.figures["users"]["sum"], made.figures["users"]["reporters"]) == (6, 3)
    assert made.strays == {"users": 1}
    assert "users" not in made.dimensions


def test_a_boolean_is_no_number_among_numbers_either(ledger):
    reporting(ledger, {"users": 5})
    reporting(ledger, {"users": 6})
    reporting(ledger, {"users": True})

    made = taken(ledger)

    assert (made.figures["users"]["sum"], made.strays["users"]) == (11, 1)


def test_nulls_and_lists_are_no_strays(ledger):
    reporting(ledger, {"users": 1})
    reporting(ledger, {"users": None})
    reporting(ledger, {"users": [1, 2]})

    made = taken(ledger)

    assert (made.figures["users"]["sum"], made.figures["users"]["reporters"], made.strays) == (1, 1, {})


def test_a_key_that_is_mostly_text_is_a_dimension(ledger):
    for plan in ("pro", "pro", "free"):
        reporting(ledger, {"plan": plan})
    reporting(ledger, {"plan": 7})

    made = taken(ledger)

    assert made.dimensions["plan"].counts == {"pro": 2, "free": 1}
    assert (made.figures["plan"]["sum"], made.strays["plan"]) == (7, 3)
    assert made.keys == ["plan"]


def test_as_many_numbers_as_texts_are_a_number(ledger):
    reporting(ledger, {"size": 7})
    reporting(ledger, {"size": "large"})

    made = taken(ledger)

    assert "size" not in made.dimensions
    assert (made.figures["size"]["sum"], made.strays["size"]) == (7, 1)


def test_booleans_are_dimensions(ledger):
    for backups in (True, True, False):
        reporting(ledger, {"backups": backups})

    made = taken(ledger)

    assert made.dimensions["backups"].counts == {"true": 2, "false": 1}
    assert "backups" not in made.figures


def test_an_empty_text_is_a_value_beside_others_but_no_dimension_by_itself(ledger):
    reporting(ledger, {"plan": "", "theme": ""})
    reporting(ledger, {"plan": "pro", "theme": ""})

    made = taken(ledger)

    assert made.dimensions == {"plan": Dimension({"": 1, "pro": 1}, values=2)}


def test_what_instances_say_of_themselves_is_a_dimension(ledger):
    said = {"app_version": "1.2", "environment": "production", "os_arch": "linux/amd64", "deployment_mode": "docker"}
    reporting(ledger, {}, **said)
    reporting(ledger, {}, **{**said, "app_version": "1.3"})
    reporting(ledger, {})

    made = taken(ledger)

    assert made.dimensions["app_version"].counts == {"1.2": 1, "1.3": 1, "": 1}
    assert made.dimensions["environment"].counts == {"production": 2, "": 1}
    assert set(made.dimensions) == set(DESCRIPTION)
    assert made.keys == []


@pytest.mark.parametrize("value", [3, "2.0", True])
def test_a_metric_called_like_a_part_of_the_description_does_not_mix_with_it(ledger, value):
    for _ in range(3):
        reporting(ledger, {"app_version": value}, app_version="1.0")

    made = taken(ledger)

    assert made.dimensions == {"app_version": Dimension({"1.0": 3}, values=1)}
    assert made.strays == {}
    assert made.keys == (["app_version"] if value == 3 else [])


@pytest.mark.parametrize("key", ["", "0", "a.b", "é😀", "'\"\\", "%s", "$[0]", "__class__", "x" * 200])
def test_any_key_is_counted(ledger, key):
    reporting(ledger, {key: 2})
    reporting(ledger, {key: 3})

    made = taken(ledger)

    assert made.figures[key]["sum"] == 5
    assert made.keys == [key]


# The pure parts


@pytest.mark.parametrize(
    ("key", "system"),
    [
        ("sys_cpu", True),
        ("app_goroutines", True),
        ("system", False),
        ("users", False),
        ("x.sys_cpu", False),
        ("", False),
    ],
)
def test_system_metrics_go_by_their_prefix(key, system):
    assert is_system(key) is system


def state(number=0, first=HOUR, last=HOUR, **fields):
    """One that first and last reported so long before NOW."""
    known = State(UUID(int=number), False, "", NOW - first, NOW - last, None, "1.0", "", "", "", {})
    return known._replace(**fields)


def counted(*states, pending=0):
    return count(states, NOW, NOW - DAY * 30, pending)


def test_the_pending_are_registered_and_nothing_else():
    assert counted(state(), pending=3) == replace(counted(state()), registered=4, pending=3)


@pytest.mark.parametrize(("back", "returned"), [(HOUR, 1), (DAY * 7 - MICROSECOND, 1), (DAY * 7, 0)])
def test_returned_is_who_came_back_within_7_days(back, returned):
    assert counted(state(first=DAY * 90, returned_at=NOW - back)).returned == returned


def test_one_that_came_back_and_fell_silent_or_is_excluded_is_not_counted_as_returned():
    back = state(first=DAY * 90, returned_at=NOW - HOUR)

    assert counted(back._replace(last_report_at=NOW - DAY * 31)).returned == 0
    assert counted(back._replace(exclusion="test")).returned == 0
    assert counted(back._replace(revoked=True)).returned == 0


def test_a_cohort_is_those_that_first_reported_in_a_week_and_how_many_of_them_still_report():
    sunday = state(first=HOUR * 9)
    monday = state(first=DAY * 6 + HOUR * 9)
    before = state(first=DAY * 7, last=DAY * 7)
    gone = state(first=DAY * 40, last=DAY * 31)

    made = counted(sunday, monday, before, gone, state(exclusion="test"), state(revoked=True))

    counts = {week: (cohort.size, cohort.active, cohort.reported) for week, cohort in made.cohorts.items()}
    assert counts == {"2026-10-12": (1, 0, 0), "2026-11-09": (1, 1, 0), "2026-11-16": (2, 2, 2)}
    assert list(counts) == sorted(counts)


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 11, 16, tzinfo=UTC), "2026-11-16"),
        (datetime(2026, 11, 16, tzinfo=UTC) - MICROSECOND, "2026-11-09"),
        (datetime(2026, 11, 16, 1, tzinfo=timezone(HOUR * 2)), "2026-11-09"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2026-12-28"),
    ],
)
def test_weeks_begin_on_monday_in_utc(moment, week):
    assert week_of(moment) == week


def test_the_rarest_of_too_many_values_are_folded():
    states = [state(number, app_version=f"v{min(number, MAX_VALUES + 9):03}") for number in range(MAX_VALUES + 20)]

    made = counted(*states).dimensions["app_version"]

    assert len(made.counts) == MAX_VALUES
    assert made.counts[f"v{MAX_VALUES + 9:03}"] == 11
    assert (made.folded, made.values, made.total) == (10, MAX_VALUES + 10, MAX_VALUES + 20)


def test_as_many_values_as_are_told_apart_are_not_folded():
    made = counted(*[state(number, metrics={"plan": f"p{number}"}) for number in range(MAX_VALUES)])

    assert (len(made.dimensions["plan"].counts), made.dimensions["plan"].folded) == (MAX_VALUES, 0)


def test_a_census_comes_back_from_its_document_as_it_was():
    made = counted(
        state(1, metrics={"users": 2**70, "load": 0.1, "plan": "pro", "": "x"}),
        state(2, first=DAY * 60, metrics={"users": "many", "plan": True}, returned_at=NOW - HOUR),
        state(3, exclusion="manual"),
        state(4, revoked=True),
        state(5, last=DAY * 31),
        pending=2,
    )

    assert Census.from_document(NOW, json.loads(json.dumps(made.document()))) == made
    assert json.loads(json.dumps(made.document()))["metrics"]["users"]["sum"] == 2**70


def test_a_census_from_before_comings_and_goings_were_counted_says_that_they_are_not_known():
    document = json.loads(json.dumps(counted(state(1), state(2, last=DAY * 31)).document()))
    document["instances"] = {name: n for name, n in document["instances"].items() if name not in Census.LATER}
    document["cohorts"] = {week: counts[:2] for week, counts in document["cohorts"].items()}

    made = Census.from_document(NOW, document)

    assert (made.active, made.silent) == (1, 1)
    assert {getattr(made, name) for name in Census.LATER} == {None}
    assert [cohort.reported for cohort in made.cohorts.values()] == [None]
    assert [cohort.size for cohort in made.cohorts.values()] == [2]


@pytest.mark.parametrize(
    ("silent_for", "quiet", "newly"),
    [
        (HOUR * 48, 0, 0),
        (HOUR * 48 + MICROSECOND, 1, 1),
        (DAY * 9, 1, 1),
        (DAY * 9 + MICROSECOND, 1, 0),
        (DAY * 30, 1, 0),
        (DAY * 30 + MICROSECOND, 0, 0),
    ],
)
def test_quiet_is_who_has_missed_reports_but_is_still_active(ledger, silent_for, quiet, newly):
    instance(ledger, {NOW - silent_for: {}})

    made = taken(ledger)

    assert (made.quiet, made.newly_quiet) == (quiet, newly)


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ({}, HOUR * 48),
        ({"report_minutes": 24 * 60}, DAY * 3),
        ({"report_minutes": 24 * 60, "active_days": 2}, DAY * 2),
        ({"report_minutes": 2**31 - 1, "active_days": 3650}, DAY * 3650),
    ],
)
def test_how_long_it_takes_to_be_quiet(fields, after):
    application = Application(**fields)

    assert application.quiet_after == after
    assert application.quiet_since(NOW) == NOW - after


@pytest.mark.parametrize(
    ("silent_for", "in_week", "in_day"),
    [
        (DAY * 30, 0, 0),
        (DAY * 30 + MICROSECOND, 1, 1),
        (DAY * 31, 1, 1),
        (DAY * 31 + MICROSECOND, 1, 0),
        (DAY * 37, 1, 0),
        (DAY * 37 + MICROSECOND, 0, 0),
    ],
)
def test_gone_is_who_fell_out_of_the_active_window_of_late(ledger, silent_for, in_week, in_day):
    instance(ledger, {NOW - DAY * 60: {}, NOW - silent_for: {}})

    fleets = [history.now([ledger.pk])[ledger.pk], *(fleet for _, fleet in history.replay(ledger, [NOW]))]

    for made in (taking.census_of(ledger, fleet, NOW) for fleet in fleets):
        assert (made.gone, made.gone_in_day) == (in_week, in_day)


def test_neither_excluded_nor_revoked_ones_are_quiet_or_gone(ledger):
    for silent_for in (DAY * 3, DAY * 31):
        instance(ledger, {NOW - silent_for: {}}).exclude(Instance.Exclusion.TEST)
        instance(ledger, {NOW - silent_for: {}}).revoke()

    made = taken(ledger)

    assert (made.quiet, made.newly_quiet, made.gone, made.gone_in_day) == (0, 0, 0, 0)


@pytest.mark.parametrize(("first", "in_day"), [(DAY - MICROSECOND, 1), (DAY, 0)])
def test_who_came_today_is_counted_apart_from_who_came_this_week(first, in_day):
    made = counted(state(first=first), state(2, first=DAY * 90, returned_at=NOW - first))

    assert (made.new, made.new_in_day, made.returned, made.returned_in_day) == (1, in_day, 1, in_day)


def test_a_census_of_nobody_comes_back_too():
    assert Census.from_document(NOW, json.loads(json.dumps(counted().document()))) == Census(at=NOW)
