"""Who signed a request: an instance, by the key it registered, over the exact bytes of the body."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from instances import ed25519
from instances.exceptions import InvalidSignature, MissingCredentials, Revoked
from instances.models import Instance, PublicKey
from instances.parsers import parse_body
from instances.wire import parse_uuid

# What is checked for an unknown instance, so that the time an answer takes does not tell which UUIDs are registered.
# RFC 8032, section 7.1, test 1.
_NOBODYS_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


class SignatureAuthentication(BaseAuthentication):
    """`request.auth` becomes the Instance. Raises what protocol calls for when it is not who it says it is."""

    def authenticate(self, request: Request) -> tuple[None, Instance]:
        signature = request.headers.get("X-Signature", "")
        if not signature:
            raise MissingCredentials  # Before anything in the body is looked at.
        claimed = request.headers.get("X-Instance-ID") or _instance_in(request.body)
        if not claimed:
            raise MissingCredentials
        instance_id = parse_uuid(claimed)
        key = PublicKey.objects.current_of(instance_id) if instance_id else None
        verified = ed25519.verifies(key.hex if key else _NOBODYS_KEY, signature, request.body)
        if key is None or not verified:
            raise InvalidSignature
        if key.instance.state == Instance.State.REVOKED:
            raise Revoked
        return None, key.instance

    def authenticate_header(self, request: Request) -> str:
        return MissingCredentials.auth_header


def signer(request: Request) -> Instance:
    """The instance that signed an authenticated request."""
    instance: object = request.auth
    assert isinstance(instance, Instance)
    return instance


def _instance_in(body: bytes) -> str:
    """The body's instance_id: the log agent sends no X-Instance-ID."""
    value = parse_body(body)
    claimed = value.get("instance_id") if isinstance(value, dict) else None
    return claimed if isinstance(claimed, str) else ""
