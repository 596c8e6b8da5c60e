"""What an instance asks for once, in a signed body that is accepted once: a new key, or to be forgotten.

The third of these, its export, is of snapshots as well and so has its place in metrics.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from instances import ed25519, signers
from instances.authentication import signer
from instances.clocks import check_timestamp
from instances.exceptions import InstanceMismatch, InvalidBody, InvalidProof, InvalidSignature, KeyConflict, Revoked
from instances.models import BY_ITSELF, Instance, SpentBody, TurnedAway
from instances.throttling import PerInstance
from instances.views import WireView
from instances.wire import Malformed, parse_timestamp, parse_uuid

FORGOTTEN = "Erased: this instance with its keys, its history and all its snapshots."
FORGOTTEN_REVOKED = f"{FORGOTTEN} A hash is kept by which its id stays revoked."


class PerAction(PerInstance):
    """All actions of an instance are counted together, and apart from its snapshots."""

    scope = "action"


class ActionView(WireView):
    """Checks what the bodies of all actions have in common, and leaves the rest to `perform`."""

    throttle_classes = [PerAction]
    action: str

    def check_throttles(self, request: Request) -> None:
        who = signer(request)
        if signers.look_up(who.instance_id) != who:
            raise InvalidSignature  # By a key that this process still remembers, and that is no longer the one.
        super().check_throttles(request)

    def post(self, request: Request) -> HttpResponseBase:
        body: Any = request.data
        check_action(request, body, self.action)
        try:
            timestamp = parse_timestamp(body.get("timestamp"))
        except Malformed as error:
            raise InvalidBody.of(error) from error
        check_timestamp(timestamp, timezone.now(), oldest=settings.CLOCK_TOLERANCE)
        return self.perform(request, body, timestamp)

    def perform(self, request: Request, body: dict[str, Any], timestamp: datetime) -> HttpResponseBase:
        raise NotImplementedError


def check_action(request: Request, body: Any, action: str) -> None:
    """A body names the instance that signed it, and what it is for: one for another address must not do here."""
    if not isinstance(body, dict) or body.get("instance_id") is None:
        raise InvalidBody("Send a JSON object with instance_id, timestamp and action.", "invalid_body")
    if parse_uuid(body["instance_id"]) != signer(request).instance_id:
        raise InstanceMismatch
    if body.get("action") != action:
        raise InvalidBody(f'action is not "{action}", which is what this address does. Send that.', "invalid_action")


@contextmanager
def accepted(request: Request, timestamp: datetime) -> Iterator[Instance]:
    """A transaction in which the body is spent, and the instance is locked and has still the key that signed it.

    If what is done in it fails, the body is not spent. Raises Replayed, or InvalidSignature when another action has
    replaced the key or erased the instance since the signature was checked.
    """
    with transaction.atomic():
        # First of all, so that of two that arrive at once the second waits here and is then told what it is.
        # Kept for twice as long as it could pass for one of now, in case that servers' clocks differ, too.
        SpentBody.spend(request.body, timestamp + 2 * settings.CLOCK_TOLERANCE)
        instance_id, verified_by = signer(request)
        instance = Instance.objects.select_for_update().filter(pk=instance_id).first()
        key = instance.current_key if instance else None
        if instance is None or key is None or key.hex != verified_by:
            raise InvalidSignature
        yield instance


class RotateView(ActionView):
    """POST /v1/rotate: the current key signs the request for a new one, and the new one a proof that it is held."""

    action = "rotate"

    def perform(self, request: Request, body: dict[str, Any], timestamp: datetime) -> HttpResponseBase:
        public_key = body.get("public_key")
        if not isinstance(public_key, str) or not ed25519.is_public_key(public_key):
            raise InvalidBody(
                "public_key: Send the 64 hex digits of a new Ed25519 public key. Small-order and non-canonical keys "
                "are refused, because anybody can sign for them.",
                "invalid_public_key",
            )
        # Each part has one form only and none holds what ends it, so no other body's parts make the same bytes.
        message = f"shm-rotate:{body['instance_id']}:{body['timestamp']}:{public_key}".encode("ascii")
        proof = body.get("proof")
        if not isinstance(proof, str) or not ed25519.verifies(public_key, proof, message):
            raise InvalidProof
        with accepted(request, timestamp) as instance:
            if instance.state == Instance.State.REVOKED:
                raise Revoked
            if not instance.rotate(public_key.lower()):
                raise KeyConflict("This instance has had that key before. Make a new one.")
        return Response({"status": "ok", "message": "Key rotated"})


class ForgetView(ActionView):
    """POST /v1/forget: erases the instance. A revoked one may ask for it as well, but stays turned away."""

    action = "forget"

    def perform(self, request: Request, body: dict[str, Any], timestamp: datetime) -> HttpResponseBase:
        with accepted(request, timestamp) as instance:
            is_revoked = instance.state == Instance.State.REVOKED
            if is_revoked:
                TurnedAway.remember(instance)
            instance.erase(f"{BY_ITSELF}, while it was revoked" if is_revoked else BY_ITSELF)
        return Response({"status": "ok", "message": FORGOTTEN_REVOKED if is_revoked else FORGOTTEN})
