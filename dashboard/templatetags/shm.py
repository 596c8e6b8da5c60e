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
from django.utils.translation import get_language, gettext

from dashboard import numbers, reports, words
from dashboard.charts import Chart
from dashboard.history import HistoryTable
from dashboard.tables import Column, InstanceTable
from instances.models import Instance
from instances.wire import format_timestamp
from metrics.flatten import is_number
from metrics.keys import Metric
from metrics.units import Unit

register = template.Library()

LONGEST_CELL = 40
LONGEST_IN_ONE_LINE = 12
NOTHING = mark_safe('<span class="shm-muted">–</span>')


def language() -> str:
    return get_language() or "en"


# What a number is in, for the filters that write one: a unit, or the metric that it is of.
InUnit = Metric | str


def _unit(unit: InUnit) -> str:
    return unit.unit if isinstance(unit, Metric) else unit or Unit.NUMBER


@register.filter
def compact(value: numbers.Number, unit: InUnit = "") -> SafeString:
    """A number at a glance, with all of it as its title."""
    short, whole = numbers.write(value, _unit(unit), language()), numbers.exact(value, _unit(unit), language())
    return format_html('<span title="{}">{}</span>', whole, short) if short != whole else format_html("{}", short)


@register.filter
def short(value: numbers.Number, unit: InUnit = "") -> str:
    """A number at a glance, where a title would be too much."""
    return numbers.write(value, _unit(unit), language())


@register.filter
def exact(value: numbers.Number, unit: InUnit = "") -> str:
    return numbers.exact(value, _unit(unit), language())


@register.filter
def in_full(value: numbers.Number, unit: InUnit = "") -> SafeString | str:
    """All of a number; if that is long, below what it is at a glance."""
    whole = exact(value, unit)
    if len(whole) <= LONGEST_IN_ONE_LINE:
        return whole
    return format_html('{}<br><span class="shm-exact">{}</span>', short(value, unit), whole)


@register.filter
def told(value: Any, unit: InUnit = "") -> str:
    """A value by its shape: a number in its unit, a text as it is, anything else as JSON."""
    return exact(value, unit) if is_number(value) else reports.as_text(value)


@register.filter
def percent(share: float) -> str:
    """A share of 0 to 1; less than half a percent is said to be so instead of rounded to nothing."""
    return numbers.share(share, language())


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
def span(length: timedelta) -> str:
    """A length of time in words."""
    return words.span(length)


@register.filter
def unlocalized(number: float) -> str:
    """For SVG: a number as it is written there, whatever the language."""
    return f"{number:g}"


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
def metric_cells(instance: Instance, table: InstanceTable) -> SafeString:
    """The cells of an instance's metrics, a column each. In one piece: a table has a thousand of them."""
    cells = ((_cell(instance.metrics.get(key), table.catalogue[key].unit),) for key in table.keys)
    return format_html_join("", '<td class="shm-number">{}</td>', cells)


def _cell(value: Any, unit: str) -> SafeString | str:
    """A value by its shape, and a dash for none."""
    if value is None:
        return NOTHING
    if is_number(value):
        return compact(value, unit)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) <= LONGEST_CELL:
        return text
    return format_html('<span title="{}">{}…</span>', text[:500], text[: LONGEST_CELL - 1])


@register.filter
def rows(chart: Chart) -> SafeString:
    """The rows of the table behind a chart, newest first; in one piece, as there are hundreds."""
    units = chart.units
    lines = ((utc(at), _number_cells(values, units)) for at, *values in reversed(chart.rows()))
    row = "<tr><td>{}</td>{}</tr>"
    return format_html_join("", row, lines)


def _number_cells(values: list[numbers.Number | None], units: list[Unit]) -> SafeString:
    cells = (
        ("–" if value is None else numbers.exact(value, unit, language()),)
        for value, unit in zip(values, units, strict=True)
    )
    return format_html_join("", '<td class="shm-number">{}</td>', cells)


@register.simple_tag
def address(table: InstanceTable | HistoryTable, **changes: Any) -> str:
    return table.address(**changes)


@register.simple_tag
def sort_address(table: InstanceTable, column: Column) -> str:
    return table.sort_address(column)
