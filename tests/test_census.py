"""The census: what each of its numbers means, on the very edges."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from instances.models import Application, Instance
from metrics import census
from metrics.census import State, is_active, is_system
from tests.fleet import instance

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger():
    return Application.objects.create(slug="ledger", name="Ledger")


def taken(application, at=NOW):
    return census.present(application, at)


def reporting(application, metrics, **fields):
    """An instance that has just sent these metrics."""
    return instance(application, {NOW - timedelta(minutes=1): metrics}, **fields)


# Who counts


def test_a_fleet_of_nobody_is_all_zeros(ledger):
    made = taken(ledger)

    assert made == census.Census(at=NOW)
    assert census.keys(made) == []


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

    assert taken(ledger) == census.Census(at=NOW)


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

    assert made == census.Census(at=NOW, revoked=2)

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

    assert made.active + made.silent + made.revoked + made.excluded.total() == 5
    assert (made.active, made.active_raw) == (1, 2)


def test_it_is_one_query_however_many_there_are(ledger, django_assert_num_queries):
    for number in range(5):
        instance(ledger, {NOW - HOUR * hours: {"users": number} for hours in range(1, 4)})

    with django_assert_num_queries(1):
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
    assert made.dimensions["db.engine"] == {"pg": 2}
    assert census.keys(made) == ["db.engine", "db.size_mb"]


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

    assert made.dimensions["plan"] == {"pro": 2, "free": 1}
    assert (made.figures["plan"]["sum"], made.strays["plan"]) == (7, 3)
    assert census.keys(made) == ["plan"]


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

    assert made.dimensions["backups"] == {"true": 2, "false": 1}
    assert "backups" not in made.figures


def test_an_empty_text_is_a_value_beside_others_but_no_dimension_by_itself(ledger):
    reporting(ledger, {"plan": "", "theme": ""})
    reporting(ledger, {"plan": "pro", "theme": ""})

    made = taken(ledger)

    assert made.dimensions == {"plan": Counter({"": 1, "pro": 1})}


def test_what_instances_say_of_themselves_is_a_dimension(ledger):
    said = {"app_version": "1.2", "environment": "production", "os_arch": "linux/amd64", "deployment_mode": "docker"}
    reporting(ledger, {}, **said)
    reporting(ledger, {}, **{**said, "app_version": "1.3"})
    reporting(ledger, {})

    made = taken(ledger)

    assert made.dimensions["app_version"] == {"1.2": 1, "1.3": 1, "": 1}
    assert made.dimensions["environment"] == {"production": 2, "": 1}
    assert set(made.dimensions) == set(census.DESCRIPTION)
    assert census.keys(made) == []


@pytest.mark.parametrize("value", [3, "2.0", True])
def test_a_metric_called_like_a_part_of_the_description_does_not_mix_with_it(ledger, value):
    for _ in range(3):
        reporting(ledger, {"app_version": value}, app_version="1.0")

    made = taken(ledger)

    assert made.dimensions == {"app_version": {"1.0": 3}}
    assert made.strays == {}
    assert census.keys(made) == (["app_version"] if value == 3 else [])


@pytest.mark.parametrize("key", ["", "0", "a.b", "é😀", "'\"\\", "%s", "$[0]", "__class__", "x" * 200])
def test_any_key_is_counted(ledger, key):
    reporting(ledger, {key: 2})
    reporting(ledger, {key: 3})

    made = taken(ledger)

    assert made.figures[key]["sum"] == 5
    assert census.keys(made) == [key]


def test_the_sums_of_a_chart_are_those_of_the_census(ledger):
    for value in (1, 0.1, 0.2, 2**60, "text", True):
        reporting(ledger, {"mixed": value, "other": 1})

    states = list(census.states_of(ledger))

    assert census.sums(states) == {key: made["sum"] for key, made in taken(ledger).figures.items()}


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


def test_being_active_says_nothing_of_exclusions():
    state = State(None, False, "manual", NOW, NOW, "", "", "", "", {})

    assert is_active(state, NOW)
    assert not census.counted([state], NOW)
    assert not is_active(state._replace(revoked=True), NOW)
    assert not is_active(state._replace(last_report_at=None), NOW)
