"""Registering an instance: spans applications, instances, keys and tokens, and settles who was first."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from instances.enrolment import EnrolmentToken, digest_of
from instances.exceptions import KeyConflict, Revoked
from instances.models import Application, Event, Instance, PublicKey, TurnedAway, said
from instances.personal_findings import found_in_registration, personal_fields
from instances.slugs import slug_for

ATTEMPTS = 3


def register(data: dict[str, Any], shown: str = "") -> None:
    """Makes the instance that `data` (a validated Registration) describes, or checks that it is the one we know.

    `shown` is the enrolment token that came with it, whatever it may be. Unsigned, so of an instance that exists it
    changes nothing but what is kept aside for the instance to confirm. Raises KeyConflict for another key, Revoked for
    a revoked instance, and for a new one NotAdmitted where it may not register.
    """
    token = _valid_token(data["app_name"], shown)
    for attempts_left in reversed(range(ATTEMPTS)):
        key = PublicKey.objects.current_of(data["instance_id"])
        if key is not None:
            return _register_again(key, data, token)
        if TurnedAway.includes(data["instance_id"]):
            raise Revoked(
                "An instance of this id was revoked, and has since been erased as it asked. Ask the maintainers before "
                "you register another."
            )
        try:
            return _create(data, token)
        except IntegrityError:
            # Either the same instance registered at the same moment, and was first; or its application, which had no
            # instance, was forgotten at this very moment.
            if not attempts_left:
                raise
    return None


def _valid_token(application_name: str, shown: str) -> EnrolmentToken | None:
    """One query whether or not there is such an application, so that the time it takes does not tell."""
    if not shown:
        return None
    return EnrolmentToken.objects.valid().of(slug_for(application_name)).filter(digest=digest_of(shown)).first()


def _register_again(key: PublicKey, data: dict[str, Any], token: EnrolmentToken | None) -> None:
    if key.hex != data["public_key"]:
        stranger = PublicKey(hex=data["public_key"])
        key.instance.note(Event.Kind.CONFLICT, f"somebody registered its id with the key {stranger.fingerprint}")
        raise KeyConflict
    if key.instance.state == Instance.State.REVOKED:
        raise Revoked
    key.instance.claim(data["app_name"], _description(data, key.instance.application_id), token)


def _create(data: dict[str, Any], token: EnrolmentToken | None) -> None:
    # Before the transaction, which is to have nothing locked that the application's erasure waits for.
    application = Application.admitting(data["app_name"], token)
    description = _description(data, application.pk)
    with transaction.atomic():
        instance = Instance.objects.create(
            pk=data["instance_id"],
            application=application,
            awaits_approval=application.lets_wait(token),
            **description,
        )
        PublicKey.objects.create(instance=instance, hex=data["public_key"])
        Event.objects.create(
            application=instance.application,
            instance=instance,
            at=instance.registered_at,
            kind=Event.Kind.REGISTERED,
            detail=f"Version: {said(instance.app_version)}",
        )
    if token is not None:
        # Afterwards, so that many that register with one token do not wait for each other's transactions to end.
        token.count_use()


def _description(data: dict[str, Any], application_id: int) -> dict[str, str]:
    """What the instance says of itself, with a marker in the place of what looks personal."""
    description = {name: data[name] for name in Instance.DESCRIPTION}
    if found := personal_fields(description):
        heard = found_in_registration.send(None, application_id=application_id, found=found, now=timezone.now())
        allowed = {field for _, fields in heard for field in fields or ()}
        description.update({field: kind.marker for field, kind in found.items() if field not in allowed})
    return description
