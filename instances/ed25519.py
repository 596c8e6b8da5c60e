"""Ed25519 (RFC 8032): which public keys are good, and whether a signature is one's."""

import re

from nacl import bindings
from nacl.exceptions import BadSignatureError

_PUBLIC_KEY = re.compile(r"[0-9a-fA-F]{64}")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")


def is_public_key(text: str) -> bool:
    """Whether `text` is 64 hex digits that encode a point whose signatures prove something.

    libsodium refuses what is not on the curve, not in its canonical form, of small order, or outside of the prime
    subgroup: for such keys there are signatures that anybody can make.
    """
    return bool(_PUBLIC_KEY.fullmatch(text)) and bindings.crypto_core_ed25519_is_valid_point(bytes.fromhex(text))


def verifies(public_key: str, signature: str, message: bytes) -> bool:
    """Whether `signature` (128 hex digits, either case) is the key's (64 hex digits) over exactly these bytes."""
    if not _SIGNATURE.fullmatch(signature):
        return False
    try:
        bindings.crypto_sign_open(bytes.fromhex(signature) + message, bytes.fromhex(public_key))
    except BadSignatureError:
        return False
    return True
