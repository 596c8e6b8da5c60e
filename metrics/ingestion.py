"""From signed snapshots to their rows, in one transaction: whatever the instance's state and however many there are."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from django.db import transaction

from instances.exceptions import Revoked
from instances.models import Instance
from metrics.flags import screened
from metrics.flatten import scalars
from metrics.models import Snapshot


class Outcome(Enum):
    STORED = "stored"
    DUPLICATE = "duplicate"


class Sent(NamedTuple):
    """One snapshot as it was sent: its time in UTC by the instance's clock, and its metrics."""

    timestamp: datetime
    metrics: dict[str, Any]


def store(instance: Instance, snapshots: Sequence[Sent], now: datetime) -> list[Outcome]:
    """Files the snapshots and, if one is the instance's newest, makes it its latest. What became of each, in order.

    Of several with one timestamp the first is stored. Safe to be called twice at once. Raises Revoked when the instance
    was revoked, or erased, after its signature was checked.
    """
    first_of = {sent.timestamp: sent for sent in reversed(snapshots)}
    with transaction.atomic():
        # Locked, so that nobody else files or decides anything about it meanwhile.
        rows = Instance.objects.select_related("application").select_for_update(of=("self",), no_key=True)
        locked = rows.filter(pk=instance.pk).first()
        if locked is None or locked.state == Instance.State.REVOKED:
            raise Revoked
        known = Snapshot.objects.timestamps_of(locked, list(first_of))
        times = sorted(first_of.keys() - known)
        metrics = screened(locked.application_id, [first_of[timestamp].metrics for timestamp in times], now)
        new = list(map(Sent, times, metrics))
        if new:
            version = locked.app_version
            Snapshot.objects.bulk_create(
                [Snapshot(instance=locked, app_version=version, **sent._asdict()) for sent in new]
            )
            _take_in(locked, new, now)
    stored = {sent.timestamp for sent in new}
    return [
        Outcome.STORED if sent.timestamp in stored and sent is first_of[sent.timestamp] else Outcome.DUPLICATE
        for sent in snapshots
    ]


def _take_in(instance: Instance, new: list[Sent], now: datetime) -> None:
    """Brings the locked instance's row up to date with its new snapshots, which are in the order of their times."""
    instance.prove(now)
    instance.last_seen_at = now
    instance.first_report_at = min(new[0].timestamp, instance.first_report_at or new[0].timestamp)
    latest = None
    for sent in new:
        last = instance.last_report_at
        if last is not None and sent.timestamp < last:
            continue
        if last is not None and last < instance.application.active_since(sent.timestamp):
            instance.returned_at = sent.timestamp
        instance.last_report_at, latest = sent.timestamp, sent
    if latest is not None:
        instance.reported_version, instance.metrics = instance.app_version, scalars(latest.metrics)
    instance.save(
        update_fields=[
            "state",
            "activated_at",
            "last_seen_at",
            "first_report_at",
            "last_report_at",
            "returned_at",
            "reported_version",
            "metrics",
        ]
    )
