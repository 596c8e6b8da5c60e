"""Filters for the pages: numbers, times and query strings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext

from dashboard import audit, numbers, reports, words
from dashboard.asking import EVERY_COLUMN
from dashboard.breakdowns import Breakdown
from dashboard.charts import Chart
from dashboard.columns import Column
from dashboard.history import HistoryTable
from dashboard.tables import InstanceTable
from instances.models import Instance
from instances.wire import format_timestamp
from metrics.flatten import is_number
from metrics.keys import Metric
from metrics.units import Unit

register = template.Library()

LONGEST_CELL = 40
LONGEST_IN_ONE_LINE = 12
LONGEST_HEADING = 32
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
def translated(text: str) -> str:
    """What a module that knows nothing of Django calls a thing (dashboard.texts), in the reader's language."""
    return gettext(text)


@register.filter
def in_words(entries: Iterable[LogEntry]) -> Iterable[LogEntry]:
    """Entries of the audit log, of which each says in the reader's language what was done."""
    for entry in entries:
        entry.change_message = audit.in_words(entry.change_message)
    return entries


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
def when(moment: datetime | None) -> SafeString | str:
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
def heading(column: Column) -> str:
    """A column's title; a metric's by its label."""
    return Truncator(column.label).chars(LONGEST_HEADING)


@register.filter
def cells(instance: Instance, table: InstanceTable) -> SafeString:
    """The cells of a row after the first. In one piece: a table has a thousand of them."""
    row = ((_class(column), _cell_of(column, table.value(instance, column))) for column in table.columns[1:])
    return format_html_join("", "<td{}>{}</td>", row)


RIGHT = mark_safe(' class="shm-number"')


def _class(column: Column) -> str:
    return RIGHT if column.is_number else ""


def _cell_of(column: Column, value: Any) -> SafeString | str:
    if column.is_time:
        return ago(value)
    if column.name in CHOICES:
        return str(CHOICES[column.name].get(value, "")) or NOTHING
    if column.name == "established":
        return gettext("Yes") if value else NOTHING
    return _cell(None if value == "" and not column.is_metric else value, column.unit)


# Their labels are read when a page is made, in its language.
CHOICES: dict[str, dict[Any, Any]] = {
    "state": dict(Instance.State.choices),
    "exclusion": dict(Instance.Exclusion.choices),
}


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
    lines = ((when(at), _number_cells(values, units)) for at, *values in reversed(chart.rows()))
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


@register.simple_tag
def address_of(table: InstanceTable, key: str, value: str) -> str:
    return table.address_of(key, value)


@register.simple_tag
def is_asked(table: InstanceTable, key: str, value: str) -> bool:
    return table.is_one(key, value)


@register.simple_tag
def is_folded_asked(table: InstanceTable, breakdown: Breakdown) -> bool:
    """Whether just those are asked for whose bar is behind the fold."""
    return any(table.is_one(breakdown.key, share.value) for share in breakdown.more)


@register.simple_tag
def address_all_columns(table: InstanceTable) -> str:
    return table.address(c=EVERY_COLUMN)


@register.simple_tag
def address_default_columns(table: InstanceTable) -> str:
    return table.address_default_columns()


@register.filter
def fields(table: InstanceTable, left_out: str) -> list[tuple[str, str]]:
    """The view as hidden fields of a form that has its own for the names that begin so."""
    return table.fields(*left_out.split())


@register.filter
def thousands(number: int) -> str:
    return numbers.exact(number)


LABEL = '<span class="shm-share-label">{}</span>'


@register.filter
def column_boxes(columns: Iterable[tuple[Column, bool]]) -> SafeString:
    """A box to tick for each column; in one piece, as there are hundreds."""
    boxes = (
        (column.name, mark_safe(" checked") if shown else "", column.hint, format_html(LABEL, heading(column)))
        for column, shown in columns
    )
    box = '<label title="{2}"><input type="checkbox" name="c" value="{0}"{1}>{3}</label>'
    return format_html_join("", box, boxes)
