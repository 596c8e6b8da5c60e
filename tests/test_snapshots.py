"""POST /v1/snapshots: several of one instance at once, each judged by itself."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from instances.models import Instance, RateBucket
from metrics.models import Snapshot
from tests.installation import Installation, assert_refused

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def item(hours_ago, metrics=None):
    return {"timestamp": (NOW - HOUR * hours_ago).isoformat(), "metrics": metrics or {"hours_ago": hours_ago}}


def send(installation, snapshots, **changes):
    return installation.post("/v1/snapshots", {"instance_id": installation.id, "snapshots": snapshots, **changes})


def row():
    return Instance.objects.get()


def test_all_are_stored_and_the_newest_is_the_latest_in_whatever_order(installation):
    response = send(installation, [item(2), item(5), item(1), item(3)])

    assert response.status_code == 202
    assert response.json() == {"accepted": 4, "duplicates": 0, "rejected": []}
    stored = Snapshot.objects.order_by("timestamp").values_list("timestamp", "metrics", "app_version")
    assert list(stored) == [(NOW - HOUR * ago, {"hours_ago": ago}, "1.0.0") for ago in (5, 3, 2, 1)]
    assert row().metrics == {"hours_ago": 1}
    assert (row().first_report_at, row().last_report_at) == (NOW - HOUR * 5, NOW - HOUR)
    assert row().last_seen_at == NOW


def test_the_same_body_again_changes_nothing(installation, no_limits):
    send(installation, [item(2), item(1)])
    before = Instance.objects.values().get()

    response = send(installation, [item(2), item(1), item(0)])
    again = send(installation, [item(2), item(1)])

    assert response.json() == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert again.json() == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert row().last_report_at == NOW
    assert before["last_report_at"] == NOW - HOUR
    assert Snapshot.objects.count() == 3


def test_one_that_is_there_twice_is_stored_as_it_came_first(installation):
    response = send(installation, [item(1, {"users": 1}), item(1, {"users": 2})])

    assert response.json() == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert Snapshot.objects.get().metrics == {"users": 1}


def test_one_that_is_refused_keeps_no_other_out(installation):
    old, ahead = item(24 * 8), item(-1)
    response = send(
        installation,
        [item(2), old, 7, {"timestamp": "soon", "metrics": {}}, {**item(1), "metrics": [1]}, ahead, item(0)],
    )

    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert [(refused["index"], refused["code"]) for refused in answer["rejected"]] == [
        (1, "timestamp_out_of_range"),
        (2, "invalid_snapshot"),
        (3, "invalid_timestamp"),
        (4, "invalid_metrics"),
        (5, "timestamp_out_of_range"),
    ]
    assert all(refused["detail"] for refused in answer["rejected"])
    assert row().wrong_clock_at == NOW
    assert Snapshot.objects.count() == 2


def test_a_right_clock_is_not_marked(installation):
    send(installation, [item(1), 7])

    assert row().wrong_clock_at is None


def test_none_at_all_is_fine(installation):
    assert send(installation, []).json() == {"accepted": 0, "duplicates": 0, "rejected": []}
    assert row().last_seen_at is None


def test_it_activates_a_pending_instance():
    installation = Installation()
    installation.register()

    assert send(installation, [item(1)]).status_code == 202
    assert row().state == Instance.State.ACTIVE
    assert row().activated_at == NOW


def test_having_been_away_within_a_batch_is_coming_back(installation):
    row().application.__class__.objects.update(active_days=1)

    send(installation, [item(100), item(60), item(50), item(1)])

    assert row().returned_at == NOW - HOUR


def test_five_hundred_are_taken_and_one_more_is_not(installation, no_limits, django_assert_max_num_queries):
    snapshots = [item(number / 60, {"users": number}) for number in range(501)]

    assert_refused(send(installation, snapshots), 400, "too_many_snapshots")
    assert not Snapshot.objects.exists()
    with django_assert_max_num_queries(20):
        assert send(installation, snapshots[:500]).json()["accepted"] == 500
    assert row().metrics == {"users": 0}


def test_a_body_may_be_a_mebibyte_and_no_more(installation, no_limits):
    fits = [item(number, {"text": "x" * 60_000}) for number in range(17)]
    too_large = [item(number, {"text": "x" * 63_000}) for number in range(17)]
    assert 1_000_000 < len(json.dumps(fits)) < 1024 * 1024 < len(json.dumps(too_large))

    assert send(installation, fits).json()["accepted"] == 17
    assert_refused(send(installation, too_large), 413, "body_too_large")


def test_a_single_snapshot_is_held_to_its_own_bound(installation):
    assert_refused(installation.snapshot({"text": "x" * 70_000}), 413, "body_too_large")


def test_the_body_as_a_whole_is_refused_like_a_single_one(installation, no_limits):
    stranger = Installation()

    assert_refused(send(installation, [], instance_id=stranger.id), 403, "instance_mismatch")
    assert_refused(send(stranger, []), 403, "invalid_signature")
    assert_refused(send(installation, {}), 400, "invalid_snapshots")
    assert_refused(installation.post("/v1/snapshots", {"instance_id": installation.id}), 400, "invalid_snapshots")
    assert_refused(installation.post("/v1/snapshots", [1]), 400, "invalid_snapshot")
    assert_refused(installation.post("/v1/snapshots", b"{"), 400, "invalid_json")
    row().revoke()
    assert_refused(send(installation, [item(1)]), 403, "revoked")
    assert not Snapshot.objects.exists()


def test_it_takes_one_place_under_the_limit(installation):
    responses = [send(installation, [item(number)]) for number in range(3)]

    assert [response.status_code for response in responses] == [202, 202, 429]
    assert responses[0]["X-RateLimit-Remaining"] == "1"
    assert int(responses[2]["Retry-After"]) > 0
    assert Snapshot.objects.count() == 2
    assert RateBucket.objects.filter(arrival__gt=NOW.timestamp()).exists()


def test_what_the_maintainers_let_know_is_told_here_too(installation):
    row().application.__class__.objects.update(latest_version="2.0.0", notice="Upgrade")

    answer = send(installation, [item(1)]).json()

    assert (answer["latest_version"], answer["notice"], answer["accepted"]) == ("2.0.0", "Upgrade", 1)
