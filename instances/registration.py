"""Registering an instance: spans applications, instances and keys, and settles who was first."""

from typing import Any

from django.db import IntegrityError, transaction

from instances.exceptions import KeyConflict, Revoked
from instances.models import Application, Event, Instance, PublicKey, TurnedAway, said


def register(data: dict[str, Any]) -> None:
    """Makes the instance that `data` (a validated Registration) describes, or checks that it is the one we know.

    Unsigned, so of an instance that exists it changes nothing but what is kept aside for the instance to confirm.
    Raises KeyConflict for another key, Revoked for a revoked instance.
    """
    key = PublicKey.objects.current_of(data["instance_id"])
    if key is None:
        if TurnedAway.includes(data["instance_id"]):
            raise Revoked(
                "An instance of this id was revoked, and has since been erased as it asked. Ask the maintainers before "
                "you register another."
            )
        try:
            return _create(data)
        except IntegrityError:
            # The same instance registered at the same moment, and was first.
            key = PublicKey.objects.current_of(data["instance_id"])
            if key is None:
                raise
    if key.hex != data["public_key"]:
        stranger = PublicKey(hex=data["public_key"])
        key.instance.note(Event.Kind.CONFLICT, f"somebody registered its id with the key {stranger.fingerprint}")
        raise KeyConflict
    if key.instance.state == Instance.State.REVOKED:
        raise Revoked
    key.instance.claim(data["app_name"], {name: data[name] for name in Instance.DESCRIPTION})
    return None


def _create(data: dict[str, Any]) -> None:
    with transaction.atomic():
        instance = Instance.objects.create(
            pk=data["instance_id"],
            application=Application.named(data["app_name"]),
            **{name: data[name] for name in Instance.DESCRIPTION},
        )
        PublicKey.objects.create(instance=instance, hex=data["public_key"])
        Event.objects.create(
            application=instance.application,
            instance=instance,
            at=instance.registered_at,
            kind=Event.Kind.REGISTERED,
            detail=f"Version: {said(instance.app_version)}",
        )
