"""From a signed snapshot to its rows: one insert and one update, in one transaction."""

from datetime import datetime
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.fields import DateTimeField
from django.db.models.fields.json import JSONField
from django.db.models.functions import Coalesce

from instances.exceptions import Revoked
from instances.models import Instance
from metrics.flatten import scalars
from metrics.models import Snapshot


class Outcome(Enum):
    STORED = "stored"
    DUPLICATE = "duplicate"


def store(instance: Instance, timestamp: datetime, metrics: dict[str, Any], now: datetime) -> Outcome:
    """Files the snapshot and, if it is the instance's newest, makes it its latest. Safe to be called twice at once.

    Raises Revoked when the instance was revoked, or erased, after its signature was checked.
    """
    snapshot = Snapshot(instance=instance, timestamp=timestamp, app_version=instance.app_version, metrics=metrics)
    with transaction.atomic():
        if not Snapshot.objects.add(snapshot):
            return Outcome.DUPLICATE
        newest = Q(last_report_at=None) | Q(last_report_at__lt=timestamp)
        oldest = Q(first_report_at=None) | Q(first_report_at__gt=timestamp)
        at = Value(timestamp, DateTimeField())
        back = newest & Q(last_report_at__lt=instance.application.active_since(timestamp))
        # Decided in the database, where a second report of this moment is seen, not from the row read before.
        updated = (
            Instance.objects.filter(pk=instance.pk)
            .exclude(state=Instance.State.REVOKED)
            .update(
                state=Instance.State.ACTIVE,
                activated_at=Coalesce("activated_at", Value(now, DateTimeField())),
                last_seen_at=now,
                first_report_at=Case(When(oldest, then=at), default=F("first_report_at")),
                last_report_at=Case(When(newest, then=at), default=F("last_report_at")),
                returned_at=Case(When(back, then=at), default=F("returned_at")),
                reported_version=Case(When(newest, then=Value(instance.app_version)), default=F("reported_version")),
                metrics=Case(
                    When(newest, then=Value(scalars(metrics), JSONField())),
                    default=F("metrics"),
                    output_field=JSONField(),
                ),
            )
        )
        if not updated:
            raise Revoked
    return Outcome.STORED
