"""The rules that leave instances out of the count: whom they mean, on the very edges, and what they leave alone."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from instances.jobs import regular_work
from instances.models import Application, Event, Instance
from metrics import exclusion
from metrics.exclusion import apply_rules
from tests.fleet import instance, store

NOW = datetime(2026, 11, 22, 9, 0, 0, 250_000, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPHEMERAL, TEST, MANUAL = Instance.Exclusion.EPHEMERAL, Instance.Exclusion.TEST, Instance.Exclusion.MANUAL

pytestmark = pytest.mark.django_db


def living(application, life, silent, **fields):
    """An instance that reported for a time, and has not since."""
    last = NOW - silent
    return instance(application, {last - life: {}, last: {"users": 1}} if life else {last: {}}, **fields)


def ruled(*instances, at=NOW):
    """What the instances are excluded as once the rules have been applied."""
    with time_machine.travel(at, tick=False):
        apply_rules(at)
    for each in instances:
        each.refresh_from_db()
    return [each.exclusion for each in instances]


def events(instance):
    return list(instance.events.values_list("kind", "detail"))


# Ephemeral


@pytest.mark.parametrize(
    ("life", "silent", "excluded"),
    [
        (timedelta(0), 48 * HOUR, ""),
        (timedelta(0), 48 * HOUR + MICROSECOND, EPHEMERAL),
        (timedelta(0), 400 * DAY, EPHEMERAL),
        (24 * HOUR - MICROSECOND, 48 * HOUR + MICROSECOND, EPHEMERAL),
        (24 * HOUR - MICROSECOND, 48 * HOUR, ""),
        (24 * HOUR, 48 * HOUR + MICROSECOND, ""),
        (24 * HOUR, 400 * DAY, ""),
        (HOUR, HOUR, ""),
    ],
)
def test_ephemeral_is_a_life_under_24_hours_and_a_silence_over_48(ledger, life, silent, excluded):
    assert ruled(living(ledger, life, silent)) == [excluded]


def test_an_exclusion_by_a_rule_is_an_event_and_has_its_time(ledger):
    short = living(ledger, HOUR, 3 * DAY)

    assert ruled(short) == [EPHEMERAL]
    assert short.excluded_at == NOW
    assert events(short) == [("excluded", "ephemeral")]
    assert short.rules_apply


def test_only_active_instances_are_excluded(ledger):
    revoked = living(ledger, HOUR, 3 * DAY, environment="ci")
    revoked.revoke()
    pending = Instance.objects.create(application=ledger, environment="ci")
    unheard = instance(ledger, {}, environment="prod")
    Application.objects.update(test_environments="ci")

    assert ruled(revoked, pending, unheard) == ["", "", ""]


def test_one_that_reports_again_across_24_hours_is_counted_again(ledger):
    short = living(ledger, HOUR, 3 * DAY)
    ruled(short)
    store(short, NOW, {}, NOW)

    assert ruled(short, at=NOW + HOUR) == [""]
    assert short.excluded_at is None
    assert events(short) == [("excluded", "ephemeral"), ("included", "")]
    assert short.rules_apply


@pytest.mark.parametrize(("life", "excluded"), [(24 * HOUR - MICROSECOND, EPHEMERAL), (24 * HOUR, "")])
def test_it_is_counted_again_from_exactly_24_hours_on(ledger, life, excluded):
    short = living(ledger, HOUR, 3 * DAY)
    ruled(short)
    # What it had sent before arrives late.
    store(short, short.last_report_at - life, {}, NOW)

    assert ruled(short, at=NOW + HOUR) == [excluded]


def test_one_that_was_let_go_and_stays_is_never_meant_again(ledger):
    short = living(ledger, HOUR, 3 * DAY)
    ruled(short)
    store(short, NOW, {}, NOW)
    ruled(short, at=NOW + HOUR)

    assert ruled(short, at=NOW + 100 * DAY) == [""]


def test_the_rule_can_be_switched_off_for_an_application(ledger):
    other = Application.objects.create(slug="other", name="Other", excludes_ephemeral=False)
    here, there = living(ledger, HOUR, 3 * DAY), living(other, HOUR, 3 * DAY)

    assert ruled(here, there) == [EPHEMERAL, ""]

    Application.objects.filter(pk=ledger.pk).update(excludes_ephemeral=False)
    assert ruled(here, there) == ["", ""]
    Application.objects.filter(pk=ledger.pk).update(excludes_ephemeral=True)
    assert ruled(here, there) == [EPHEMERAL, ""]


# Test


@pytest.mark.parametrize(
    ("environments", "environment", "excluded"),
    [
        ("test", "test", TEST),
        ("test", "TEST", TEST),
        (" Staging ,\tCi ", "ci", TEST),
        ("test", " test ", TEST),
        ("TÄST", "täst", TEST),
        ("STRASSE", "straße", TEST),
        ("test", "testing", ""),
        ("test", "prod", ""),
        ("test staging", "test", ""),
        ("test", "", ""),
        ("", "", ""),
        (" , ,", "", ""),
        (",test,,", " ", ""),
        ("%", "test", ""),
    ],
)
def test_test_is_an_environment_that_the_application_lists(ledger, environments, environment, excluded):
    ledger.test_environments = environments
    ledger.save()

    assert ruled(living(ledger, DAY, HOUR, environment=environment)) == [excluded]


def test_the_list_is_each_application_s_own(ledger):
    Application.objects.update(test_environments="ci")
    other = Application.objects.create(slug="other", name="Other", test_environments="qa")
    instances = [living(where, DAY, HOUR, environment=name) for where in (ledger, other) for name in ("ci", "qa")]

    assert ruled(*instances) == [TEST, "", "", TEST]


@pytest.mark.parametrize("environments", ["", "qa"])
def test_one_whose_environment_is_no_longer_listed_is_counted_again(ledger, environments):
    Application.objects.update(test_environments="qa, CI")
    one = living(ledger, DAY, HOUR, environment="ci")
    assert ruled(one) == [TEST]

    Application.objects.update(test_environments=environments)
    assert ruled(one) == [""]
    assert events(one) == [("excluded", "test"), ("included", "")]
    assert one.rules_apply


def test_one_that_moves_to_another_environment_is_counted_again(ledger):
    Application.objects.update(test_environments="ci")
    one = living(ledger, DAY, HOUR, environment="ci")
    ruled(one)
    Instance.objects.filter(pk=one.pk).update(environment="prod")

    assert ruled(one) == [""]


# Together


def test_one_that_both_rules_mean_is_a_test_and_then_passes_to_the_other(ledger):
    Application.objects.update(test_environments="ci")
    both = living(ledger, HOUR, 3 * DAY, environment="ci")
    assert ruled(both) == [TEST]

    Application.objects.update(test_environments="")
    assert ruled(both) == [EPHEMERAL]
    assert events(both) == [("excluded", "test"), ("included", ""), ("excluded", "ephemeral")]


def test_one_whose_ephemeral_life_is_over_may_still_be_a_test(ledger):
    both = living(ledger, HOUR, 3 * DAY, environment="ci")
    assert ruled(both) == [EPHEMERAL]

    Application.objects.update(test_environments="ci", excludes_ephemeral=False)
    assert ruled(both) == [TEST]


def test_a_second_time_there_is_nothing_to_do(ledger):
    Application.objects.update(test_environments="ci")
    ruled(living(ledger, HOUR, 3 * DAY), living(ledger, DAY, HOUR, environment="ci"))

    assert apply_rules(NOW) is None
    assert Event.objects.count() == 2


def test_it_says_what_it_has_done(ledger):
    Application.objects.update(test_environments="ci")
    living(ledger, HOUR, 3 * DAY)
    living(ledger, DAY, HOUR, environment="ci")
    living(ledger, DAY, HOUR).exclude(TEST)

    assert apply_rules(NOW) == "1 instances are excluded as ephemeral, 1 as test; 1 are counted again"


# What a person decides


def test_an_exclusion_by_hand_is_never_touched(ledger):
    Application.objects.update(test_environments="ci")
    lasting, short = living(ledger, DAY, HOUR), living(ledger, HOUR, 3 * DAY, environment="ci")
    for each in (lasting, short):
        each.exclude(MANUAL)

    assert ruled(lasting, short) == [MANUAL, MANUAL]
    Application.objects.update(test_environments="", excludes_ephemeral=False)
    assert ruled(lasting, short) == [MANUAL, MANUAL]
    assert all(events(each) == [("excluded", "manual")] for each in (lasting, short))


def test_what_a_person_counts_again_stays_counted(ledger):
    Application.objects.update(test_environments="ci")
    short, test = living(ledger, HOUR, 3 * DAY), living(ledger, DAY, HOUR, environment="ci")
    assert ruled(short, test) == [EPHEMERAL, TEST]
    for each in (short, test):
        each.include()

    assert ruled(short, test, at=NOW + DAY) == ["", ""]
    assert not short.rules_apply


def test_an_exclusion_by_hand_leaves_the_rules_as_they_were(ledger):
    one, other = living(ledger, DAY, HOUR), living(ledger, DAY, HOUR)
    other.include()
    for each in (one, other):
        each.exclude(MANUAL)
        each.refresh_from_db()

    assert (one.rules_apply, other.rules_apply) == (True, False)


def test_the_page_s_and_the_admin_s_own_actions_stick(client, superuser, ledger):
    short, shorter = living(ledger, HOUR, 3 * DAY), living(ledger, timedelta(0), 3 * DAY)
    ruled(short, shorter)
    client.force_login(superuser)

    client.post(reverse("dashboard:instance_action", args=[short.pk, "include"]))
    data = {"action": "include_selected", "_selected_action": [str(shorter.pk)]}
    client.post(reverse("admin:instances_instance_changelist"), data)

    assert ruled(short, shorter) == ["", ""]
    assert not short.rules_apply
    assert not shorter.rules_apply


# At the same time


@pytest.mark.parametrize(
    ("meanwhile", "exclusions"),
    [
        (lambda short: store(short, NOW, {}, NOW), []),
        (lambda short: short.exclude(MANUAL), [MANUAL]),
        (lambda short: (short.exclude(MANUAL), short.include()), [MANUAL]),
        (lambda short: short.revoke(), []),
        (lambda short: short.erase(), []),
        (lambda short: Application.objects.update(excludes_ephemeral=False), []),
        (lambda short: apply_rules(NOW), [EPHEMERAL]),
    ],
    ids=["report", "exclusion", "inclusion", "revocation", "erasure", "switch", "another run"],
)
def test_what_happens_between_finding_and_deciding_is_respected(ledger, monkeypatch, meanwhile, exclusions):
    short = living(ledger, HOUR, 3 * DAY)

    class Interrupted:
        """In place of the module django.db.transaction: something happens before the first transaction."""

        @staticmethod
        def atomic():
            monkeypatch.undo()
            meanwhile(Instance.objects.get(pk=short.pk))
            return transaction.atomic()

    monkeypatch.setattr(exclusion, "transaction", Interrupted)
    apply_rules(NOW)

    assert list(Event.objects.filter(kind="excluded").values_list("detail", flat=True)) == exclusions


def test_the_number_of_queries_does_not_grow_with_a_fleet_that_no_rule_means(ledger):
    Application.objects.update(test_environments="ci")
    counts = []
    for _ in range(2):
        for _ in range(5):
            living(ledger, DAY, HOUR, environment="prod")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            apply_rules(NOW)
        counts.append(len(queries))

    assert counts == [4, 4]


# Where it stands


def test_the_rules_are_applied_before_an_hour_is_closed():
    names = [work.name for work in regular_work()]

    assert names.index("apply_rules") < names.index("close_hours")


def test_a_maintainer_switches_them_in_the_admin(client, superuser, ledger):
    client.force_login(superuser)
    address = reverse("admin:instances_application_change", args=[ledger.pk])
    page = client.get(address).content.decode()
    assert "silent for more than 48" in page
    assert "Separated by commas" in page

    fields = {"name": "Ledger", "active_days": 30, "report_minutes": 60, "test_environments": "ci, qa"}
    assert client.post(address, fields).status_code == 302

    ledger.refresh_from_db()
    assert (ledger.excludes_ephemeral, ledger.test_environments) == (False, "ci, qa")
