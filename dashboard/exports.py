"""Tables as CSV, streamed: as long as they are, they never lie in memory whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse

from dashboard.history import HistoryTable
from dashboard.tables import InstanceTable
from instances.models import Instance
from instances.wire import format_timestamp

# A spreadsheet takes a cell that begins so for a formula and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: Any) -> Any:
    """What goes into a CSV cell: numbers as they are, texts that look like a formula with an apostrophe before them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


class _Line:
    """A file to csv.writer that hands each line straight back."""

    def write(self, line: str) -> str:
        return line


def instances(table: InstanceTable) -> StreamingHttpResponse:
    """All rows that the table's filters let through, in its order, with the columns that it shows."""

    def lines() -> Iterator[str]:
        writer = csv.writer(_Line())
        titles = [cell(column.title) for column in table.columns[1:]]
        yield writer.writerow(["instance", "state", "excluded", *titles])
        for instance in table.rows().iterator(chunk_size=500):
            yield writer.writerow([cell(value) for value in _values(instance, table)])

    return _file(lines(), f"{table.application.slug}-instances.csv")


def history(table: HistoryTable) -> StreamingHttpResponse:
    """All lines that the table's filters let through, newest first."""

    def lines() -> Iterator[str]:
        writer = csv.writer(_Line())
        yield writer.writerow(["time", "instance", "kind", "detail"])
        for event in table.rows().iterator(chunk_size=500):
            values = (format_timestamp(event.at), str(event.instance_id or ""), event.kind, event.detail)
            yield writer.writerow([cell(value) for value in values])

    return _file(lines(), f"{table.application.slug}-history.csv")


def _file(lines: Iterator[str], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _values(instance: Instance, table: InstanceTable) -> Iterator[Any]:
    yield from (str(instance.pk), instance.state, instance.exclusion)
    yield from (instance.app_version, instance.environment, instance.os_arch, instance.deployment_mode)
    yield format_timestamp(instance.last_report_at) if instance.last_report_at else ""
    for key in table.keys:
        yield instance.metrics.get(key, "")
