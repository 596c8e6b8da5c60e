"""Whose key is whose: remembered, so that an instance that reports again costs no query to recognise."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from instances.models import PublicKey

# Of each process: some 20 MB when full. One that is forgotten is looked up again.
MAX_REMEMBERED = 50_000


class Signer(NamedTuple):
    """An instance and the key (64 hex digits) that a signature was checked against."""

    instance_id: UUID
    key: str


_remembered: OrderedDict[UUID, Signer] = OrderedDict()


def remembered(instance_id: UUID) -> Signer | None:
    """What the database last said, which another process may have changed since.

    So whoever acts on it has the database compare the key once more, in the statement that acts.
    """
    signer = _remembered.get(instance_id)
    if signer is not None:
        with suppress(KeyError):  # Another thread has just forgotten it.
            _remembered.move_to_end(instance_id)
    return signer


def look_up(instance_id: UUID) -> Signer | None:
    """The instance with its current key, from the database; None if there is none."""
    row = PublicKey.objects.current().filter(instance=instance_id).values_list("instance", "hex").first()
    if row is None:
        _remembered.pop(instance_id, None)
        return None
    signer = _remembered[instance_id] = Signer(*row)
    if len(_remembered) > MAX_REMEMBERED:
        _remembered.popitem(last=False)
    return signer
