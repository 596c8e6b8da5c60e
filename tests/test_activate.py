"""POST /v1/activate, and what every signed endpoint asks of its headers."""

import uuid

import pytest
import time_machine
from django.utils import timezone

from instances.models import Instance
from tests.installation import Installation, assert_refused, row

ACTIVATED = {"status": "active", "message": "Instance activated successfully"}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def pending():
    installation = Installation()
    assert installation.register().status_code == 201
    return installation


@pytest.fixture
def stranger():
    """Somebody with a key of its own, registered as another instance."""
    stranger = Installation("Stranger")
    assert stranger.register().status_code == 201
    return stranger


def test_it_activates_a_pending_instance(pending):
    with time_machine.travel("2026-11-22T09:00:00Z", tick=False):
        now = timezone.now()
        response = pending.activate()

    assert response.status_code == 200
    assert response.json() == ACTIVATED
    assert row(pending).state == Instance.State.ACTIVE
    assert row(pending).activated_at == now
    assert row(pending).last_seen_at is row(pending).first_report_at is None


def test_it_answers_the_same_to_an_active_instance_and_changes_nothing(installation):
    before = Instance.objects.values().get()

    response = installation.activate()

    assert response.status_code == 200
    assert response.json() == ACTIVATED
    assert Instance.objects.values().get() == before


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b'"activate"', b"{}", b' {"action": "anything"} '])
def test_any_json_activates(pending, body):
    assert pending.post("/v1/activate", body).status_code == 200
    assert row(pending).state == Instance.State.ACTIVE


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1,"a":2}'])
def test_what_is_not_json_does_not(pending, body):
    assert pending.post("/v1/activate", body).status_code == 400
    assert row(pending).state == Instance.State.PENDING


@pytest.mark.parametrize(
    "made_for", [{"metrics": {}}, {"snapshots": []}, *({"action": name} for name in ("rotate", "export", "forget"))]
)
def test_a_body_signed_for_another_address_confirms_nothing_that_was_claimed(pending, made_for):
    pending.register(app_version="9.9.9")

    assert pending.post("/v1/activate", made_for).status_code == 200
    assert (row(pending).state, row(pending).app_version) == (Instance.State.ACTIVE, "1.0.0")
    assert pending.post("/v1/activate", made_for).status_code == 200
    assert row(pending).claims["app_version"] == "9.9.9"
    assert pending.activate().status_code == 200
    assert row(pending).app_version == "9.9.9"


def test_a_revoked_instance_is_told_so(installation):
    row(installation).revoke()
    before = Instance.objects.values().get()

    assert_refused(installation.activate(), 403, "revoked")
    assert Instance.objects.values().get() == before


def test_a_revocation_at_the_same_moment_is_not_overwritten(pending):
    read_before = row(pending)
    row(pending).revoke()

    assert read_before.activate() == Instance.State.REVOKED
    assert row(pending).state == Instance.State.REVOKED


def test_an_instance_erased_at_the_same_moment_stays_erased(pending):
    read_before = row(pending)
    read_before.claim("Other", dict.fromkeys(Instance.DESCRIPTION, "x"))
    Instance.objects.all().delete()

    read_before.claim("Another", dict.fromkeys(Instance.DESCRIPTION, "y"))

    assert read_before.activate() == Instance.State.REVOKED
    assert not Instance.objects.exists()


def test_a_restored_instance_may_go_on(installation):
    row(installation).revoke()
    row(installation).restore()

    assert installation.activate().status_code == 200


# Who signed


def test_signatures_and_ids_may_be_upper_case(pending):
    body = b"{}"

    response = pending.post(
        "/v1/activate", body, X_Instance_ID=pending.id.upper(), X_Signature=pending.sign(body).upper()
    )

    assert response.status_code == 200
    assert row(pending).state == Instance.State.ACTIVE


def test_the_log_agent_names_itself_in_the_body_alone(pending):
    response = pending.post("/v1/activate", {"instance_id": pending.id}, X_Instance_ID=None)

    assert response.status_code == 200
    assert row(pending).state == Instance.State.ACTIVE


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"null", b'{"instance_id":7}', b'{"instance_id":null}', b'{"instance_id":""}']
)
def test_nobody_named_is_unauthorized(pending, body):
    assert_refused(pending.post("/v1/activate", body, X_Instance_ID=None), 401, "missing_credentials")


@pytest.mark.parametrize("path", ["/v1/activate", "/v1/snapshot"])
@pytest.mark.parametrize(
    "headers", [{"X_Signature": None}, {"X_Signature": ""}, {"X_Signature": None, "X_Instance_ID": None}]
)
@pytest.mark.parametrize("body", [{"action": "activate"}, b"", b"{", b"\xff"])
def test_a_missing_signature_is_unauthorized_whatever_the_body(pending, path, headers, body):
    response = pending.post(path, body, **headers)

    assert_refused(response, 401, "missing_credentials")
    assert response["WWW-Authenticate"]
    assert row(pending).state == Instance.State.PENDING


@pytest.mark.parametrize("path", ["/v1/activate", "/v1/snapshot"])
def test_every_failure_to_prove_who_one_is_gets_one_answer(pending, stranger, path):
    body = {"instance_id": pending.id, "timestamp": timezone.now().isoformat(), "metrics": {}}
    nobody = Installation()
    good = pending.sign(b"{}")
    revoked = Installation()
    revoked.register()
    row(revoked).revoke()
    answers = [
        nobody.post(path, body),  # an instance that nobody has registered
        stranger.post(path, body, X_Instance_ID=pending.id),  # another one's key
        stranger.post(path, body, X_Instance_ID=revoked.id),
        pending.post(path, body, X_Signature=good),  # good, but of another body
        pending.post(path, body, X_Signature="0" * 128),
        pending.post(path, body, X_Signature="x"),
        pending.post(path, body, X_Signature="zz" * 64),
        pending.post(path, body, X_Signature=good[:-2]),
        pending.post(path, body, X_Signature=good + "00"),
        pending.post(path, body, X_Signature="é" * 128),
        pending.post(path, body, X_Instance_ID="not-a-uuid"),
        pending.post(path, body, X_Instance_ID=uuid.UUID(pending.id).hex),
        pending.post(path, body, X_Instance_ID=f"{pending.id} "[1:]),
        nobody.post(path, {**body, "instance_id": "not-a-uuid"}, X_Instance_ID=None),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == "invalid_signature"
    assert row(pending).state == Instance.State.PENDING


def test_a_retired_key_signs_nothing(installation):
    row(installation).keys.update(retired_at=timezone.now())

    assert_refused(installation.activate(), 403, "invalid_signature")


def test_the_signature_covers_the_exact_bytes(pending):
    signature = pending.sign(b'{"a":1}')

    assert_refused(pending.post("/v1/activate", b'{"a": 1}', X_Signature=signature), 403, "invalid_signature")
    assert pending.post("/v1/activate", b'{"a":1}', X_Signature=signature).status_code == 200


@pytest.mark.parametrize("path", ["/v1/activate", "/v1/snapshot"])
def test_size_is_checked_before_the_signature(pending, settings, path):
    body = b" " * (settings.MAX_BODY_BYTES + 1)

    assert_refused(pending.post(path, body, X_Signature=None), 413, "body_too_large")


def test_the_right_key_learns_that_it_is_revoked_and_no_other(pending, stranger):
    row(pending).revoke()

    assert_refused(pending.activate(), 403, "revoked")
    assert_refused(stranger.activate(X_Instance_ID=pending.id), 403, "invalid_signature")
