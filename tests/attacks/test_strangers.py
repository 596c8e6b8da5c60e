"""By those who were never let in: from afar, and with the whole database in their hands."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from instances.enrolment import EnrolmentToken, digest_of
from instances.forgetting import forget_pending
from instances.models import Application, Instance, RateBucket, TurnedAway
from tests.attacks.sending import SIGNED, body_for
from tests.installation import Installation, refusal, row

pytestmark = pytest.mark.django_db


def test_a_stolen_database_signs_for_nobody_and_lets_nobody_in(client, superuser, victim):
    ledger = Application.objects.get()
    secret = EnrolmentToken(application=ledger, name="Bank").renew()
    EnrolmentToken.objects.create(application=ledger, name="Bank", digest=digest_of(secret))
    ledger.registration = "token"
    ledger.save()
    row(victim).revoke()
    assert victim.forget().status_code == 200

    # What it holds instead of secrets is of no use in their places.
    digest = EnrolmentToken.objects.get().digest
    assert refusal(Installation().register(enrolment_token=digest)) == (403, "enrolment_required")
    client.post("/admin/login/", {"username": "superuser", "password": superuser.password})
    assert client.get("/").status_code == 302
    # Nor does it tell, without the secret key, which ids are turned away.
    turned_away = TurnedAway.objects.get().digest
    for text in (victim.id, victim.id.replace("-", ""), victim.id.upper()):
        assert turned_away != hashlib.sha256(text.encode()).hexdigest()
    assert Installation().register(enrolment_token=secret).status_code == 201


def test_forged_signatures_lock_nobody_out(clock):
    victim, stranger = Installation(), Installation()
    victim.register()

    for endpoint in sorted(SIGNED):
        for _ in range(10):
            answer = stranger.post(f"/v1/{endpoint}", body_for(victim, endpoint), X_Instance_ID=victim.id)
            assert answer.status_code == 403, endpoint

    assert victim.activate().status_code == 200
    assert victim.snapshot({"users": 1}).status_code == 202
    assert victim.export().status_code == 200
    # What is counted is the victim's own: two at its address, one snapshot, one action.
    assert RateBucket.objects.count() == 3


def test_guessing_enrolment_tokens_is_slowed_down_and_teaches_nothing(clock):
    Application.objects.create(name="Ledger", slug="ledger", registration="token")

    answers = [Installation("Ledger").register(enrolment_token=f"shm-enrol-{number:043}") for number in range(61)]

    assert {refusal(answer) for answer in answers[:60]} == {(403, "enrolment_required")}
    assert len({answer.content for answer in answers[:60]}) == 1
    assert refusal(answers[60]) == (429, "rate_limited")
    assert not Instance.objects.exists()


def test_what_strangers_can_leave_behind_is_bounded_and_forgotten(clock, settings):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 5

    answers = [Installation(f"Invented {number}").register() for number in range(100)]

    codes = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert codes == [(201, None)] * 5 + [(403, "too_many_applications")] * 55 + [(429, "rate_limited")] * 40
    clock.shift(settings.KEEP_PENDING + timedelta(hours=1))
    forget_pending(timezone.now())
    assert not Instance.objects.exists()
    assert not Application.objects.exists()
