"""Tables to take away: what a chart or a table shows, as CSV for spreadsheets and as JSON for programs.

Streamed: as long as they are, they never lie in memory whole.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, StreamingHttpResponse

from instances.wire import format_timestamp

# A spreadsheet takes a cell that begins so for a formula and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
CSV, JSON = "csv", "json"
PARAMETER = "download"


@dataclass(frozen=True)
class Sheet:
    """A table with a title for each column. In cells: texts, numbers, booleans, None and times (aware).

    `name` is its address and its file's name: letters, digits and hyphens.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


def answer(request: HttpRequest, sheets: Iterable[Sheet], prefix: str) -> StreamingHttpResponse | None:
    """The file that `?download=<name>.csv` or `.json` asks for, or None if the address asks for none.

    `prefix` begins the file's name. Raises Http404 for a sheet that there is not.
    """
    wanted = request.GET.get(PARAMETER)
    if wanted is None:
        return None
    name, _, form = wanted.rpartition(".")
    sheet = next((sheet for sheet in sheets if sheet.name == name), None)
    if sheet is None or form not in (CSV, JSON):
        raise Http404(
            "There is no such table to download. Go back to the page, whose links lead to those that there are."
        )
    return as_csv(sheet, prefix) if form == CSV else as_json(sheet, prefix)


def as_csv(sheet: Sheet, prefix: str) -> StreamingHttpResponse:
    """With one head line; times in ISO 8601, UTC."""

    def lines() -> Iterator[str]:
        writer = csv.writer(_Line())
        yield writer.writerow([cell(title) for title in sheet.columns])
        for row in sheet.rows:
            yield writer.writerow([cell(value) for value in row])

    return _file(lines(), f"{prefix}-{sheet.name}.csv", "text/csv; charset=utf-8")


def as_json(sheet: Sheet, prefix: str) -> StreamingHttpResponse:
    """{"title": text, "columns": [titles], "rows": [[values]]}; times in ISO 8601, UTC; integers exact."""

    def parts() -> Iterator[str]:
        head = json.dumps(
            {"title": sheet.title, "columns": list(sheet.columns)}, ensure_ascii=False, cls=DjangoJSONEncoder
        )
        yield head[:-1] + ', "rows": ['
        separator = "\n"
        for row in sheet.rows:
            values = [_machine(value) for value in row]
            yield separator + json.dumps(values, ensure_ascii=False, cls=DjangoJSONEncoder)
            separator = ",\n"
        yield "\n]}\n"

    return _file(parts(), f"{prefix}-{sheet.name}.json", "application/json")


def cell(value: Any) -> Any:
    """What goes into a CSV cell: numbers as they are, texts that look like a formula with an apostrophe before them."""
    value = _machine(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _machine(value: Any) -> Any:
    return format_timestamp(value) if isinstance(value, datetime) else value


class _Line:
    """A file to csv.writer that hands each line straight back."""

    def write(self, line: str) -> str:
        return line


def _file(content: Iterator[str], name: str, content_type: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
