"""What rotate, export and forget have in common: who may ask, when, how often, and that each body is accepted once."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from nacl.signing import SigningKey

from instances.jobs import regular_work, sweep_spent_bodies
from instances.models import Instance, PublicKey, RateBucket, SpentBody
from instances.rates import Rate
from metrics.models import Snapshot
from tests.clock import NOW
from tests.installation import Installation, refusal
from tests.test_concurrency import at_once

ACTIONS = ["rotate", "export", "forget"]
TOLERANCE = timedelta(minutes=5)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


def ask(installation, action, **changes):
    if action == "rotate":
        return installation.rotate(SigningKey.generate(), **changes)
    return installation.action(action, **changes)


def everything():
    models = (Instance, PublicKey, Snapshot, SpentBody)
    return [list(model.objects.order_by("pk").values()) for model in models]


def spend(body):
    """What the server keeps of a body that it has accepted."""
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_pending_instance_may_ask_too(action):
    installation = Installation()
    installation.register()

    assert ask(installation, action).status_code == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_ids_may_be_upper_case_and_the_header_may_be_left_out(installation, action):
    assert ask(installation, action, instance_id=installation.id.upper()).status_code == 200


def test_the_body_alone_may_name_who_signs(installation):
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "forget"}

    assert installation.post("/v1/forget", body, X_Instance_ID=None).status_code == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_another_ones_signature_does_nothing(installation, action):
    stranger = Installation()
    stranger.register()
    before = everything()
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": action}

    unsigned = installation.post(f"/v1/{action}", body, X_Signature=None)
    forged = stranger.post(f"/v1/{action}", body, X_Instance_ID=installation.id)

    assert refusal(unsigned) == (401, "missing_credentials")
    assert refusal(forged) == (403, "invalid_signature")
    assert everything() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_body_names_the_instance_that_signs(installation, action):
    other = Installation()
    other.register()
    before = everything()

    for claimed in (other.id, "not-a-uuid", 7, []):
        assert refusal(ask(installation, action, instance_id=claimed)) == (403, "instance_mismatch")
    assert everything() == before


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b"{}", b'{"instance_id":null}'])
def test_what_is_no_such_object_is_refused(installation, action, body):
    response = installation.post(f"/v1/{action}", body)

    assert refusal(response) in [(400, "invalid_body"), (400, "invalid_json")]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("said", [None, "", "FORGET", "activate", 7, ["forget"]])
def test_a_body_says_what_it_is_for(installation, action, said):
    before = everything()
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat()}

    for sent in (body, {**body, "action": said}):
        assert refusal(installation.post(f"/v1/{action}", sent)) == (400, "invalid_action")
    assert everything() == before


def test_a_body_for_one_action_does_nothing_at_another(installation):
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "export"}).encode()

    assert refusal(installation.post("/v1/forget", body)) == (400, "invalid_action")
    assert Instance.objects.exists()


def test_a_snapshot_is_no_action(installation):
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "metrics": {}}).encode()

    assert refusal(installation.post("/v1/forget", body)) == (400, "invalid_action")


# The time


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("off", [TOLERANCE, -TOLERANCE])
def test_five_minutes_off_are_allowed(installation, action, off):
    assert ask(installation, action, at=NOW + off).status_code == 200


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("off", "words"),
    [
        (TOLERANCE + timedelta(microseconds=1), "more than 5 minutes ahead of"),
        (-TOLERANCE - timedelta(microseconds=1), "more than 5 minutes behind"),
        (timedelta(days=365), "more than 5 minutes ahead of"),
    ],
)
def test_more_is_not_and_the_answer_says_what_time_it_is(installation, action, off, words):
    before = everything()

    response = ask(installation, action, at=NOW + off)

    assert refusal(response) == (400, "timestamp_out_of_range")
    assert response.json()["server_time"] == "2026-11-22T09:30:00.000000Z"
    assert words in response.json()["detail"]
    # Anybody can send an old body again, so the instance's clock is not taken for a wrong one.
    assert everything() == before


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("timestamp", [None, 1795337777, "now", "2026-11-22T09:30:00"])
def test_what_is_no_time_is_refused(installation, action, timestamp):
    body = {"instance_id": installation.id, "timestamp": timestamp, "action": action}

    assert refusal(installation.post(f"/v1/{action}", body)) == (400, "invalid_timestamp")


# Once


def test_a_body_is_accepted_once(installation):
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "export"}).encode()
    assert installation.post("/v1/export", body).status_code == 200

    assert refusal(installation.post("/v1/export", body)) == (409, "replayed")
    assert refusal(installation.post("/v1/export", body, X_Instance_ID=None)) == (409, "replayed")
    assert installation.post("/v1/export", body + b" ").status_code == 200  # Another one, which took a signature.


def test_a_body_that_was_refused_is_not_spent(installation):
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "rotate", "proof": "0" * 128}
    assert installation.post("/v1/rotate", {**body, "public_key": installation.public_key}).status_code == 403

    assert not SpentBody.objects.exists()


def test_a_spent_body_stays_spent_when_the_instance_is_erased_and_registers_anew(installation):
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "forget"}).encode()
    assert installation.post("/v1/forget", body).status_code == 200
    assert refusal(installation.post("/v1/forget", body)) == (403, "invalid_signature")
    assert installation.register().status_code == 201

    assert refusal(installation.post("/v1/forget", body)) == (409, "replayed")
    assert Instance.objects.filter(pk=installation.id).exists()


def test_it_is_kept_until_its_time_would_be_refused_and_then_swept(installation, clock):
    at = NOW + TOLERANCE
    body = json.dumps({"instance_id": installation.id, "timestamp": at.isoformat(), "action": "export"}).encode()
    assert installation.post("/v1/export", body).status_code == 200
    assert SpentBody.objects.get().digest == spend(body)

    clock.move_to(at + TOLERANCE)  # The last moment at which the timestamp passes.
    assert sweep_spent_bodies(datetime.now(UTC)) is None
    assert refusal(installation.post("/v1/export", body)) == (409, "replayed")
    clock.shift(timedelta(seconds=1))
    assert refusal(installation.post("/v1/export", body)) == (400, "timestamp_out_of_range")
    clock.shift(TOLERANCE)

    assert sweep_spent_bodies(datetime.now(UTC)) == "1 signed bodies that are too old to be sent again are forgotten"
    assert not SpentBody.objects.exists()


def test_sweeping_is_regular_work():
    assert "instances.jobs.sweep_spent_bodies" in [work.function for work in regular_work()]


# How often


def test_actions_are_limited_together_and_apart_from_snapshots(installation, settings):
    settings.RATELIMIT_ENABLED = True
    settings.RATELIMITS = {**settings.RATELIMITS, "action": Rate(requests=2, period=timedelta(hours=1), burst=2)}

    first, second, third = (ask(installation, "export", extra=number) for number in range(3))

    assert (first.status_code, second.status_code) == (200, 200)
    assert (first["X-RateLimit-Limit"], first["X-RateLimit-Remaining"]) == ("2", "1")
    assert refusal(third) == (429, "rate_limited")
    assert third["Retry-After"] == "1800"
    assert refusal(ask(installation, "forget")) == (429, "rate_limited")
    assert installation.snapshot({}).status_code == 202


def test_nobody_uses_up_another_ones_share(installation, settings):
    settings.RATELIMIT_ENABLED = True
    settings.RATELIMITS = {**settings.RATELIMITS, "action": Rate(requests=1, period=timedelta(hours=1), burst=1)}
    stranger = Installation()
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "export"}

    for _ in range(3):
        assert stranger.post("/v1/export", body, X_Instance_ID=installation.id).status_code == 403
    assert not RateBucket.objects.filter(arrival__gt=NOW.timestamp() + 3000).exists()
    assert ask(installation, "export").status_code == 200


# At the same moment


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["export", "forget"])
def test_the_same_body_ten_times_at_once_is_accepted_once(no_limits, action):
    installation = Installation()
    installation.register()
    body = json.dumps({"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": action}).encode()

    answers = at_once(*[lambda: installation.post(f"/v1/{action}", body)] * 10)

    codes = [answer.status_code for answer in answers]
    assert codes.count(200) == 1
    # Who came when the instance was gone is unknown; who came before was told what the body is.
    assert set(codes) <= ({200, 409} if action == "export" else {200, 409, 403})
    assert SpentBody.objects.count() == 1
