"""Filters for the pages: numbers, times and query strings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from dashboard import keys, numbers
from dashboard.charts import Chart
from dashboard.history import HistoryTable
from dashboard.tables import Column, InstanceTable
from instances.models import Instance
from instances.wire import format_timestamp
from metrics.flatten import is_number

register = template.Library()

LONGEST_CELL = 40
NOTHING = mark_safe('<span class="shm-muted">–</span>')


@register.filter
def compact(value: numbers.Number) -> SafeString:
    """A number at a glance, with all of it as its title."""
    short, whole = numbers.compact(value), numbers.exact(value)
    return format_html('<span title="{}">{}</span>', whole, short) if short != whole else format_html("{}", short)


@register.filter
def short(value: numbers.Number) -> str:
    """A number at a glance, where a title would be too much."""
    return numbers.compact(value)


@register.filter
def exact(value: numbers.Number) -> str:
    return numbers.exact(value)


@register.filter
def percent(share: float) -> str:
    """A share of 0 to 1; less than half a percent is said to be so instead of rounded to nothing."""
    return "< 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


@register.filter
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the time itself in UTC as its title."""
    if moment is None:
        return format_html('<span class="shm-muted">{}</span>', "never")
    since = timesince(moment, depth=1)
    text = "just now" if since.startswith("0") else f"{since} ago"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', *_machine_and_human(moment), text)


@register.filter
def utc(moment: datetime | None) -> SafeString | str:
    """The time itself, in UTC."""
    if moment is None:
        return "never"
    return format_html('<time datetime="{}">{} UTC</time>', *_machine_and_human(moment))


def _machine_and_human(moment: datetime) -> tuple[str, str]:
    return format_timestamp(moment), f"{moment:%Y-%m-%d %H:%M}"


@register.filter
def key_label(key: str) -> str:
    return keys.label(key)


@register.filter
def metric_cells(instance: Instance, table: InstanceTable) -> SafeString:
    """The cells of an instance's metrics, a column each. In one piece: a table has a thousand of them."""
    cells = ((_cell(instance.metrics.get(key)),) for key in table.keys)
    return format_html_join("", '<td class="shm-number">{}</td>', cells)


def _cell(value: Any) -> SafeString | str:
    """A value by its shape, and a dash for none."""
    if value is None:
        return NOTHING
    if is_number(value):
        return compact(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) <= LONGEST_CELL:
        return text
    return format_html('<span title="{}">{}…</span>', text[:500], text[: LONGEST_CELL - 1])


@register.filter
def rows(chart: Chart) -> SafeString:
    """The rows of the table behind a chart, newest first; in one piece, as there are hundreds."""
    lines = ((*_machine_and_human(at), _number_cells(values)) for at, *values in reversed(chart.rows()))
    row = '<tr><td><time datetime="{}">{} UTC</time></td>{}</tr>'
    return format_html_join("", row, lines)


def _number_cells(values: list[numbers.Number | None]) -> SafeString:
    cells = (("–" if value is None else numbers.exact(value),) for value in values)
    return format_html_join("", '<td class="shm-number">{}</td>', cells)


@register.simple_tag
def address(table: InstanceTable | HistoryTable, **changes: Any) -> str:
    return table.address(**changes)


@register.simple_tag
def sort_address(table: InstanceTable, column: Column) -> str:
    return table.sort_address(column)
