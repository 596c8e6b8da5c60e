"""Snapshots filed together: the same rows as one by one, and whatever is no plain case left to the long way."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event as Signal

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from instances.models import Application, Instance, RateBucket
from instances.signers import Signer
from metrics import filing, ingestion
from metrics.fields import dumps
from metrics.flatten import scalars
from metrics.models import Snapshot
from tests import fleet
from tests.installation import Installation
from tests.test_concurrency import at_once

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def application():
    return Application.objects.create(name="Ledger", slug="ledger", active_days=2)


def report(instance, timestamp, metrics):
    signer = Signer(instance.pk, instance.current_key.hex)
    return filing.Report(signer, timestamp, dumps(metrics), dumps(scalars(metrics)))


def file_all(*reports):
    return [receipt.is_new for receipt in filing._file_all(list(reports))]


def row_of(instance):
    # When it arrived is each way's own to say.
    left_out = {"id", "last_seen_at", "registered_at", "activated_at"}
    return {
        name: value
        for name, value in Instance.objects.filter(pk=instance.pk).values().get().items()
        if name not in left_out
    }


def snapshots_of(instance):
    rows = Snapshot.objects.filter(instance=instance).order_by("timestamp")
    return list(rows.values_list("timestamp", "app_version", "metrics"))


METRICS = st.dictionaries(
    st.text("ab\"'\\{}é", max_size=3),
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(-1e15, 1e15)
    | st.text('x"\\\n\u2028🦄', max_size=5)
    | st.dictionaries(st.sampled_from("cd"), st.integers(0, 9), max_size=2),
    max_size=4,
)
REPORTS = st.lists(st.tuples(st.integers(0, 1), st.integers(-120, 0), METRICS), max_size=8)


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REPORTS)
def test_filed_together_the_rows_are_those_of_one_by_one(application, no_limits, reports):
    with transaction.atomic():
        together = [fleet.instance(application, {}, app_version=version) for version in ("1.0", "2.0")]
        alone = [fleet.instance(application, {}, app_version=version) for version in ("1.0", "2.0")]
        for place, hours, metrics in reports:
            timestamp = NOW + HOUR * hours
            (is_new,) = file_all(report(together[place], timestamp, metrics))
            (outcome,) = ingestion.store(alone[place], [ingestion.Sent(timestamp, metrics)], NOW)
            assert is_new == (outcome is ingestion.Outcome.STORED)

        for one, other in zip(together, alone, strict=True):
            assert row_of(one) == row_of(other)
            assert snapshots_of(one) == snapshots_of(other)
        transaction.set_rollback(True)


def test_of_a_group_each_is_told_its_own(application, no_limits):
    known, new, revoked, pending, replaced = (fleet.instance(application, {}) for _ in range(5))
    ingestion.store(known, [ingestion.Sent(NOW, {"users": 1})], NOW)
    revoked.revoke()
    Instance.objects.filter(pk=pending.pk).update(state=Instance.State.PENDING)
    stale = report(replaced, NOW, {})
    replaced.keys.update(hex="ab" * 32)

    told = file_all(
        report(known, NOW, {"users": 2}),
        report(new, NOW, {"users": 3}),
        report(revoked, NOW, {}),
        report(pending, NOW, {}),
        stale,
    )

    assert told == [False, True, None, None, None]
    assert Snapshot.objects.count() == 2
    known.refresh_from_db()
    assert known.metrics == {"users": 1}


def test_the_limit_is_counted_by_the_same_statement(application, settings):
    one, other = (fleet.instance(application, {}) for _ in range(2))
    receipts = [filing._file_all([report(one, NOW + HOUR * place, {})])[0] for place in range(3)]
    both = filing._file_all([report(one, NOW + HOUR * 5, {}), report(other, NOW, {})])

    assert [receipt.is_new for receipt in receipts] == [True, True, None]
    assert [receipt.limit.allowed for receipt in receipts] == [True, True, False]
    assert receipts[0].limit.remaining == 1
    assert receipts[2].limit.retry_after > 50
    assert [(receipt.is_new, receipt.limit.allowed) for receipt in both] == [(None, False), (True, True)]
    assert RateBucket.objects.count() == 2


def test_one_that_is_no_plain_case_is_counted_all_the_same(application):
    pending = fleet.instance(application, {}, state=Instance.State.PENDING)

    (receipt,) = filing._file_all([report(pending, NOW, {})])

    assert receipt.is_new is None
    assert receipt.limit.allowed
    assert RateBucket.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_an_instance_that_somebody_else_holds(application, no_limits):
    held, free = (fleet.instance(application, {}) for _ in range(2))
    reports = [report(held, NOW, {}), report(free, NOW, {})]
    is_held, is_filed = Signal(), Signal()

    def hold():
        with transaction.atomic():
            Instance.objects.select_for_update().get(pk=held.pk)
            is_held.set()
            assert is_filed.wait(20)

    def file():
        assert is_held.wait(20)
        try:
            return file_all(*reports)
        finally:
            is_filed.set()

    assert at_once(hold, file)[1] == [None, True]


@pytest.mark.django_db(transaction=True)
def test_whoever_has_to_wait_files_in_the_end(no_limits):
    installation = Installation()
    installation.register()
    installation.activate()
    is_held = Signal()

    def hold():
        with transaction.atomic():
            Instance.objects.select_for_update().get(pk=installation.id)
            is_held.set()
            # Until the other connection is seen to wait for the row.
            with connection.cursor() as cursor:
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    if cursor.fetchone()[0]:
                        return

    def send():
        assert is_held.wait(20)
        return installation.snapshot({"users": 1}).status_code

    assert at_once(hold, send)[1] == 202
    assert Instance.objects.get().metrics == {"users": 1}


def test_a_lost_database_is_said_to_everybody_and_nothing_is_filed(application, no_limits, monkeypatch):
    instance = fleet.instance(application, {})
    monkeypatch.setattr(filing, "_execute", _lost)

    with pytest.raises(OperationalError):
        filing.file(report(instance, NOW, {}))
    assert not Snapshot.objects.exists()


def _lost(statement, parameters):
    raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.django_db(transaction=True)
def test_many_threads_file_everything_once(no_limits, application):
    fleet_of = [fleet.instance(application, {}) for _ in range(6)]
    reports = [
        report(one, NOW + timedelta(seconds=second), {"second": second}) for second in range(20) for one in fleet_of
    ]
    twice = [*reports, *reversed(reports)]

    def send(share):
        return [filing.file(each).is_new for each in share]

    told = [is_new for share in at_once(*[lambda n=n: send(twice[n::8]) for n in range(8)]) for is_new in share]

    # An instance that another thread's statement of its own holds is nobody's plain case.
    assert told.count(True) == Snapshot.objects.count()
    assert told.count(None) == 0
    assert told.count(True) == 120
    assert told.count(False) == 120
    for one in fleet_of:
        one.refresh_from_db()
        assert one.metrics == {"second": 19}
        assert one.last_report_at == NOW + timedelta(seconds=19)
