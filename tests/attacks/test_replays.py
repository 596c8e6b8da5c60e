"""By whoever has seen signed requests on their way, and holds no key."""

from datetime import timedelta

import pytest
from nacl.signing import SigningKey

from instances.models import Application, Event, Instance, PublicKey, SpentBody
from metrics.models import Snapshot
from tests.attacks.sending import SIGNED, all_of, send, sent_by
from tests.clock import NOW
from tests.installation import Installation, refusal, row

pytestmark = pytest.mark.django_db


def expected_elsewhere(made_for, endpoint):
    """How a body signed for one endpoint is answered by another."""
    if endpoint == "activate":
        return 200, None
    if made_for == "activate":
        return (400, "invalid_snapshot") if endpoint.startswith("snapshot") else (400, "invalid_body")
    if endpoint == "snapshots":
        return 400, "invalid_snapshots"
    if endpoint == "snapshot":
        return 400, "invalid_timestamp" if made_for == "snapshots" else "invalid_metrics"
    return 400, "invalid_action"


@pytest.mark.parametrize("made_for", sorted(SIGNED))
def test_a_body_sent_to_another_endpoint_than_it_was_signed_for(victim, made_for):
    body, headers = sent_by(victim, made_for)
    # A stranger's words, which an activation would confirm.
    victim.register(app_version="6.6.6", environment="hijacked")
    before = all_of(victim)

    for endpoint in sorted(SIGNED - {made_for}):
        response = send(f"/v1/{endpoint}", body, headers)
        status, code = expected_elsewhere(made_for, endpoint)
        assert (response.status_code, response.json().get("code")) == (status, code), endpoint
        assert all_of(victim) == before, endpoint
    assert not SpentBody.objects.exists()


@pytest.mark.parametrize("action", [" forget", "forget ", "Forget", "forget\n", "ｆorget", "forget/", ["forget"], True])
def test_an_action_spelt_otherwise_is_another(victim, action):
    body = {"instance_id": victim.id, "timestamp": NOW.isoformat(), "action": action}

    assert refusal(victim.post("/v1/forget", body)) == (400, "invalid_action")
    assert Instance.objects.filter(pk=victim.id).exists()


@pytest.mark.parametrize(
    "path", ["/v1/Forget", "/V1/forget", "/v1/forget/", "/v1/forget%20", "/v1/./forget", "/v1/forget;a"]
)
def test_an_address_spelt_otherwise_is_none(victim, path):
    body, headers = sent_by(victim, "forget")

    assert send(path, body, headers).status_code == 404
    assert Instance.objects.filter(pk=victim.id).exists()


@pytest.mark.parametrize(
    ("later", "answer"),
    [
        (timedelta(minutes=1), (202, "duplicate")),
        (timedelta(days=6), (202, "duplicate")),
        (timedelta(days=8), (400, "timestamp_out_of_range")),
        (timedelta(days=3653), (400, "timestamp_out_of_range")),
    ],
)
def test_a_snapshot_sent_again_later(victim, clock, later, answer):
    body, headers = sent_by(victim, "snapshot", NOW - timedelta(minutes=5))
    assert send("/v1/snapshot", body, headers).status_code == 202
    heartbeat = row(victim).last_seen_at
    clock.shift(later)
    if later.days > 7:
        Snapshot.objects.all().delete()  # As retention may have done by then.
    stored = Snapshot.objects.count()

    response = send("/v1/snapshot", body, headers)

    said = response.json()
    assert (response.status_code, said.get("code", said.get("status"))) == answer
    assert (row(victim).last_seen_at, Snapshot.objects.count()) == (heartbeat, stored)
    # That it may be the instance itself, with a wrong clock, is all that is noted.
    assert (row(victim).wrong_clock_at is not None) == (response.status_code == 400)


def test_a_snapshot_sent_again_uses_up_the_limit_for_as_long_as_it_goes_on(victim, settings, clock):
    body, headers = sent_by(victim, "snapshot")
    assert send("/v1/snapshot", body, headers).status_code == 202
    settings.RATELIMIT_ENABLED = True

    answers = [send("/v1/snapshot", body, headers).status_code for _ in range(5)]

    # It is held up for as long as somebody goes on with it, and loses nothing: what is refused can be sent later.
    assert answers == [202, 202, 429, 429, 429]
    assert victim.snapshot({"users": 2}).status_code == 429
    clock.shift(timedelta(minutes=1))
    assert victim.snapshot({"users": 2}).status_code == 202


def test_an_activation_sent_again_confirms_a_strangers_words_and_nothing_else(victim, clock):
    # Nothing in an activation tells when it was signed: that none is sent again is not promised.
    Application.objects.create(name="Closed Shop", slug="closed-shop", registration="closed")
    body, headers = sent_by(victim, "activate")
    clock.shift(timedelta(days=3653))
    keys, snapshots = ([*model.objects.order_by("pk").values()] for model in (PublicKey, Snapshot))
    heartbeat = row(victim).last_seen_at

    victim.register(app_name="Closed Shop", app_version="6.6.6", environment="hijacked")  # As anybody can.
    assert send("/v1/activate", body, headers).status_code == 200

    instance = row(victim)
    assert (instance.app_version, instance.environment) == ("6.6.6", "hijacked")
    assert Event.objects.filter(instance=victim.id, kind="changed").count() == 2  # Its maintainers can see it.
    assert (instance.application.slug, instance.refused_by) == ("ledger", "Closed Shop")
    assert instance.last_seen_at == heartbeat
    assert [[*model.objects.order_by("pk").values()] for model in (PublicKey, Snapshot)] == [keys, snapshots]

    # Until the instance starts the next time, when it says what is true.
    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    instance = row(victim)
    assert (instance.app_version, instance.environment, instance.refused_by) == ("1.0.0", "production", "")


def test_an_activation_sent_again_lifts_no_revocation(victim):
    body, headers = sent_by(victim, "activate")
    row(victim).revoke()
    before = all_of(victim)

    assert refusal(send("/v1/activate", body, headers)) == (403, "revoked")
    assert all_of(victim) == before


def test_what_a_stranger_claims_before_a_start_is_gone_with_it(victim):
    victim.register(app_name="Elsewhere", app_version="6.6.6", environment="hijacked")  # As anybody can.
    assert not Application.objects.filter(slug="elsewhere").exists()

    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200

    instance = row(victim)
    assert (instance.application.slug, instance.app_version, instance.environment) == ("ledger", "1.0.0", "production")
    assert instance.claims is None


def test_what_a_stranger_claims_between_its_registration_and_its_activation_holds_until_the_next_start(victim):
    # The registration is unsigned and the activation says nothing, so which words were its own is not promised.
    assert victim.register().status_code == 201
    victim.register(app_version="6.6.6")  # By somebody who knows its id and its key.
    assert victim.activate().status_code == 200
    assert row(victim).app_version == "6.6.6"

    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    assert row(victim).app_version == "1.0.0"


def test_one_that_was_erased_comes_back_with_requests_of_the_last_week_at_most(victim, clock):
    # Its id may register anew, so whoever has its old requests can do that for it. Not promised: that nobody does.
    seen = [sent_by(victim, "snapshot", NOW - timedelta(days=days)) for days in (0, 3, 6)]
    activation, forget = sent_by(victim, "activate"), sent_by(victim, "forget")
    assert send("/v1/forget", *forget).status_code == 200
    clock.shift(timedelta(days=2))

    assert victim.register().status_code == 201
    assert send("/v1/activate", *activation).status_code == 200
    assert [send("/v1/snapshot", *request).status_code for request in seen] == [202, 202, 400]

    assert refusal(send("/v1/forget", *forget)) == (400, "timestamp_out_of_range")
    assert victim.forget().status_code == 200
    assert not Snapshot.objects.exists()


def test_the_holder_of_a_replaced_key_is_a_stranger(victim):
    thief = Installation()
    thief.id, thief.key = victim.id, victim.key
    seen = {endpoint: sent_by(thief, endpoint, NOW) for endpoint in SIGNED}
    new = SigningKey.generate()
    assert victim.rotate(new).status_code == 200
    victim.key = new
    before = all_of(victim)

    for endpoint, (body, headers) in seen.items():
        assert refusal(send(f"/v1/{endpoint}", body, headers)) == (403, "invalid_signature"), endpoint
    assert refusal(thief.rotate(SigningKey.generate())) == (403, "invalid_signature")
    assert refusal(thief.register(app_version="6.6.6")) == (409, "key_conflict")

    after = all_of(victim)
    assert [line for line in after if line.get("kind") != "conflict"] == before
    assert victim.snapshot({"users": 2}).status_code == 202
