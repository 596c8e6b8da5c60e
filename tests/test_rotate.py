"""POST /v1/rotate: a new key in place of the current one."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from nacl.signing import SigningKey

from instances.models import Event, Instance, PublicKey
from instances.models import instances as models
from tests.clock import NOW
from tests.installation import Installation, refusal
from tests.test_concurrency import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


def hex_of(key):
    return key.verify_key.encode().hex()


def keys(installation):
    return list(PublicKey.objects.filter(instance=installation.id).order_by("pk").values_list("hex", "retired_at"))


def test_the_new_key_takes_the_place_of_the_old_one(installation, clock):
    old, new = installation.key, SigningKey.generate()
    clock.shift(60)

    response = installation.rotate(new)

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "message": "Key rotated"}
    assert keys(installation) == [(hex_of(old), NOW + timedelta(minutes=1)), (hex_of(new), None)]
    assert refusal(installation.snapshot({})) == (403, "invalid_signature")
    assert refusal(installation.export()) == (403, "invalid_signature")
    installation.key = new
    assert installation.snapshot({}).status_code == 202
    assert installation.activate().status_code == 200


def test_registering_asks_for_the_new_key(installation):
    old, installation.key = installation.key, SigningKey.generate()
    installation.key, new = old, installation.key
    assert installation.rotate(new).status_code == 200

    assert refusal(installation.register()) == (409, "key_conflict")
    installation.key = new
    assert installation.register().status_code == 201


def test_it_is_filed_by_fingerprint(installation):
    new = SigningKey.generate()
    old = PublicKey(hex=installation.public_key)
    installation.rotate(new)

    event = Event.objects.get(kind="rotated")
    assert event.detail == f"{PublicKey(hex=hex_of(new)).fingerprint}, in place of {old.fingerprint}"


def test_hex_may_be_upper_case_as_long_as_the_proof_is_of_what_was_sent(installation):
    new = SigningKey.generate()

    assert (
        installation.rotate(new, public_key=hex_of(new).upper(), instance_id=installation.id.upper()).status_code == 200
    )

    assert keys(installation)[-1] == (hex_of(new), None)
    installation.key = new
    assert installation.register().status_code == 201


def test_a_proof_of_other_letters_than_were_sent_proves_nothing(installation):
    new = SigningKey.generate()
    at = NOW.isoformat()
    message = f"shm-rotate:{installation.id}:{at}:{hex_of(new)}".encode()

    response = installation.rotate(new, at, public_key=hex_of(new).upper(), proof=new.sign(message).signature.hex())

    assert refusal(response) == (403, "invalid_proof")


def proof(key, *parts):
    return key.sign(":".join(parts).encode()).signature.hex()


def test_a_proof_is_the_new_keys_over_these_very_parts(installation):
    new, other, at = SigningKey.generate(), SigningKey.generate(), NOW.isoformat()
    good = ("shm-rotate", installation.id, at, hex_of(new))
    bad = [
        proof(other, *good),
        proof(installation.key, *good),  # Signed by the old one: nobody has shown to hold the new one.
        proof(new, "shm-rotate", Installation().id, at, hex_of(new)),
        proof(new, "shm-rotate", installation.id, (NOW + timedelta(seconds=1)).isoformat(), hex_of(new)),
        proof(new, "shm-rotate", installation.id, at, hex_of(other)),
        proof(new, "rotate", installation.id, at, hex_of(new)),
        proof(new, *good)[:-2],
        proof(new, *good) + "00",
        "zz" * 64,
        "é" * 128,
        "",
        None,
        7,
        [],
        {},
    ]

    for sent in bad:
        assert refusal(installation.rotate(new, at, proof=sent)) == (403, "invalid_proof"), sent
    assert keys(installation) == [(installation.public_key, None)]
    assert installation.rotate(new, at, proof=proof(new, *good).upper()).status_code == 200


@pytest.mark.parametrize(
    "key", [None, 7, "", "ab" * 31, "zz" * 32, "00" * 32, "01" + "00" * 31, "é" * 64, [], "ff" * 32]
)
def test_what_is_no_good_key_is_refused(installation, key):
    assert refusal(installation.rotate(SigningKey.generate(), public_key=key)) == (400, "invalid_public_key")
    assert keys(installation) == [(installation.public_key, None)]


def test_a_missing_key_is_refused(installation):
    body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "action": "rotate"}

    assert refusal(installation.post("/v1/rotate", body)) == (400, "invalid_public_key")


def test_the_current_key_is_no_new_one(installation):
    assert refusal(installation.rotate(installation.key)) == (409, "key_conflict")
    assert keys(installation) == [(installation.public_key, None)]


def test_a_retired_key_does_not_come_back(installation):
    first, second = installation.key, SigningKey.generate()
    installation.rotate(second)
    installation.key = second

    assert refusal(installation.rotate(first)) == (409, "key_conflict")
    assert refusal(installation.rotate(first, public_key=hex_of(first).upper())) == (409, "key_conflict")
    assert keys(installation)[-1] == (hex_of(second), None)
    with pytest.raises(IntegrityError), transaction.atomic():
        PublicKey.objects.create(instance_id=installation.id, hex=hex_of(first), retired_at=NOW)


def test_a_client_whose_answer_was_lost_finds_out_by_signing_with_the_new_key(installation):
    new = SigningKey.generate()
    at = NOW.isoformat()
    assert installation.rotate(new, at).status_code == 200

    assert refusal(installation.rotate(new, at)) == (403, "invalid_signature")
    installation.key = new
    assert installation.activate().status_code == 200


def test_a_revoked_instance_gets_no_new_key(installation):
    Instance.objects.get(pk=installation.id).revoke()

    assert refusal(installation.rotate(SigningKey.generate())) == (403, "revoked")
    assert keys(installation) == [(installation.public_key, None)]


def test_one_revoked_or_erased_at_this_moment_gets_none_either(installation, monkeypatch):
    from instances import actions

    def meanwhile(do):
        def spend(body, expires_at):
            do(Instance.objects.get(pk=installation.id))

        monkeypatch.setattr(actions.SpentBody, "spend", spend)

    meanwhile(Instance.revoke)
    assert refusal(installation.rotate(SigningKey.generate())) == (403, "revoked")
    Instance.objects.get(pk=installation.id).restore()
    meanwhile(Instance.erase)
    assert refusal(installation.rotate(SigningKey.generate())) == (403, "invalid_signature")


def test_of_many_old_keys_the_oldest_are_forgotten(installation, monkeypatch, clock):
    monkeypatch.setattr(models, "RETIRED_KEYS_KEPT", 3)
    had = [installation.public_key]
    for _ in range(6):
        clock.shift(1)
        new = SigningKey.generate()
        assert installation.rotate(new).status_code == 200
        installation.key = new
        had.append(hex_of(new))

    assert [key for key, _ in keys(installation)] == had[-4:]
    assert [retired is None for _, retired in keys(installation)] == [False, False, False, True]


def test_it_takes_a_bounded_number_of_queries(installation, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        assert installation.rotate(SigningKey.generate()).status_code == 200


# At the same moment


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_rotations_at_once_one_wins_and_the_others_are_refused(no_limits):
    installation = Installation()
    installation.register()
    new = [SigningKey.generate() for _ in range(8)]

    answers = at_once(*[lambda key=key: installation.rotate(key) for key in new])

    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"invalid_signature"}
    [winner] = [key for key, answer in zip(new, answers, strict=True) if answer.status_code == 200]
    assert [key for key, retired_at in keys(installation) if retired_at is None] == [hex_of(winner)]
    assert len(keys(installation)) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_rotation_a_revocation_and_an_erasure_at_once_are_no_error(no_limits):
    installation = Installation()
    installation.register()
    row = Instance.objects.get(pk=installation.id)

    answers = at_once(
        lambda: installation.rotate(SigningKey.generate()), row.revoke, lambda: installation.snapshot({}), row.erase
    )

    assert {answer.status_code for answer in answers if answer is not None} <= {200, 202, 403}
    assert not PublicKey.objects.exists()
    assert json.dumps(list(Event.objects.values_list("kind", flat=True))) == '["erased"]'
