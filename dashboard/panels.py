"""What stands around the instance table: what is asked for, and what else could be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language, gettext

from dashboard import asking, numbers
from dashboard.asking import Pair
from dashboard.breakdowns import Breakdown, readable
from dashboard.columns import Column
from dashboard.narrowing import STATE_FILTERS, StateFilter
from dashboard.tables import InstanceTable
from metrics.census import Census
from metrics.keys import Metric, Metrics
from metrics.models import MetricSetting
from metrics.units import Unit

# The panel helps to find one's way; what it leaves out can be asked for by the bars, or in the address.
VALUES_SHOWN = 12
DIMENSIONS_SHOWN = 16
BOUNDS_SHOWN = 12
IGNORED_SHOWN = 10
COLUMNS_NAMED = 12


# Their names are read when a page is made, in its language.
UNITS: dict[str, Any] = dict(MetricSetting._meta.get_field("unit").flatchoices)


@dataclass(frozen=True)
class Chip:
    """One condition of the view, and the address without it."""

    label: str
    text: str
    address: str


@dataclass(frozen=True)
class Choice:
    value: str
    label: Any
    count: int | None
    checked: bool


@dataclass(frozen=True)
class Choices:
    """The values of one dimension to choose from. `left_out` are so many more that there are."""

    name: str
    label: Any
    choices: list[Choice]
    left_out: int = 0


@dataclass(frozen=True)
class Bounds:
    """The two fields for the numbers of one metric."""

    metric: Metric
    least: str
    most: str

    @property
    def unit(self) -> str:
        """What the numbers are sent in, and so asked for in; "" for plain ones."""
        return "" if self.metric.unit == Unit.NUMBER else str(UNITS[self.metric.unit])


class Panel:
    """`breakdowns` are the dimensions of the census, in their order."""

    def __init__(self, table: InstanceTable, census: Census, breakdowns: list[Breakdown]) -> None:
        self.table = table
        self.census = census
        self.breakdowns = breakdowns

    # What is asked for

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(*words(pair, self.table.catalogue), self.table.address_without(*pair))
            for pair in self.table.asked.conditions
            if pair[0] != "q" and not self._is_shown_as_state(pair)
        ]

    @property
    def ignored(self) -> list[str]:
        """What the address asks for that means nothing."""
        return [f"{name}={text}" for name, text in self.table.asked.ignored[:IGNORED_SHOWN]]

    def _is_shown_as_state(self, pair: Pair) -> bool:
        """Whether the row of states says so already."""
        return pair[0] == "state" and len(self.table.states) == 1 and self.table.states[0].is_chip

    # What else could be

    @property
    def states_shown(self) -> list[tuple[StateFilter, bool]]:
        """Those above the table, each with whether it is the one that is asked for."""
        asked = self.table.states
        shown = [state for state in STATE_FILTERS if state.is_chip]
        return [(state, asked == [state] if state.name != "all" else not asked) for state in shown]

    @property
    def states(self) -> Choices:
        counts = {name: getattr(self.census, name) for name in _COUNTED}
        counts["excluded"] = sum(self.census.excluded.values())
        choices = [
            Choice(state.name, state.title, counts.get(state.name), state in self.table.states)
            for state in STATE_FILTERS[1:]
        ]
        return Choices("state", gettext("State"), choices)

    @property
    def dimensions(self) -> list[Choices]:
        asked = self.table.asked.by_key(asking.VALUE)
        known = {breakdown.key: breakdown for breakdown in self.breakdowns}
        chosen = [key for key in asked if key not in list(known)[:DIMENSIONS_SHOWN]]
        return [
            self._choices(known.get(key) or Breakdown(self.table.catalogue[key], []), asked.get(key, []))
            for key in [*list(known)[:DIMENSIONS_SHOWN], *chosen]
        ]

    def _choices(self, breakdown: Breakdown, asked: list[str]) -> Choices:
        counts = {share.value: share.count for share in breakdown.every if not share.is_folded}
        # Those that are asked for are always there, to be taken back.
        listed = dict.fromkeys([*list(counts)[:VALUES_SHOWN], *asked])
        choices = [Choice(value, readable(value), counts.get(value, 0), value in asked) for value in listed]
        left_out = sum(share.values for share in breakdown.every) - sum(value in counts for value in listed)
        return Choices(asking.VALUE + breakdown.key, breakdown.label, choices, left_out)

    @property
    def bounds(self) -> list[Bounds]:
        """Of the metrics that have a column, and of those that are bounded already."""
        least, most = self.table.asked.by_key(asking.LEAST), self.table.asked.by_key(asking.MOST)
        columns = [column.key for column in self.table.columns if column.is_number][:BOUNDS_SHOWN]
        return [
            Bounds(self.table.catalogue[key], next(iter(least.get(key, [])), ""), next(iter(most.get(key, [])), ""))
            for key in dict.fromkeys([*columns, *least, *most])
        ]

    @property
    def columns(self) -> Iterator[tuple[Column, bool]]:
        """Every column but the first, with whether it is shown."""
        shown = {column.name for column in self.table.columns}
        return ((column, column.name in shown) for column in self.table.every_column[1:])


_COUNTED = ("active", "established", "new", "returned", "reporting", "silent", "revoked", "pending")


def words(pair: Pair, catalogue: Metrics) -> tuple[str, str]:
    """A condition as people read it: what it is about, and what it wants."""
    name, text = pair
    if name == "q":
        return gettext("Search"), text
    if name == "state":
        return gettext("State"), next(str(state.title) for state in STATE_FILTERS if state.name == text)
    prefix, _, key = name.partition(".")
    if prefix == "f":
        return catalogue[key].label, readable(text)
    return catalogue[key].label, f"{'≥' if prefix == 'min' else '≤'} {_as_read(text, catalogue[key])}"


def description(table: InstanceTable) -> list[tuple[str, str]]:
    """A view in words: its conditions, what it is sorted by and what it shows."""
    said = [words(pair, table.catalogue) for pair in table.asked.conditions]
    titles = {column.name: column for column in table.every_column}
    if sort := table.asked.first("sort"):
        column = titles[sort.removeprefix("-")]
        said.append((gettext("Sorted by"), f"{column.label} {'↓' if sort.startswith('-') else '↑'}"))
    if table.asked.all("c"):
        said.append((gettext("Columns"), ", ".join(column.label for column in table.columns[1:][:COLUMNS_NAMED])))
    return said


def _as_read(text: str, metric: Metric) -> str:
    """A number as the cells of its column write it, 5,000 for 5000 and 5e3."""
    value = asking.number(text)
    return (
        text
        if value is None
        else numbers.exact(int(value) if value.is_integer() else value, metric.unit, get_language() or "en")
    )
