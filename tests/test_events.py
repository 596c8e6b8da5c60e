"""The history: what is filed about an instance, when and how often, and what is forgotten again."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from instances.jobs import forget_events, regular_work
from instances.models import Application, Event, Instance, PublicKey
from metrics import history
from tests import fleet
from tests.clock import NOW
from tests.installation import Installation, row

DAY = timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


@pytest.fixture
def pending():
    installation = Installation(app_version="1.0.0")
    assert installation.register().status_code == 201
    return installation


def lines(installation, *kinds):
    events = Event.objects.filter(instance=installation.id)
    return [(event.kind, event.detail) for event in (events.filter(kind__in=kinds) if kinds else events)]


# One line each


def test_a_registration_and_an_activation_are_filed_once(pending):
    pending.register()
    pending.activate()
    pending.activate()
    pending.register()

    assert lines(pending) == [("registered", "Version: 1.0.0"), ("activated", "")]
    assert {event.at for event in Event.objects.all()} == {NOW}
    assert {event.application.slug for event in Event.objects.all()} == {"ledger"}


def test_a_refused_registration_files_nothing(db):
    Installation().register(public_key="00" * 32)

    assert not Event.objects.exists()


def test_a_first_snapshot_that_activates_is_filed_as_such_once(pending):
    pending.snapshot({})
    pending.snapshot({}, NOW - timedelta(hours=1))
    pending.activate()

    assert lines(pending, "activated") == [("activated", "")]


def test_a_snapshot_that_is_refused_files_no_activation(pending):
    read_before = row(pending)
    row(pending).revoke()

    with pytest.raises(Exception, match="revoked"):
        fleet.store(read_before, NOW, {}, NOW)

    assert not lines(pending, "activated")


def test_one_that_was_revoked_while_pending_is_activated_but_once(pending):
    row(pending).revoke()
    row(pending).restore()
    pending.activate()
    row(pending).revoke()
    row(pending).restore()
    pending.activate()

    kinds = [kind for kind, _ in lines(pending)]
    assert kinds == ["registered", "revoked", "restored", "activated", "revoked", "restored"]


def test_each_change_says_from_what_to_what(installation):
    installation.register(app_version="2.0.0", environment="", os_arch="linux\n arm64")
    assert not lines(installation, "changed")  # Unsigned, so nothing has changed yet.
    installation.activate()
    installation.register(app_version="2.0.0", environment="staging", os_arch="linux\n arm64")
    installation.activate()

    assert lines(installation, "changed") == [
        ("changed", "Version: 1.0.0 → 2.0.0"),
        ("changed", "System: (not said) → linux arm64"),
        ("changed", "Environment: (not said) → staging"),
    ]


def test_a_change_of_the_longest_values_has_room(installation):
    for letter in "ab":
        values = dict.fromkeys(Instance.DESCRIPTION, letter * 100)
        installation.register(app_name=letter * 100, **values)
        installation.activate()

    details = [detail for _, detail in lines(installation, "changed")]
    assert f"Deployment mode: {'a' * 100} → {'b' * 100}" in details
    assert f"Application: {'a' * 100} → {'b' * 100}" in details


def test_a_history_moves_with_its_instance(installation):
    installation.register(app_name="Payroll")
    installation.activate()

    assert {event.application.slug for event in Event.objects.all()} == {"payroll"}
    assert lines(installation, "changed") == [("changed", "Application: Ledger → Payroll")]


def test_a_first_activation_that_moves_it_is_filed_where_it_has_moved_to(pending):
    pending.register(app_name="Abacus")
    pending.activate()

    assert {kind for kind, _ in lines(pending)} == {"registered", "activated", "changed"}
    assert {event.application.slug for event in Event.objects.all()} == {"abacus"}


def test_another_key_for_its_id_is_filed(installation):
    stranger = Installation()

    assert stranger.register(instance_id=installation.id).status_code == 409

    [(_, detail)] = lines(installation, "conflict")
    assert PublicKey(hex=stranger.public_key).fingerprint in detail


def test_a_wrong_clock_is_filed_with_what_it_said(installation):
    installation.snapshot({}, NOW + 3 * DAY)

    assert lines(installation, "wrong_clock") == [("wrong_clock", "it sent 2026-11-25 09:30:00 UTC")]


def test_decisions_are_filed_as_they_were(installation):
    row(installation).exclude(Instance.Exclusion.TEST)
    row(installation).include(by_rule=True)

    assert lines(installation, *Event.DECISIONS) == [("excluded", "test"), ("included", "")]
    assert Event.objects.get(kind="excluded").words == "Test"


def test_an_erasure_leaves_one_line_that_does_not_say_of_which(installation):
    row(installation).erase()

    [event] = Event.objects.all()
    assert (event.kind, event.detail, event.instance_id) == ("erased", "by a maintainer", None)
    assert event.application.slug == "ledger"


def test_no_line_holds_an_address(installation):
    installation.client.defaults["REMOTE_ADDR"] = "203.0.113.77"
    Installation().register(instance_id=installation.id)
    installation.snapshot({}, NOW + DAY)
    installation.register(app_version="2")
    installation.activate()

    assert not [event for event in Event.objects.all() if "203.0.113" in event.detail]


def test_what_is_said_of_one_erased_at_this_moment_is_no_error(installation):
    erased = row(installation)
    row(installation).erase()
    Event.objects.all().delete()

    erased.mark_wrong_clock(NOW)
    erased.revoke()
    erased.note(Event.Kind.CONFLICT, "x")

    assert not Event.objects.exists()


# Bounds


def test_what_others_can_cause_is_filed_a_few_times_a_day(installation, clock):
    def cause_everything():
        for number in range(12):
            Installation().register(instance_id=installation.id)
            installation.snapshot({}, timezone.now() + DAY)
            installation.register(app_version=f"{timezone.now():%d}.{number}")
            installation.activate()

    cause_everything()
    first_day = {kind: len(lines(installation, kind)) for kind in Event.MOST_A_DAY}
    clock.move_to(NOW + DAY)
    cause_everything()

    assert first_day == {"changed": 10, "wrong_clock": 1, "conflict": 3, "rotated": 0}
    assert {kind: len(lines(installation, kind)) for kind in Event.MOST_A_DAY} == {
        kind: 2 * count for kind, count in first_day.items()
    }


def test_ones_bound_is_not_anothers(installation):
    other = Installation()
    other.register()
    for contested in (installation, other):
        for _ in range(4):
            Installation().register(instance_id=contested.id)

    assert len(lines(installation, "conflict")) == len(lines(other, "conflict")) == 3


def test_those_that_erase_themselves_are_filed_up_to_a_bound(installation, monkeypatch):
    monkeypatch.setattr(Event, "MOST_ERASED_A_DAY", 2)
    application = Application.objects.get()

    for _ in range(4):
        fleet.instance(application, {}).erase("by itself")
    for _ in range(4):
        fleet.instance(application, {}).erase()

    details = sorted(Event.objects.filter(kind="erased").values_list("detail", flat=True))
    assert details == ["by a maintainer"] * 4 + ["by itself"] * 2


def test_old_lines_of_the_kinds_that_others_cause_are_forgotten(installation, settings):
    settings.KEEP_DAILY = timedelta(days=10)
    application = Application.objects.get()
    Event.objects.all().delete()
    for kind in Event.Kind:
        for age in (9, 11):
            Event.objects.create(application=application, instance=row(installation), kind=kind, at=NOW - age * DAY)

    assert forget_events(NOW) == "5 lines of history that have had their time are forgotten"
    assert forget_events(NOW) is None

    kept = {event.kind for event in Event.objects.filter(at__lt=NOW - 10 * DAY)}
    assert kept == {"registered", "activated", "revoked", "restored", "excluded", "included", "waiting", "approved"}
    assert Event.objects.filter(at__gt=NOW - 10 * DAY).count() == len(Event.Kind)


def test_forgetting_is_regular_work():
    assert "instances.jobs.forget_events" in [work.function for work in regular_work()]


# What it costs


def test_a_snapshot_of_an_active_instance_with_a_right_clock_asks_nothing_of_the_history(installation):
    with CaptureQueriesContext(connection) as captured:
        assert installation.snapshot({"users": 1}).status_code == 202

    assert not [query["sql"] for query in captured if "instances_event" in query["sql"]]


def test_replaying_reads_decisions_alone(installation):
    row(installation).revoke()
    row(installation).restore()
    installation.register(app_version="2")
    installation.activate()

    application = Application.objects.get()
    assert [event.kind for event in Event.objects.decisions(application)] == ["revoked", "restored"]
    with CaptureQueriesContext(connection) as captured:
        history.at(application, NOW)
    reads = [query["sql"] for query in captured if '"instances_event"' in query["sql"]]
    assert reads
    assert all("'revoked'" in sql and "'included'" in sql and "'changed'" not in sql for sql in reads)


@pytest.mark.parametrize(
    ("kind", "detail"), [("changed", "Version: 1 → 2"), ("conflict", ""), ("activated", ""), ("erased", "by itself")]
)
def test_other_lines_disturb_no_census_of_a_past_time(installation, clock, kind, detail):
    installation.snapshot({"users": 1})
    row(installation).exclude(Instance.Exclusion.MANUAL)
    application = Application.objects.get()
    Event.objects.create(application=application, instance=row(installation), kind=kind, detail=detail)
    clock.shift(timedelta(hours=1))
    row(installation).include()

    [past] = history.at(application, NOW + timedelta(minutes=1)).states
    [(_, replayed)] = history.replay(application, [NOW + timedelta(minutes=1)])
    assert past.exclusion == replayed.states[0].exclusion == "manual"


# What was there before there were these lines


@pytest.mark.django_db(transaction=True)
def test_the_migration_files_what_is_known_of_the_past(transactional_db):
    executor = MigrationExecutor(connection)
    latest = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "instances"]
    everything = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate([("instances", "0004_exclusion")])
        apps = executor.loader.project_state([("instances", "0004_exclusion")]).apps
        application = apps.get_model("instances", "Application").objects.create(slug="ledger", name="Ledger")
        instances = apps.get_model("instances", "Instance").objects
        active = instances.create(application=application, registered_at=NOW - DAY, activated_at=NOW)
        pending = instances.create(application=application, registered_at=NOW)
        apps.get_model("instances", "Event").objects.create(instance=active, at=NOW, kind="excluded", detail="manual")

        executor = MigrationExecutor(connection)
        executor.migrate(latest)

        found = Event.objects.values_list("application__slug", "instance", "at", "kind", "detail")
        assert set(found) == {
            ("ledger", active.pk, NOW - DAY, "registered", ""),
            ("ledger", active.pk, NOW, "activated", ""),
            ("ledger", active.pk, NOW, "excluded", "manual"),
            ("ledger", pending.pk, NOW, "registered", ""),
        }
        executor = MigrationExecutor(connection)
        executor.migrate([("instances", "0004_exclusion")])
        kept = executor.loader.project_state([("instances", "0004_exclusion")]).apps.get_model("instances", "Event")
        assert [event.kind for event in kept.objects.all()] == ["excluded"]
    finally:
        MigrationExecutor(connection).migrate(everything)


# At the same moment


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_first_snapshots_at_once_are_one_activation(no_limits):
    from tests.test_concurrency import at_once

    installation = Installation()
    installation.register()
    snapshots = [lambda age=age: installation.snapshot({}, NOW - timedelta(hours=age)) for age in range(5)]

    answers = at_once(*snapshots, installation.activate, installation.activate)

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len(lines(installation, "activated")) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_conflicts_and_an_erasure_at_once_are_no_error(no_limits):
    from tests.test_concurrency import at_once

    installation = Installation()
    installation.register()
    strangers = [Installation() for _ in range(6)]
    erased = threading.Event()

    def erase():
        Instance.objects.get(pk=installation.id).erase()
        erased.set()

    answers = at_once(*[lambda s=s: s.register(instance_id=installation.id) for s in strangers], erase)

    assert erased.is_set()
    assert {answer.status_code for answer in answers if answer is not None} <= {201, 409}
    assert len(Event.objects.filter(kind="conflict")) <= len(strangers)
