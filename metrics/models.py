"""Snapshots: what instances signed."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from instances.models import Instance
from metrics.fields import SentJSONField
from metrics.querysets import SnapshotQuerySet


class Snapshot(models.Model):
    """What one instance signed at one time, as it was sent."""

    # The instance leads, so that the table can be distributed by it. docs/architecture.md has the figures.
    pk = models.CompositePrimaryKey("instance", "timestamp")
    instance = models.ForeignKey(Instance, models.CASCADE, related_name="snapshots", db_index=False)
    timestamp = models.DateTimeField(help_text="By the instance's clock, to the microsecond.")
    received_at = models.DateTimeField(default=timezone.now)
    app_version = models.CharField(max_length=100, blank=True)
    metrics = SentJSONField()

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["instance", "timestamp"]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.timestamp:%Y-%m-%d %H:%M:%S}"
