"""The two pictures of the lifecycle page: what came and went as bars, and how many stay as a curve over their age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.translation import get_language, gettext

from dashboard.charts import Chart, Line, Marker, Point, Series
from dashboard.numbers import Number, compact, share
from dashboard.sheets import Sheet
from metrics.lifecycle import Flow, Survival
from metrics.units import Unit

# What each of the lines looks like, in their order; the last is drawn as a line over the bars.
SIGNS = ("new", "returned", "gone", "other", "net")


def hundredths(part: float) -> int:
    """A share of 0 to 1 in whole percents: all and nothing are said of all and nothing alone."""
    return round(part * 100) if part in (0, 1) else min(max(round(part * 100), 1), 99)


def percent(part: float) -> str:
    return share(hundredths(part) / 100, get_language() or "en")


def count(value: Number) -> str:
    return compact(value, get_language() or "en")


def difference(value: Number) -> str:
    """With its sign."""
    return f"+{count(value)}" if value > 0 else count(value)


@dataclass(frozen=True)
class FlowChart(Chart):
    """Bars above zero for those that came and below for those that left, and a line for the difference. A point's time
    is the beginning of its bar."""

    flows: Sequence[Flow] = ()

    @classmethod
    def of(cls, flows: Sequence[Flow], title: str, markers: Sequence[Marker] = ()) -> FlowChart:
        columns = {
            gettext("New"): [flow.new for flow in flows],
            gettext("Returned"): [flow.returned for flow in flows],
            gettext("Gone"): [None if flow.gone is None else -flow.gone for flow in flows],
            gettext("Other"): [flow.other for flow in flows],
            gettext("Net"): [flow.net for flow in flows],
        }
        starts = [flow.start for flow in flows]
        lines = [
            Line(label, Series([Point(at, value) for at, value in zip(starts, values, strict=True)]))
            for label, values in columns.items()
        ]
        return cls("flows", title, lines, markers=markers, flows=flows)

    @property
    def has_one_point(self) -> bool:
        """A bar is seen however few there are."""
        return False

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Without what nowhere is anything of."""
        signs = zip(SIGNS, self.lines, strict=True)
        return [(sign, line.label) for sign, line in signs if sign == "net" or any(line.series.values)]

    @property
    def step(self) -> timedelta:
        """How long a bar lasts; the oldest may be shorter."""
        return self.flows[-1].end - self.flows[-1].start

    def data(self) -> dict[str, Any]:
        made = super().data()
        for sign, line in zip(SIGNS, made["lines"], strict=True):
            line["sign"] = sign
        return {**made, "kind": "bars", "step": self.step // timedelta(milliseconds=1)}

    @property
    def units(self) -> list[Unit]:
        return [*super().units, Unit.NUMBER]

    @property
    def sheet(self) -> Sheet:
        titles = [line.label for line in self.lines]
        return Sheet(self.name, self.title, [gettext("From"), *titles, gettext("Active at the end")], self.rows())

    def rows(self) -> list[list[Any]]:
        """Signed as they are drawn, so that each row adds up."""
        return [[*row, flow.active] for row, flow in zip(super().rows(), self.flows, strict=True)]


@dataclass(frozen=True)
class StayChart:
    """The share that is still there by age, and that of as long a time before for comparison."""

    stays: Sequence[Survival]
    before: Sequence[Survival]

    name = "stays"

    @property
    def title(self) -> str:
        return gettext("How many stay")

    @property
    def script_id(self) -> str:
        return f"chart-{self.name}"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(what its sign looks like, its name), if there is something to compare with."""
        return [("1", gettext("Still there")), ("faint", gettext("As long a time before"))] if self.before else []

    def data(self) -> dict[str, Any]:
        """What the page's script draws, over weeks."""
        lines = [{"label": gettext("Still there"), "faint": False, "points": _points(self.stays)}]
        # Beyond the newer one there is nothing to compare.
        before = [stay for stay in self.before if stay.age <= self.stays[-1].age]
        if before:
            lines.append({"label": gettext("As long a time before"), "faint": True, "points": _points(before)})
        for line in lines:
            line["unit"] = Unit.RATIO
        return {"kind": "line", "over": "weeks", "unit": Unit.RATIO, "lines": lines, "bands": [], "markers": []}

    @property
    def table(self) -> list[tuple[Survival, str, str]]:
        """What people read, by age: the share, and what it was before."""
        return [(stay, _written(stay), _written(self._before.get(stay.age))) for stay in self.stays]

    @property
    def sheet(self) -> Sheet:
        columns = [gettext("Weeks"), gettext("Instances"), gettext("Share still there")]
        columns += [gettext("Instances before"), gettext("Share still there before")]
        rows = [[stay.age, stay.size, stay.share, *self._values_before(stay.age)] for stay in self.stays]
        return Sheet(self.name, self.title, columns, rows)

    @property
    def _before(self) -> dict[int, Survival]:
        return {stay.age: stay for stay in self.before}

    def _values_before(self, age: int) -> list[Any]:
        stay = self._before.get(age)
        return [stay.size, stay.share] if stay else [None, None]


def _points(stays: Sequence[Survival]) -> list[list[Any]]:
    return [[stay.age, stay.share] for stay in stays]


def _written(stay: Survival | None) -> str:
    return "–" if stay is None else percent(stay.share)
