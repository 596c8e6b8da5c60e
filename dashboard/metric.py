"""What the page of one metric shows: how it went, how it is spread over the fleet, and who reports how much of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import Http404, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.charts import Band, Chart, Line, Point, Series, figures_before, metric_figures, release_markers
from dashboard.numbers import Number
from dashboard.sheets import Sheet
from instances.models import Application, Instance
from metrics import splits, taking
from metrics.census import DESCRIPTION
from metrics.figures import Figures
from metrics.keys import Metric
from metrics.models import MetricSetting
from metrics.periods import PERIODS, Period
from metrics.splits import Group, Reporter
from metrics.units import Unit

DEFAULT_PERIOD = PERIODS["30d"]
DEFAULT_SPLIT = "app_version"
GROUPS, TOP = 12, 10
SPLITS_SHOWN = 8


@dataclass(frozen=True)
class Measure:
    """One number that is drawn over time."""

    name: str
    title: str | Promise
    of: Callable[[Figures], Number]
    note: str | Promise = ""


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("sum", _("Sum"), lambda figures: figures["sum"], _("over all active instances")),
        Measure("mean", _("Mean"), lambda figures: figures["mean"], _("for each that reports it")),
        Measure("median", _("Median"), lambda figures: figures["median"], _("half of them report less, half more")),
        Measure("maximum", _("Maximum"), lambda figures: figures["max"], _("the largest that any reports")),
        Measure("minimum", _("Minimum"), lambda figures: figures["min"], _("the smallest that any reports")),
        Measure("reporters", _("Instances that report it"), lambda figures: figures["reporters"]),
    )
}
# Around the median, the two bands in which half and nine tenths of the fleet are.
BANDS: list[tuple[str | Promise, Callable[[Figures], Number], Callable[[Figures], Number]]] = [
    (_("5th to 95th percentile"), lambda figures: figures["p5"], lambda figures: figures["p95"]),
    (_("25th to 75th percentile"), lambda figures: figures["p25"], lambda figures: figures["p75"]),
]

# The figures of each group that the fleet is split into.
SPLIT: dict[str, str | Promise] = {
    "reporters": _("Instances"),
    "sum": _("Sum"),
    "mean": _("Mean"),
    "median": _("Median"),
    "p25": _("25th percentile"),
    "p75": _("75th percentile"),
}


class MetricPage:
    """What the address asks for: `key`, `period`, `of` (a measure), `before` and `split`. Raises Http404 for a key
    that no active instance reports as a number, or that is hidden."""

    def __init__(self, application: Application, query: QueryDict, now: datetime) -> None:
        self.application = application
        self.query = query
        self.census = taking.present(application, now)
        self.catalogue = MetricSetting.objects.metrics_of(application)
        self.key = query.get("key", "")
        if self.key not in self.catalogue.ordered(self.census.figures):
            raise Http404(
                "No active instance reports such a number now. Go back to the application, which lists all keys."
            )
        self.metric = self.catalogue[self.key]
        self.figures = self.census.figures[self.key]
        self.period: Period = PERIODS.get(query.get("period", ""), DEFAULT_PERIOD)
        self.measure = next((each for each in self.measures if each.name == query.get("of")), self.headline)
        self.compares = query.get("before") == "1" and self.period.steps is not None
        asked = query.get("split", DEFAULT_SPLIT)
        self.split_by = asked if asked in self.dimensions else DEFAULT_SPLIT

    @property
    def title(self) -> str:
        return self.metric.label

    @property
    def headline(self) -> Measure:
        """The measure that stands for the metric everywhere else."""
        return MEASURES[self.metric.aggregation]

    @property
    def now(self) -> list[tuple[Measure, Number]]:
        """The headline, then the other measures that say something: of a single instance all are the same, and what is
        not to be added up has no sum."""
        names = ["sum", "median", "mean"] if self.metric.is_sum else ["median", "mean"]
        if self.figures["reporters"] == 1:
            names = []
        measures = [self.headline, *(MEASURES[name] for name in names if name != self.headline.name)]
        return [(measure, measure.of(self.figures)) for measure in measures]

    @property
    def periods(self) -> list[Period]:
        return list(PERIODS.values())

    @property
    def measures(self) -> list[Measure]:
        """What can be drawn; what is not to be added up has no sum here either."""
        return [measure for measure in MEASURES.values() if measure.name != "sum" or self.metric.is_sum]

    @property
    def reach(self) -> float:
        """Which share of the active instances reports it, 0 to 1."""
        return self.figures["reporters"] / self.census.active

    @property
    def strays(self) -> int:
        """How many send something else than a number under the key."""
        return self.census.strays.get(self.key, 0)

    @cached_property
    def dimensions(self) -> dict[str, Metric]:
        """By what it can be split, by key: what instances say of themselves first."""
        said = self.census.dimensions
        own = [name for name in DESCRIPTION if name in said or name == DEFAULT_SPLIT]
        others = self.catalogue.ordered(said.keys() - DESCRIPTION.keys() - {self.key})
        return {key: self.catalogue[key] for key in [*own, *others]}

    @property
    def splits(self) -> list[Metric]:
        """By what it can be split at a glance, which has what it is split by among it."""
        return [each for place, each in enumerate(self.dimensions.values()) if self._is_offered(place, each)]

    @property
    def splits_folded(self) -> list[Metric]:
        return [each for place, each in enumerate(self.dimensions.values()) if not self._is_offered(place, each)]

    def _is_offered(self, place: int, dimension: Metric) -> bool:
        return place < SPLITS_SHOWN or dimension.key == self.split_by

    @cached_property
    def _history(self) -> list[tuple[datetime, Figures | None]]:
        return metric_figures(self.application, self.key, self.period, self.census)

    @cached_property
    def chart(self) -> Chart:
        history = self._history
        unit = Unit.NUMBER if self.measure.name == "reporters" else self.metric.unit
        lines = [Line(str(self.measure.title), _series(history, self.measure.of), unit=unit)]
        if self.compares:
            before = figures_before(self.application, self.key, self.period, self.census)
            lines.append(Line(gettext("The period before"), _series(before, self.measure.of), faint=True, unit=unit))
        bands = [Band(str(title), _series(history, low), _series(history, high)) for title, low, high in BANDS]
        shows_spread = self.measure.name in ("mean", "median")
        markers = release_markers(self.application, lines[:1], self.census.at)
        title = f"{self.title}: {self.measure.title}"
        return Chart("history", title, lines, bands=bands if shows_spread else (), markers=markers)

    @property
    def change(self) -> str:
        """Of the headline, from the beginning of the period to now, as a signed percentage; "" where that is not
        known."""
        return _series(self._history, self.headline.of).change

    @property
    def distribution(self) -> Sheet:
        columns = [gettext("From"), gettext("To"), gettext("Instances")]
        return Sheet("distribution", gettext("Distribution"), columns, self.figures["histogram"])

    @property
    def largest_bin(self) -> Number:
        return max(count for _low, _high, count in self.figures["histogram"])

    @property
    def last_edge(self) -> Number:
        return self.figures["histogram"][-1][1]

    @cached_property
    def _reporters(self) -> list[Reporter]:
        return splits.reporters(self.application, self.key, self.split_by, self.census.at)

    @cached_property
    def groups(self) -> list[Group]:
        return splits.split(self._reporters, GROUPS)

    @property
    def split_sheet(self) -> Sheet:
        columns = [self.dimensions[self.split_by].label, *(str(SPLIT[name]) for name in self._split)]
        rows = [
            [gettext("(others)") if said is None else said, *(value for value, _unit in values)]
            for said, values in self.split_rows
        ]
        return Sheet("split", f"{self.title}: {columns[0]}", columns, rows)

    @property
    def split_rows(self) -> list[tuple[str | None, list[tuple[Number, Unit]]]]:
        """What each group says, and its figures with what they are in."""
        units = [Unit.NUMBER if name == "reporters" else self.metric.unit for name in self._split]
        return [
            (said, [(figures[name], unit) for name, unit in zip(self._split, units, strict=True)])  # type: ignore[literal-required]
            for said, figures in self.groups
        ]

    @property
    def _split(self) -> list[str]:
        """The figures of each group; what is not to be added up has no sum here either."""
        return [name for name in SPLIT if name != "sum" or self.metric.is_sum]

    @cached_property
    def top(self) -> list[tuple[Reporter, Instance]]:
        """Who reports most of it."""
        most = splits.largest(self._reporters, TOP)
        rows = Instance.objects.in_bulk([reporter.id for reporter in most])
        return [(reporter, rows[reporter.id]) for reporter in most if reporter.id in rows]

    @property
    def top_sheet(self) -> Sheet:
        columns = [gettext("Instance"), gettext("Version"), self.title]
        rows = [[str(instance.pk), instance.app_version, reporter.value] for reporter, instance in self.top]
        return Sheet("most", gettext("Who reports most"), columns, rows)

    @property
    def sheets(self) -> list[Sheet]:
        return [self.chart.sheet, self.distribution, self.split_sheet, self.top_sheet]


def _series(history: list[tuple[datetime, Figures | None]], of: Callable[[Figures], Number]) -> Series:
    return Series([Point(at, of(figures) if figures else None) for at, figures in history])
