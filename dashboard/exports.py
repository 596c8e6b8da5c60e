"""The tables of rows that have a file of their own: whatever their filters let through, and not one page of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dashboard.history import HistoryTable
from dashboard.sheets import Sheet
from dashboard.tables import InstanceTable
from instances.models import Instance


def instances(table: InstanceTable) -> Sheet:
    """All rows that the table's filters let through, in its order, with the columns that it shows."""
    titles = [column.title for column in table.columns[1:]]
    rows = (list(_values(instance, table)) for instance in table.rows().iterator(chunk_size=500))
    return Sheet(
        "instances", f"Instances of {table.application.name}", ["instance", "state", "excluded", *titles], rows
    )


def history(table: HistoryTable) -> Sheet:
    """All lines that the table's filters let through, newest first."""
    events = table.rows().iterator(chunk_size=500)
    rows = ([event.at, str(event.instance_id or ""), event.kind, event.detail] for event in events)
    return Sheet("history", f"History of {table.application.name}", ["time", "instance", "kind", "detail"], rows)


def _values(instance: Instance, table: InstanceTable) -> Iterator[Any]:
    yield from (str(instance.pk), instance.state, instance.exclusion)
    yield from (instance.app_version, instance.environment, instance.os_arch, instance.deployment_mode)
    yield instance.last_report_at
    for key in table.keys:
        yield instance.metrics.get(key)
