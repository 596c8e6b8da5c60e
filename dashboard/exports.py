"""The tables of rows that have a file of their own: whatever their filters let through, and not one page of it."""

from __future__ import annotations

from typing import Any

from dashboard.columns import Column
from dashboard.history import HistoryTable
from dashboard.sheets import Sheet
from dashboard.tables import InstanceTable
from instances.models import Instance

# What the first cell of a row says, each in a column of its own.
FIRST_CELL = {"id", "state", "exclusion"}


def instances(table: InstanceTable) -> Sheet:
    """All rows that the table's filters let through, in its order, with the columns that it shows."""
    shown = [column for column in table.columns if column.name not in FIRST_CELL]
    titles = ["instance", "state", "excluded", *(str(column.title) for column in shown)]
    rows = (_values(instance, shown, table) for instance in table.rows().iterator(chunk_size=500))
    return Sheet("instances", f"Instances of {table.application.name}", titles, rows)


def history(table: HistoryTable) -> Sheet:
    """All lines that the table's filters let through, newest first."""
    events = table.rows().iterator(chunk_size=500)
    rows = ([event.at, str(event.instance_id or ""), event.kind, event.detail] for event in events)
    return Sheet("history", f"History of {table.application.name}", ["time", "instance", "kind", "detail"], rows)


def _values(instance: Instance, shown: list[Column], table: InstanceTable) -> list[Any]:
    return [str(instance.pk), instance.state, instance.exclusion, *(table.value(instance, column) for column in shown)]
