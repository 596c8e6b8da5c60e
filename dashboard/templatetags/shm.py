"""Filters for the pages: numbers, times and query strings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext

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
    """How long ago, with the time itself as its title."""
    if moment is None:
        return format_html('<span class="shm-muted">{}</span>', gettext("never"))
    if timezone.now() - moment < timedelta(minutes=1):
        text = gettext("just now")
    else:
        text = gettext("%(time)s ago") % {"time": timesince(moment, depth=1)}
    return format_html('<time datetime="{}" title="{}">{}</time>', format_timestamp(moment), _in_utc(moment), text)


@register.filter
def utc(moment: datetime | None) -> SafeString | str:
    """The time itself: by the reader's clock with UTC as its title, or in UTC if that is the reader's, or unknown."""
    if moment is None:
        return gettext("never")
    if timezone.get_current_timezone_name() == "UTC":
        return format_html('<time datetime="{}">{}</time>', format_timestamp(moment), _in_utc(moment))
    text = date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")
    return format_html('<time datetime="{}" title="{}">{}</time>', format_timestamp(moment), _in_utc(moment), text)


@register.filter
def day(moment: datetime | date | None) -> SafeString | str:
    """The day of a time, with the time itself as its title; or a day as it is, by whatever clock it was told."""
    if moment is None:
        return gettext("never")
    if not isinstance(moment, datetime):
        return format_html('<time datetime="{}">{}</time>', moment, date_format(moment, "SHORT_DATE_FORMAT"))
    text = date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT")
    return format_html('<time datetime="{}" title="{}">{}</time>', format_timestamp(moment), _in_utc(moment), text)


def _in_utc(moment: datetime) -> str:
    return f"{date_format(moment.astimezone(UTC), 'SHORT_DATETIME_FORMAT')} UTC"


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
    lines = ((utc(at), _number_cells(values)) for at, *values in reversed(chart.rows()))
    row = "<tr><td>{}</td>{}</tr>"
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
