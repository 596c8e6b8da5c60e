"""The questions that are asked of snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections, models

if TYPE_CHECKING:
    from instances.models import Instance
    from metrics.models import Snapshot


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def newest_of(self, instance: Instance) -> Snapshot | None:
        return self.filter(instance=instance).order_by("-timestamp").first()

    def add(self, snapshot: Snapshot) -> bool:
        """Inserts the snapshot, unless there is one of the same instance and timestamp. Returns whether it did."""
        connection = connections[self.db]
        fields = self.model._meta.local_concrete_fields
        columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
        values = [field.get_db_prep_save(getattr(snapshot, field.attname), connection) for field in fields]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {connection.ops.quote_name(self.model._meta.db_table)} ({columns}) "  # noqa: S608
                f"VALUES ({', '.join(['%s'] * len(values))}) ON CONFLICT DO NOTHING",
                values,
            )
            return bool(cursor.rowcount == 1)
