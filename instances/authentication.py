"""Who signed a request: an instance, by the key it registered, over the exact bytes of the body."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from instances import ed25519, signers
from instances.exceptions import InvalidSignature, MissingCredentials, Revoked
from instances.models import Instance, PublicKey
from instances.parsers import parse_body
from instances.signers import Signer
from instances.wire import parse_uuid

# What is checked for an unknown instance, so that the time an answer takes does not tell which UUIDs are registered.
# RFC 8032, section 7.1, test 1.
_NOBODYS_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


class SignatureAuthentication(BaseAuthentication):
    """`request.auth` becomes the Signer. Raises what the protocol calls for when it is not who it says it is."""

    def authenticate(self, request: Request) -> tuple[None, Signer]:
        # Not request.headers, which would be made of all headers for these two.
        signature = request.META.get("HTTP_X_SIGNATURE", "")
        if not signature:
            raise MissingCredentials  # Before anything in the body is looked at.
        claimed = request.META.get("HTTP_X_INSTANCE_ID") or _instance_in(request.body)
        if not claimed:
            raise MissingCredentials
        instance_id = parse_uuid(claimed)
        known = signers.remembered(instance_id) if instance_id else None
        if known and ed25519.verifies(known.key, signature, request.body):
            return None, known
        # Not known in this process, or by a key that has been replaced since, or forged.
        current = signers.look_up(instance_id) if instance_id else None
        if current is None or current != known:
            verified = ed25519.verifies(current.key if current else _NOBODYS_KEY, signature, request.body)
            if current and verified:
                return None, current
        raise InvalidSignature

    def authenticate_header(self, request: Request) -> str:
        return MissingCredentials.auth_header


def signer(request: Request) -> Signer:
    """Who signed an authenticated request."""
    who: object = request.auth
    assert isinstance(who, Signer)
    return who


def signing_instance(request: Request) -> Instance:
    """The instance that signed an authenticated request, as the database has it now, its application loaded with it.

    Raises InvalidSignature if its key is no longer the one, Revoked if it has been revoked.
    """
    instance_id, verified_by = signer(request)
    key = PublicKey.objects.current_of(instance_id)
    if key is None or key.hex != verified_by:
        signers.look_up(instance_id)  # So that it is not taken for the key again, in this process.
        raise InvalidSignature
    if key.instance.state == Instance.State.REVOKED:
        raise Revoked
    return key.instance


def _instance_in(body: bytes) -> str:
    """The body's instance_id: the log agent sends no X-Instance-ID."""
    value = parse_body(body)
    claimed = value.get("instance_id") if isinstance(value, dict) else None
    return claimed if isinstance(claimed, str) else ""
