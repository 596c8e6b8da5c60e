"""Who this installation is: a random id and a key that signs, in a file that the client for Go reads and writes too.

Losing the key means that nobody can speak for the installation any more, not even to have it erased. So a file that
cannot be used is left as it is and told about, never replaced by a new identity.
"""

from __future__ import annotations

import hashlib
import json
import stat
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from nacl.signing import SigningKey

from shm_sdk.folder import Folder, Unusable, as_object

FILE = "identity.json"
# The key that a rotation is about to put in place: kept until it is known whether the server has taken it.
NEXT_FILE = "identity.json.next"


@dataclass(frozen=True)
class Identity:
    instance_id: str
    key: SigningKey = field(repr=False)

    @classmethod
    def generate(cls) -> Identity:
        return cls(str(uuid.uuid4()), SigningKey.generate())

    def with_new_key(self) -> Identity:
        return Identity(self.instance_id, SigningKey.generate())

    @property
    def public_key(self) -> str:
        """64 hex digits."""
        return self.key.verify_key.encode().hex()

    @property
    def fingerprint(self) -> str:
        """The first half of the key's SHA-256, in groups of four, as the server's pages show it."""
        digest = hashlib.sha256(self.key.verify_key.encode()).hexdigest()
        return " ".join(digest[start : start + 4] for start in range(0, 32, 4))

    @property
    def fraction(self) -> float:
        """From 0 to 1, always the same for this installation: spreads those that were started at one moment."""
        return hashlib.sha256(self.instance_id.encode()).digest()[0] / 255

    def sign(self, message: bytes) -> str:
        """128 hex digits (Ed25519, RFC 8032)."""
        return self.key.sign(message).signature.hex()

    def as_json(self) -> bytes:
        """In the format of the client for Go, whose private key is the seed and the public key behind it."""
        fields = {
            "instance_id": self.instance_id,
            "private_key": self.key.encode().hex() + self.public_key,
            "public_key": self.public_key,
        }
        return json.dumps(fields, indent=2).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Identity:
        """Raises ValueError."""
        fields = as_object(content)
        instance_id, private, public = (_text(fields, name) for name in ("instance_id", "private_key", "public_key"))
        secret = bytes.fromhex(private)
        if len(secret) not in (32, 64):
            raise ValueError("its private_key is neither 64 nor 128 hex digits")
        identity = cls(str(uuid.UUID(instance_id)), SigningKey(secret[:32]))
        if identity.public_key != public.lower() or secret[32:] not in (b"", bytes.fromhex(public)):
            raise ValueError("its keys do not belong together")
        return identity


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"it lacks {name}")
    return value


def load(folder: Folder, name: str = FILE) -> Identity | None:
    """None if there is none yet. Raises Unusable if there is one that must not or cannot be used."""
    path = folder.file(name)
    content = folder.read(path)
    if content is None:
        return None
    _refuse_if_public(path)
    try:
        return Identity.from_json(content)
    except ValueError as error:
        advice = "to count as a new installation" if name == FILE else "to go on with the key from before the rotation"
        raise Unusable(
            f"{path} holds no identity: {error}. Put it back from a backup; or, {advice}, delete it."
        ) from error


def load_or_create(folder: Folder) -> Identity:
    """The caller must hold the folder's lock. Raises Unusable."""
    identity = load(folder)
    if identity is None:
        identity = Identity.generate()
        save(folder, identity)
    return identity


def save(folder: Folder, identity: Identity, name: str = FILE) -> None:
    folder.write(folder.file(name), identity.as_json())


def _refuse_if_public(path: Path) -> None:
    """A key that everybody on the machine could read is nobody's.

    The group may read it: Kubernetes opens volumes to a group of the pod's own at each mount (fsGroup).
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if sys.platform != "win32" and mode & stat.S_IRWXO:
        raise Unusable(
            f"{path} is open to every user of this machine (mode {mode:04o}), so anybody could speak for this "
            f"installation. Run: chmod 600 {path}. If somebody may have read it, change the key too: "
            "python -m shm_sdk rotate."
        )
