"""POST /v1/export: everything that is stored about an instance."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from nacl.signing import SigningKey

from instances.models import Instance
from metrics import querysets
from metrics.models import Snapshot
from tests.clock import NOW
from tests.installation import Installation, row

HOUR = timedelta(hours=1)
KEYS = [
    "instance_id",
    "exported_at",
    "application",
    "state",
    "exclusion",
    "rules_apply",
    "awaits_approval",
    "refused_by",
    "app_version",
    "deployment_mode",
    "environment",
    "os_arch",
    "claims",
    "registered_at",
    "activated_at",
    "revoked_at",
    "excluded_at",
    "first_report_at",
    "last_report_at",
    "last_seen_at",
    "returned_at",
    "wrong_clock_at",
    "latest",
    "keys",
    "events",
    "snapshots",
]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


def text(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


def exported(installation):
    return json.loads(text(installation.export()))


def test_it_is_everything(installation, clock):
    installation.snapshot({"users": 1}, NOW - HOUR)
    installation.snapshot({"users": 2, "db": {"mb": 1.5}}, NOW)
    old, new = installation.public_key, SigningKey.generate()
    clock.shift(1)
    installation.rotate(new)
    installation.key = new
    installation.register(app_version="2.0.0")

    document = exported(installation)

    assert list(document) == KEYS
    assert document["instance_id"] == installation.id
    assert document["exported_at"] == "2026-11-22T09:30:01.000000Z"
    assert document["application"] == {"slug": "ledger", "name": "Ledger"}
    assert (document["state"], document["exclusion"], document["app_version"]) == ("active", "", "1.0.0")
    assert document["claims"]["app_version"] == "2.0.0"
    assert document["registered_at"] == document["activated_at"] == document["last_report_at"]
    assert document["first_report_at"] == "2026-11-22T08:30:00.000000Z"
    assert document["revoked_at"] is document["wrong_clock_at"] is None
    assert document["latest"] == {"app_version": "1.0.0", "metrics": {"users": 2, "db.mb": 1.5}}
    assert document["keys"] == [
        {"public_key": installation.public_key, "created_at": document["exported_at"], "retired_at": None},
        {"public_key": old, "created_at": document["registered_at"], "retired_at": document["exported_at"]},
    ]
    assert [event["kind"] for event in document["events"]] == ["registered", "activated", "rotated"]
    assert document["events"][0] == {
        "at": "2026-11-22T09:30:00.000000Z",
        "kind": "registered",
        "detail": "Version: 1.0.0",
    }
    assert document["snapshots"] == [
        {"timestamp": "2026-11-22T08:30:00.000000Z", "app_version": "1.0.0", "metrics": {"users": 1}},
        {
            "timestamp": "2026-11-22T09:30:00.000000Z",
            "app_version": "1.0.0",
            "metrics": {"users": 2, "db": {"mb": 1.5}},
        },
    ]


def test_its_shape_is_the_same_where_there_is_nothing():
    installation = Installation()
    installation.register()

    document = exported(installation)

    assert list(document) == KEYS
    assert document["snapshots"] == []
    assert document["latest"] == {"app_version": "", "metrics": {}}


def test_no_column_of_an_instance_is_left_out(installation):
    """A column that is added must be added to the export, or said here to be nothing about the instance."""
    named = {"id": "instance_id", "reported_version": "latest", "metrics": "latest"}
    columns = {named.get(field.name, field.name) for field in Instance._meta.concrete_fields}

    assert columns <= set(exported(installation))
    assert {field.name for field in Snapshot._meta.concrete_fields} == {
        "instance",
        "timestamp",
        "app_version",
        "metrics",
    }


def test_metrics_are_the_very_text_that_is_stored(installation):
    sent = '{"big":123456789012345678901234567890,"f":1.0,"e":1e+300,"ä\\n\\"":"🦄","n":null,"deep":{"a":[1,{"b":[]}]}}'
    body = f'{{"instance_id":"{installation.id}","timestamp":"{NOW.isoformat()}","metrics":{sent}}}'
    assert installation.post("/v1/snapshot", body.encode()).status_code == 202

    whole = text(installation.export())

    assert f'"metrics": {sent}' in whole
    [snapshot] = json.loads(whole, parse_float=Decimal)["snapshots"]
    assert snapshot["metrics"]["big"] == 123456789012345678901234567890
    assert list(snapshot["metrics"]) == ["big", "f", "e", 'ä\n"', "n", "deep"]


def test_what_it_says_of_itself_may_be_anything(installation, hostile, clock):
    for value in hostile:
        clock.shift(1)  # Else the second body would be the first one again.
        installation.register(environment=value[:100])
        installation.activate()
        assert exported(installation)["environment"] == row(installation).environment


def test_it_is_json_that_nobody_keeps(installation):
    response = installation.export()

    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response.streaming


def test_nothing_of_another_ones_is_in_it(installation):
    other = Installation("Menagerie", version="9.9.9")
    other.register()
    other.snapshot({"penguins": 7})

    whole = text(installation.export())

    for secret in (other.id, other.public_key, "penguins", "9.9.9", "enagerie"):
        assert secret not in whole


def test_a_revoked_instance_sees_what_is_stored_of_it(installation):
    installation.snapshot({"users": 1})
    row(installation).revoke()

    document = exported(installation)

    assert document["state"] == "revoked"
    assert len(document["snapshots"]) == 1
    assert row(installation).state == Instance.State.REVOKED


def many(installation, count):
    Snapshot.objects.bulk_create(
        Snapshot(instance_id=installation.id, timestamp=NOW - HOUR * number, metrics={"n": number})
        for number in range(1, count + 1)
    )


@pytest.mark.parametrize("count", [1, 4, 5, 6, 10])
def test_each_snapshot_is_in_it_once_and_in_order(installation, monkeypatch, count):
    monkeypatch.setattr(querysets, "BATCH_ROWS", 5)
    many(installation, count)

    numbers = [snapshot["metrics"]["n"] for snapshot in exported(installation)["snapshots"]]
    assert numbers == list(range(count, 0, -1))


def test_it_is_read_as_it_is_sent_a_batch_at_a_time(installation):
    many(installation, 3 * querysets.BATCH_ROWS)
    response = installation.export()
    pieces = iter(response.streaming_content)

    with CaptureQueriesContext(connection) as few:
        for _ in range(querysets.BATCH_ROWS):
            next(pieces)
    with CaptureQueriesContext(connection) as rest:
        list(pieces)

    assert len(few) == 1
    assert len(rest) == 3
    assert all(f"LIMIT {querysets.BATCH_ROWS}" in query["sql"] for query in (*few, *rest))


def test_one_erased_while_it_is_sent_ends_well(installation, monkeypatch):
    monkeypatch.setattr(querysets, "BATCH_ROWS", 2)
    many(installation, 7)
    pieces = iter(installation.export().streaming_content)
    begun = b"".join(next(pieces) for _ in range(3))

    row(installation).erase()

    document = json.loads(begun + b"".join(pieces))
    assert len(document["snapshots"]) == 2


def test_the_number_of_queries_before_the_first_snapshot_is_fixed(installation, django_assert_max_num_queries):
    many(installation, 50)
    for number in range(9):
        Installation().register(instance_id=installation.id)
        installation.register(app_version=str(number))
        installation.activate()

    with django_assert_max_num_queries(12):
        installation.export()
