"""What happens at the same moment: real threads, each with a connection of its own, on PostgreSQL."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from instances.forgetting import forget_pending
from instances.models import Application, Instance, PublicKey, RateBucket
from instances.rates import Rate
from instances.throttling import take
from metrics.models import Snapshot
from tests.installation import Installation, row

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def at_once(*calls):
    """Runs the calls in a thread each, all let go at the same moment. Returns what they returned."""
    barrier = threading.Barrier(len(calls), timeout=30)

    def run(call):
        try:
            barrier.wait()
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until(condition):
    """Until it holds, or for 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def somebody_waits():
    """Whether a transaction waits for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.fixture
def active(no_limits):
    installation = Installation()
    assert installation.register().status_code == 201
    assert installation.activate().status_code == 200
    return installation


def test_twenty_first_registrations_make_one_application(no_limits):
    installations = [Installation("Ledger") for _ in range(20)]

    answers = at_once(*[installation.register for installation in installations])

    assert [answer.status_code for answer in answers] == [201] * 20
    assert Application.objects.count() == 1
    assert Instance.objects.filter(state=Instance.State.PENDING).count() == 20
    assert PublicKey.objects.current().count() == 20


def test_one_instance_registering_ten_times_is_registered_once(no_limits):
    installation = Installation()

    answers = at_once(*[installation.register] * 10)

    assert [answer.status_code for answer in answers] == [201] * 10
    assert Instance.objects.count() == PublicKey.objects.count() == Application.objects.count() == 1


def test_two_keys_that_claim_one_id_are_settled_for_one(no_limits):
    installations = [Installation() for _ in range(10)]
    contested = installations[0].id

    answers = at_once(*[lambda i=installation: i.register(instance_id=contested) for installation in installations])

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
    assert PublicKey.objects.count() == 1
    [winner] = [i for i, answer in zip(installations, answers, strict=True) if answer.status_code == 201]
    assert PublicKey.objects.get().hex == winner.public_key


def test_ten_activations_are_one(active):
    active.register(app_name="Other", app_version="2.0.0")

    answers = at_once(*[active.activate] * 10)

    assert [answer.status_code for answer in answers] == [200] * 10
    assert row(active).claims is None
    assert row(active).application.slug == "other"


def test_ten_times_the_same_snapshot_is_stored_once(active):
    at = datetime.now(UTC)

    answers = at_once(*[lambda: active.snapshot({"users": 1}, at)] * 10)

    assert [answer.status_code for answer in answers] == [202] * 10
    assert Counter(answer.json()["status"] for answer in answers) == {"ok": 1, "duplicate": 9}
    assert Snapshot.objects.count() == 1


def test_snapshots_of_several_times_end_with_the_newest_as_the_latest(active):
    newest = datetime.now(UTC)
    ages = [7, 3, 9, 0, 5, 1, 8, 2, 6, 4]

    answers = at_once(*[lambda age=age: active.snapshot({"age": age}, newest - timedelta(hours=age)) for age in ages])

    assert {answer.json()["status"] for answer in answers} == {"ok"}
    instance = row(active)
    assert instance.metrics == {"age": 0}
    assert (instance.first_report_at, instance.last_report_at) == (newest - timedelta(hours=9), newest)


def test_a_revocation_among_snapshots_and_activations_stands(active):
    now = datetime.now(UTC)
    revoked = row(active)
    active.register(app_version="2.0.0")
    snapshots = [lambda age=age: active.snapshot({"age": age}, now - timedelta(hours=age)) for age in range(6)]

    answers = at_once(*snapshots[:3], revoked.revoke, *snapshots[3:], *[active.activate] * 3)

    assert {answer.status_code for answer in answers if answer is not None} <= {200, 202, 403}
    instance = row(active)
    assert instance.state == Instance.State.REVOKED
    assert instance.revoked_at == revoked.revoked_at
    accepted = [answer for answer in answers if answer is not None and answer.status_code == 202]
    assert Snapshot.objects.count() == len(accepted)


def test_a_pending_instance_revoked_among_its_first_snapshots_stays_revoked(no_limits):
    installation = Installation()
    installation.register()
    now = datetime.now(UTC)
    snapshots = [lambda age=age: installation.snapshot({}, now - timedelta(hours=age)) for age in range(5)]

    at_once(*snapshots, row(installation).revoke)

    assert row(installation).state == Instance.State.REVOKED


def test_an_instance_erased_among_its_requests_is_no_error(active):
    now = datetime.now(UTC)

    def erase():
        with transaction.atomic():
            # Locked first: a snapshot stored between the deletion of the others and the instance's would prevent that.
            Instance.objects.select_for_update().get(pk=active.id).delete()

    snapshots = [lambda age=age: active.snapshot({}, now - timedelta(hours=age)) for age in range(6)]
    wrong_clocks = [lambda: active.snapshot({}, now + timedelta(days=1))] * 2

    answers = at_once(*snapshots, *wrong_clocks, erase, *[active.activate] * 2)

    statuses = {answer.status_code for answer in answers if answer is not None}
    assert statuses <= {200, 202, 400, 403}
    assert not Instance.objects.exists()
    assert not Snapshot.objects.exists()


def test_an_application_forgotten_among_its_first_registrations_is_there_in_the_end(no_limits):
    Application.named("Ledger")
    Application.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    installations = [Installation("Ledger") for _ in range(10)]
    calls = [installation.register for installation in installations]

    def forget():
        forget_pending(datetime.now(UTC))

    answers = at_once(*calls[:5], forget, *calls[5:], forget)

    assert [answer.status_code for answer in answers if answer is not None] == [201] * 10
    assert Application.objects.get().instances.count() == 10


def test_an_instance_that_signs_while_it_is_forgotten_is_wholly_there_or_gone(no_limits):
    installations = [Installation() for _ in range(8)]
    for installation in installations:
        installation.register()
    Instance.objects.update(registered_at=datetime.now(UTC) - timedelta(days=30))

    answers = at_once(*[i.activate for i in installations], lambda: forget_pending(datetime.now(UTC)))

    stayed = {str(instance.pk) for instance in Instance.objects.all()}
    for installation, answer in zip(installations, answers, strict=False):
        assert answer.status_code == (200 if installation.id in stayed else 403)
    assert Instance.objects.filter(state=Instance.State.ACTIVE).count() == len(stayed)


def test_an_instance_that_moves_where_it_is_being_forgotten_arrives(active):
    Application.named("Abacus")
    Application.objects.update(created_at=datetime.now(UTC) - timedelta(days=30))
    active.register(app_name="Abacus")

    [answer, _] = at_once(active.activate, lambda: forget_pending(datetime.now(UTC)))

    assert answer.status_code == 200
    assert row(active).application.slug == "abacus"


def test_two_that_change_places_do_not_wait_for_each_other(no_limits, monkeypatch):
    there, back = Installation("Ledger"), Installation("Abacus")
    for installation in (there, back):
        installation.register()
        installation.activate()
    there.register(app_name="Abacus")
    back.register(app_name="Ledger")
    keep, both = Application.keep, threading.Barrier(2)

    def keep_when_both_are_here(application):
        with suppress(threading.BrokenBarrierError):
            both.wait(1)  # In vain, as the second waits for what the first holds.
        keep(application)

    monkeypatch.setattr(Application, "keep", keep_when_both_are_here)

    assert [answer.status_code for answer in at_once(there.activate, back.activate)] == [200, 200]
    assert (row(there).application.slug, row(back).application.slug) == ("abacus", "ledger")


def test_an_instance_that_registers_while_its_application_is_erased_finds_another(active, monkeypatch):
    newcomer, application = Installation(), row(active).application
    delete = Application.delete
    is_erasing, is_answered = threading.Event(), threading.Event()

    def delete_when_one_has_come(self):
        is_erasing.set()
        wait_until(lambda: is_answered.is_set() or somebody_waits())
        return delete(self)

    def register():
        assert is_erasing.wait(20)
        answer = newcomer.register()
        is_answered.set()
        return answer

    monkeypatch.setattr(Application, "delete", delete_when_one_has_come)

    assert at_once(application.erase, register)[1].status_code == 201
    assert Application.objects.get().pk != application.pk
    assert Instance.objects.get() == row(newcomer)


def test_an_application_is_erased_without_waiting_for_whom_waits_for_it(active, monkeypatch):
    newcomer, application = Installation(), row(active).application
    lock = Application._locked_instances
    is_begun, has_come, is_sought = threading.Event(), threading.Event(), threading.Event()

    def lock_and_let_one_come(self, *, nowait=False):
        if nowait:
            is_sought.set()
            return lock(self, nowait=True)
        list(lock(self).order_by("pk"))
        is_begun.set()
        assert has_come.wait(20)
        return Instance.objects.none()

    def come():
        assert is_begun.wait(20)
        newcomer.register()
        with transaction.atomic():
            Instance.objects.select_for_update().get(pk=newcomer.id)
            has_come.set()
            assert is_sought.wait(20)
            list(Application.objects.select_for_update(no_key=True).filter(pk=application.pk))

    monkeypatch.setattr(Application, "_locked_instances", lock_and_let_one_come)

    at_once(application.erase, come)

    assert not Application.objects.exists()
    assert not Instance.objects.exists()


def test_an_approval_among_first_signatures_lets_it_in(no_limits, settings):
    settings.REGISTRATION = "approval"
    installation = Installation()
    installation.register()
    waiting = row(installation)

    at_once(installation.activate, waiting.approve, lambda: installation.snapshot({"users": 1}))

    assert (row(installation).state, row(installation).awaits_approval) == (Instance.State.ACTIVE, False)


def test_the_bound_on_unconfirmed_applications_is_missed_by_those_that_ask_at_once_at_most(no_limits, settings):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 3
    at_once(*[Installation(f"Application {number}").register for number in range(8)])
    made = Application.objects.count()

    assert 3 <= made <= 8
    assert Installation("One more").register().status_code == 403
    assert Application.objects.count() == made


def test_a_bucket_lets_no_more_through_than_it_holds(db):
    rate = Rate(requests=1, period=timedelta(minutes=1), burst=5)

    verdicts = at_once(*[lambda: take(rate, "somebody", 1000.0)] * 20)

    assert sum(verdict.allowed for verdict in verdicts) == 5
    assert sorted(verdict.remaining for verdict in verdicts if verdict.allowed) == [0, 1, 2, 3, 4]
    assert {verdict.remaining for verdict in verdicts if not verdict.allowed} == {0}
    assert RateBucket.objects.count() == 1
