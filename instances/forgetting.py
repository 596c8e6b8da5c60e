"""Forgetting what strangers have created without ever proving anything: instances, and the applications made for them.

Nothing is lost by it. A client registers at every start, so one that comes back is taken in like a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import models, transaction

from instances.models import Application, Instance

# So many rows are locked at once, for a moment.
BATCH = 500
# After a flood there is more, for the next time: the list is held in memory.
MOST_AT_ONCE = 100_000


def forget_pending(now: datetime) -> str | None:
    """Regular work: forgets instances that have never signed anything, and then applications that nobody ever used.

    Safe to be done twice at once: what somebody else has locked is left until the next time.
    """
    before = now - settings.KEEP_PENDING
    instances = _forget(Instance.objects.never_signed_since(before))
    applications = _forget(Application.objects.never_used().filter(created_at__lt=before))
    if not (instances or applications):
        return None
    return f"{instances} instances that never signed anything and {applications} applications without any are forgotten"


def _forget(candidates: models.QuerySet[Any]) -> int:
    """Deletes the candidates that are still such when they are locked. Returns how many these were."""
    forgotten = 0
    for pks in _batches(list(candidates.values_list("pk", flat=True)[:MOST_AT_ONCE])):
        with transaction.atomic():
            # Locked, and then asked again by a statement of its own, which sees what has been committed until then: an
            # instance may just have signed something, an application just have been given its first instance. From
            # here on neither can: both need the row that is locked here, and find it gone.
            rows = candidates.model._default_manager.filter(pk__in=pks)
            locked = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
            still = list(candidates.filter(pk__in=locked).values_list("pk", flat=True))
            rows.filter(pk__in=still).delete()
        forgotten += len(still)
    return forgotten


def _batches(pks: list[Any]) -> Iterator[list[Any]]:
    left = iter(pks)
    while batch := list(islice(left, BATCH)):
        yield batch
