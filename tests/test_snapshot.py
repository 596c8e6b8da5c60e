"""POST /v1/snapshot: what is stored, what becomes the latest, and what is refused."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from instances.models import Instance
from metrics.models import Snapshot
from tests.installation import Installation, assert_refused, row

RECEIVED = {"status": "ok", "message": "Snapshot received"}
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def everything():
    return [list(Instance.objects.order_by("pk").values()), list(Snapshot.objects.values())]


def raw(installation, metrics, timestamp="2026-11-22T09:00:00Z"):
    """Sends a snapshot whose metrics are spelt exactly so."""
    return installation.post(
        "/v1/snapshot",
        f'{{"instance_id":"{installation.id}","timestamp":"{timestamp}","metrics":{metrics}}}'.encode(),
    )


# What is stored


def test_it_stores_a_snapshot_and_makes_it_the_latest(clock, installation):
    at = NOW - timedelta(minutes=1)

    response = installation.snapshot({"users": 42, "db": {"size_mb": 1.5}, "plan": "pro", "none": None}, at)

    assert response.status_code == 202
    assert response.json() == RECEIVED
    snapshot = Snapshot.objects.get()
    assert snapshot.instance_id == row(installation).pk
    assert snapshot.timestamp == at
    assert snapshot.app_version == "1.0.0"
    assert snapshot.metrics == {"users": 42, "db": {"size_mb": 1.5}, "plan": "pro", "none": None}
    instance = row(installation)
    assert instance.state == Instance.State.ACTIVE
    assert instance.metrics == {"users": 42, "db.size_mb": 1.5, "plan": "pro"}
    assert (instance.first_report_at, instance.last_report_at, instance.last_seen_at) == (at, at, NOW)
    assert instance.wrong_clock_at is None


def test_a_first_snapshot_activates_a_pending_instance(clock):
    installation = Installation()
    installation.register()

    assert installation.snapshot({}).status_code == 202
    assert row(installation).state == Instance.State.ACTIVE
    assert row(installation).activated_at == NOW


def test_a_later_one_leaves_the_activation_as_it_was(clock, installation):
    clock.move_to(NOW + timedelta(hours=1))

    assert installation.snapshot({}).status_code == 202
    assert row(installation).activated_at == NOW


@pytest.mark.parametrize(
    "metrics",
    [
        "{}",
        '{"z":1,"a":2,"m":{"y":1,"b":2}}',
        '{"big":9007199254740993,"bigger":123456789012345678901234567890,"negative":-9223372036854775809}',
        '{"ratio":0.125,"tiny":5e-324,"huge":1.7976931348623157e+308,"tenth":0.1,"whole":1.0}',
        '{"list":[1,[2,[3,[]]],{"a":null}],"t":true,"f":false,"n":null,"e":{}}',
        '{"é😀":"pro <b>&</b> é 😀","key with.dots":-7,"":"empty","\\"":"\\\\u0000"}',
        '{"a.b":1,"a":{"b":2}}',
        '{"users":"many"}',
    ],
)
def test_it_stores_exactly_what_was_sent(clock, installation, metrics):
    assert raw(installation, metrics).status_code == 202

    stored = Snapshot.objects.get().metrics
    # Spelt alike, so that the order of keys and the kinds of numbers are compared as well.
    assert json.dumps(stored, ensure_ascii=False, separators=(",", ":")) == metrics


def test_the_latest_metrics_keep_big_integers_exact(clock, installation):
    raw(installation, '{"big":9007199254740993,"bigger":123456789012345678901234567890,"ratio":0.1}')

    assert row(installation).metrics == {
        "big": 9007199254740993,
        "bigger": 123456789012345678901234567890,
        "ratio": 0.1,
    }


def test_the_latest_metrics_hold_the_whole_range_of_doubles(clock, installation):
    raw(installation, '{"huge":1.7976931348623157e308,"tiny":5e-324,"power":1e23}')

    assert {path: float(value) for path, value in row(installation).metrics.items()} == {
        "huge": 1.7976931348623157e308,
        "tiny": 5e-324,
        "power": 1e23,
    }


def test_null_metrics_are_an_empty_object(clock, installation):
    assert raw(installation, "null").status_code == 202
    assert Snapshot.objects.get().metrics == {}
    assert row(installation).metrics == {}


def test_a_lone_surrogate_is_stored_as_a_replacement_character(clock, installation):
    assert raw(installation, '{"lone":"a\\ud800b","pair":"\\ud83d\\ude00","\\udfff":1}').status_code == 202
    assert Snapshot.objects.get().metrics == {"lone": "a\ufffdb", "pair": "😀", "\ufffd": 1}


def test_fields_it_does_not_know_are_ignored(clock, installation):
    assert installation.snapshot({"users": 1}, app_version="9.9.9", extra=[1]).status_code == 202
    assert Snapshot.objects.get().app_version == row(installation).app_version == "1.0.0"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-11-22T08:56:17Z", (17, 0)),
        ("2026-11-22T08:56:17.4Z", (17, 400_000)),
        ("2026-11-22T08:56:17.400181551Z", (17, 400_181)),
        ("2026-11-22t10:26:17.999999999+01:30", (17, 999_999)),
    ],
)
def test_it_stores_the_time_in_utc_to_the_microsecond(clock, installation, text, stored):
    assert raw(installation, "{}", text).status_code == 202
    assert Snapshot.objects.get().timestamp == datetime(2026, 11, 22, 8, 56, *stored, UTC)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_it_reads_the_body_as_json_whatever_its_content_type(clock, installation, content_type):
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "metrics": {"a": 1}}).encode()

    response = installation.client.post(
        "/v1/snapshot",
        body,
        content_type=content_type,
        headers={"X-Instance-ID": installation.id, "X-Signature": installation.sign(body), "Accept": "text/html"},
    )

    assert response.status_code == 202
    assert response.json() == RECEIVED
    assert Snapshot.objects.get().metrics == {"a": 1}


def test_the_log_agent_names_itself_in_the_body_alone(clock, installation):
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "metrics": {"a": 1}}

    assert installation.post("/v1/snapshot", body, X_Instance_ID=None).status_code == 202
    assert Snapshot.objects.get().instance_id == row(installation).pk


def test_the_bodys_id_may_be_upper_case(clock, installation):
    assert installation.snapshot({}, instance_id=installation.id.upper()).status_code == 202


def test_storing_takes_few_queries(clock, installation, django_assert_max_num_queries):
    # SQLite: the key with its instance, the limit, the instance once more under a lock, whether the snapshot is there,
    # the insert and the update, and the savepoint that a test puts around those four. PostgreSQL: one of them all.
    with django_assert_max_num_queries(8 if connection.vendor == "sqlite" else 1):
        assert installation.snapshot({"users": 1}).status_code == 202


# Again, and out of order


def test_the_same_one_again_changes_nothing(clock, installation):
    installation.snapshot({"users": 1}, NOW)
    before = everything()
    clock.move_to(NOW + timedelta(minutes=30))

    response = installation.snapshot({"users": 1}, NOW)

    assert response.status_code == 202
    assert response.json()["status"] == "duplicate"
    assert everything() == before


def test_other_metrics_at_the_same_time_change_nothing_either(clock, installation):
    installation.snapshot({"users": 1}, NOW)
    before = everything()
    clock.move_to(NOW + timedelta(minutes=30))

    response = installation.snapshot({"users": 999, "more": 1}, "2026-11-22T10:00:00.000000+01:00")

    assert response.status_code == 202
    assert response.json()["status"] == "duplicate"
    assert everything() == before


def test_two_instances_may_report_at_the_same_time(clock, installation):
    other = Installation()
    other.register()

    assert installation.snapshot({"users": 1}, NOW).json() == RECEIVED
    assert other.snapshot({"users": 2}, NOW).json() == RECEIVED
    assert row(installation).metrics == {"users": 1}
    assert row(other).metrics == {"users": 2}


def test_an_older_one_is_stored_in_its_place_and_is_not_the_latest(clock, installation):
    installation.snapshot({"users": 2}, NOW)
    clock.move_to(NOW + timedelta(minutes=1))

    response = installation.snapshot({"users": 1}, NOW - timedelta(days=2))

    assert response.json() == RECEIVED
    assert [snapshot.metrics["users"] for snapshot in Snapshot.objects.order_by("timestamp")] == [1, 2]
    instance = row(installation)
    assert instance.metrics == {"users": 2}
    assert (instance.first_report_at, instance.last_report_at) == (NOW - timedelta(days=2), NOW)
    assert instance.last_seen_at == NOW + timedelta(minutes=1)


def test_a_newer_one_becomes_the_latest_whole(clock, installation):
    installation.snapshot({"users": 1, "gone": 1}, NOW - timedelta(hours=1))
    installation.snapshot({"users": 2}, NOW)

    instance = row(installation)
    assert instance.metrics == {"users": 2}
    assert (instance.first_report_at, instance.last_report_at) == (NOW - timedelta(hours=1), NOW)


def test_one_between_two_moves_neither_end(clock, installation):
    for users, hours in ((1, 4), (3, 0), (2, 2)):
        installation.snapshot({"users": users}, NOW - timedelta(hours=hours))

    instance = row(installation)
    assert instance.metrics == {"users": 3}
    assert (instance.first_report_at, instance.last_report_at) == (NOW - timedelta(hours=4), NOW)


# The clock


@pytest.mark.parametrize(
    "at", [NOW + timedelta(minutes=5), NOW - timedelta(days=7), NOW - timedelta(days=7) + timedelta(microseconds=1)]
)
def test_the_bounds_of_the_clock_are_inside(clock, installation, at):
    assert installation.snapshot({}, at).status_code == 202
    assert row(installation).wrong_clock_at is None
    assert row(installation).last_report_at == at


@pytest.mark.parametrize(
    "at",
    [
        NOW + timedelta(minutes=5, microseconds=1),
        NOW - timedelta(days=7, microseconds=1),
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ],
)
def test_beyond_them_nothing_is_stored_and_the_clock_is_marked(clock, installation, at):
    response = installation.snapshot({"users": 1}, at)

    assert_refused(response, 400, "timestamp_out_of_range")
    assert response.json()["server_time"] == "2026-11-22T09:00:00.000000Z"
    assert not Snapshot.objects.exists()
    instance = row(installation)
    assert instance.wrong_clock_at == NOW
    assert instance.metrics == {}
    assert instance.last_seen_at is instance.last_report_at is instance.first_report_at is None


def test_a_wrong_clock_does_not_activate(clock):
    installation = Installation()
    installation.register()

    installation.snapshot({}, NOW + timedelta(days=1))

    assert row(installation).state == Instance.State.PENDING


@pytest.mark.parametrize(
    ("window", "words"),
    [(timedelta(days=7), "7 days"), (timedelta(hours=12), "12 hours"), (timedelta(minutes=90), "90 minutes")],
)
def test_the_refusal_says_how_old_a_snapshot_may_be(clock, installation, settings, window, words):
    settings.ACCEPTANCE_WINDOW = window

    assert f"more than {words} behind" in installation.snapshot({}, NOW - timedelta(days=30)).json()["detail"]


def test_an_instance_erased_at_the_same_moment_stays_erased(installation):
    erased = row(installation)
    Instance.objects.all().delete()

    erased.mark_wrong_clock()

    assert not Instance.objects.exists()


# Refusals


def test_another_instances_id_in_the_body_writes_nothing_for_either(clock, installation):
    other = Installation()
    other.register()
    before = everything()

    assert_refused(installation.snapshot({"users": 1}, instance_id=other.id), 403, "instance_mismatch")
    assert_refused(other.snapshot({"users": 1}, instance_id=installation.id), 403, "instance_mismatch")
    assert everything() == before


@pytest.mark.parametrize("claimed", ["not-a-uuid", "", 7, [], {}])
def test_what_is_no_id_is_a_mismatch(clock, installation, claimed):
    assert_refused(installation.snapshot({}, instance_id=claimed), 403, "instance_mismatch")
    assert not Snapshot.objects.exists()


def test_a_mismatch_does_not_mark_the_clock(clock, installation):
    installation.snapshot({}, NOW + timedelta(days=1), instance_id=Installation().id)

    assert row(installation).wrong_clock_at is None


def test_a_revoked_instance_stores_nothing(clock, installation):
    row(installation).revoke()
    before = everything()

    assert_refused(installation.snapshot({"users": 1}), 403, "revoked")
    assert everything() == before


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"7", b'"x"', b"{}", b'{"timestamp":"2026-11-22T09:00:00Z","metrics":{}}']
)
def test_a_body_without_an_instance_is_refused(clock, installation, body):
    assert_refused(installation.post("/v1/snapshot", body), 400, "invalid_snapshot")


@pytest.mark.parametrize(
    "timestamp", [None, 1795337777, "now", "2026-11-22T09:00:00", "2026-11-22T23:59:60Z", "٢٠٢٦-11-22T09:00:00Z"]
)
def test_what_is_no_time_is_refused(clock, installation, timestamp):
    assert_refused(
        installation.post("/v1/snapshot", {"instance_id": installation.id, "timestamp": timestamp, "metrics": {}}),
        400,
        "invalid_timestamp",
    )
    assert row(installation).wrong_clock_at is None


def test_a_missing_time_is_refused(clock, installation):
    assert_refused(
        installation.post("/v1/snapshot", {"instance_id": installation.id, "metrics": {}}), 400, "invalid_timestamp"
    )


@pytest.mark.parametrize("metrics", ["[]", '"x"', "7", "true"])
def test_metrics_that_are_no_object_are_refused(clock, installation, metrics):
    assert_refused(raw(installation, metrics), 400, "invalid_metrics")
    assert not Snapshot.objects.exists()


def test_missing_metrics_are_refused(clock, installation):
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat()}

    assert_refused(installation.post("/v1/snapshot", body), 400, "invalid_metrics")


@pytest.mark.parametrize(
    ("metrics", "code"),
    [
        ('{"a":NaN}', "invalid_number"),
        ('{"a":-Infinity}', "invalid_number"),
        ('{"a":1e400}', "invalid_number"),
        ('{"a":' + "9" * 310 + "}", "invalid_number"),
        ('{"a":"\\u0000"}', "nul_character"),
        ('{"\\u0000":1}', "nul_character"),
        ('{"a":1,"a":1}', "duplicate_key"),
        ('{"a":{"b":1,"b":2}}', "duplicate_key"),
        ('{"a":' + "[" * 63 + "]" * 63 + "}", "too_deep"),
        ('{"a":1', "invalid_json"),
    ],
)
def test_what_cannot_be_held_is_refused_by_name(clock, installation, metrics, code):
    assert_refused(raw(installation, metrics), 400, code)
    assert not Snapshot.objects.exists()
    assert row(installation).last_seen_at is None


def test_invalid_utf8_is_refused_by_name(clock, installation):
    assert_refused(installation.post("/v1/snapshot", b'{"instance_id":"\xff"}'), 400, "invalid_utf8")


def test_it_stores_64_levels(clock, installation):
    # The body and its metrics are two of them.
    deep = '{"a":' + "[" * 62 + "1" + "]" * 62 + "}"

    assert raw(installation, deep).status_code == 202
    assert json.dumps(Snapshot.objects.get().metrics, separators=(",", ":")) == deep


def test_it_stores_as_much_as_a_body_may_hold(clock, installation, settings):
    metrics = {f"key_{number}": 1e308 for number in range(3200)}

    assert installation.snapshot(metrics).status_code == 202
    assert Snapshot.objects.get().metrics == metrics
    assert {float(value) for value in row(installation).metrics.values()} == {1e308}


def test_a_snapshot_over_the_limit_is_refused(clock, installation, settings):
    assert_refused(installation.snapshot({"a": "x" * settings.MAX_BODY_BYTES}), 413, "body_too_large")
    assert not Snapshot.objects.exists()


def test_a_revocation_at_the_same_moment_is_not_overwritten(clock, installation, monkeypatch):
    from metrics import views

    def revoke_meanwhile(timestamp, now, oldest):
        row(installation).revoke()

    # The last thing that happens between the check of the signature and the writing.
    monkeypatch.setattr(views, "check_timestamp", revoke_meanwhile)

    assert_refused(installation.snapshot({"users": 1}), 403, "revoked")
    assert not Snapshot.objects.exists()
    assert row(installation).state == Instance.State.REVOKED
    assert row(installation).last_seen_at is None


def test_a_time_of_now_is_taken_with_a_real_clock(installation):
    before = timezone.now()

    assert installation.snapshot({"users": 1}).status_code == 202
    assert before <= row(installation).last_seen_at <= timezone.now()
