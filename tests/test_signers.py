"""Which keys are remembered, and that a remembered one is worth nothing once it has been replaced."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from nacl.signing import SigningKey

from instances import signers
from instances.models import Instance, PublicKey
from instances.rates import Rate
from metrics.models import Snapshot
from tests.installation import Installation

pytestmark = pytest.mark.django_db


def replace_key(installation):
    """As another process would: this one is not told."""
    PublicKey.objects.filter(instance=installation.id).update(retired_at=timezone.now())
    old, installation.key = installation.key, SigningKey.generate()
    PublicKey.objects.create(instance_id=installation.id, hex=installation.public_key)
    return old


def test_who_has_signed_before_is_not_looked_up_again(installation, no_limits, monkeypatch):
    installation.snapshot({})
    monkeypatch.setattr(signers, "look_up", lambda instance_id: pytest.fail("looked up"))

    assert installation.snapshot({}).status_code == 202


def test_a_replaced_key_signs_nothing_any_more(installation, no_limits):
    assert installation.snapshot({"users": 1}).status_code == 202
    installation.key = replace_key(installation)

    for answer in (installation.snapshot({"users": 2}), installation.activate(), installation.snapshot({}, "soon")):
        assert (answer.status_code, answer.json()["code"]) == (403, "invalid_signature")
    assert Snapshot.objects.count() == 1


@pytest.mark.parametrize("sends", [lambda one: one.snapshot({}), Installation.export], ids=["snapshot", "export"])
def test_nobody_uses_up_a_limit_by_a_key_that_has_been_replaced(installation, sends, settings):
    """Who has stolen a key must not silence the instance that has rotated it, in a process that still remembers it."""
    settings.RATELIMITS = {scope: Rate(1, timedelta(hours=1), burst=1) for scope in settings.RATELIMITS}
    known = signers.look_up(UUID(installation.id))
    stolen = replace_key(installation)
    thief = Installation()
    thief.id, thief.key = installation.id, stolen

    for _ in range(3):
        signers._remembered[known.instance_id] = known  # Each in another process.
        answer = sends(thief)
        assert (answer.status_code, answer.json()["code"]) == (403, "invalid_signature")
        assert signers.remembered(known.instance_id) != known

    assert sends(installation).status_code in (200, 202)


def test_its_successor_does_at_once(installation, no_limits):
    installation.snapshot({"users": 1})
    replace_key(installation)

    assert installation.snapshot({"users": 2}).status_code == 202
    assert Instance.objects.get().metrics == {"users": 2}


def test_a_forged_signature_does_not_push_a_remembered_key_out(installation, no_limits):
    installation.snapshot({})
    remembered = signers.remembered(Instance.objects.get().pk)
    forger = Installation()
    forger.id = installation.id

    assert forger.snapshot({}).status_code == 403
    assert signers.remembered(Instance.objects.get().pk) == remembered


def test_those_not_seen_for_longest_are_forgotten_first(db, monkeypatch):
    monkeypatch.setattr(signers, "MAX_REMEMBERED", 2)
    monkeypatch.setattr(signers, "_remembered", type(signers._remembered)())
    installations = [Installation() for _ in range(3)]
    for installation in installations:
        installation.register()
    first, second, third = [PublicKey.objects.get(instance=each.id).instance_id for each in installations]

    signers.look_up(first)
    signers.look_up(second)
    signers.remembered(first)
    signers.look_up(third)

    assert signers.remembered(first)
    assert signers.remembered(second) is None
    assert signers.remembered(third)


def test_an_unknown_one_is_not_remembered():
    unknown = uuid4()

    assert signers.look_up(unknown) is None
    assert signers.remembered(unknown) is None
