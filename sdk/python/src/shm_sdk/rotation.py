"""A new key in the place of the current one, so that no crash and no lost answer leaves an installation without any.

The new key is on disk before a server hears of it, and the current one stays until a server has taken the new one.
"""

from __future__ import annotations

from typing import Callable

from shm_sdk import identity, wire
from shm_sdk.folder import Folder
from shm_sdk.identity import Identity
from shm_sdk.transport import Answer
from shm_sdk.wire import Request

ACTIVATED = {"active", "pending"}


def prepare(folder: Folder, who: Identity) -> Identity:
    """With the key of a rotation that was cut off, or else with one that is new and filed now. Raises Unusable."""
    new = pending(folder, who)
    if new is None:
        new = who.with_new_key()
        identity.save(folder, new, identity.NEXT_FILE)
    return new


def pending(folder: Folder, who: Identity) -> Identity | None:
    """What a rotation that was cut off has left behind. Raises Unusable.

    None, too, for what a crash right after a rotation has left, and for what belongs to an earlier installation.
    """
    new = identity.load(folder, identity.NEXT_FILE)
    if new is None or new.instance_id != who.instance_id or new.public_key == who.public_key:
        return None
    return new


def finish(folder: Folder, who: Identity, ask: Callable[[Request], Answer]) -> Identity | None:
    """Puts the new key in place if a rotation that was cut off had reached the server; else None.

    Raises Unusable, and what `ask` raises.
    """
    new = pending(folder, who)
    if new is None or not has_key(ask(wire.activate(new))):
        return None
    complete(folder, new)
    return new


def has_key(activation: Answer) -> bool:
    """Whether the answer is one of a server that has verified the signature.

    A status of 200 alone proves nothing: a login page of a network answers that to everything.
    """
    if activation.status == 200:
        return activation.json.get("status") in ACTIVATED
    return activation.code == "revoked"


def complete(folder: Folder, new: Identity) -> None:
    """Raises Unusable."""
    identity.save(folder, new)
    discard(folder)


def discard(folder: Folder) -> None:
    """Raises Unusable."""
    folder.remove(folder.file(identity.NEXT_FILE))
