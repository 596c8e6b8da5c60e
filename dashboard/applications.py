"""What the application's page shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import QueryDict
from django.utils.translation import gettext

from dashboard.breakdowns import BREAKDOWNS_SHOWN, Breakdown, breakdowns
from dashboard.charts import (
    MAX_CHOSEN,
    Chart,
    Line,
    Series,
    active_history,
    fleet_history,
    metric_history,
    release_markers,
)
from dashboard.flags import Notice
from dashboard.panels import Panel
from dashboard.saved_views import SavedViews
from dashboard.sheets import Sheet
from dashboard.tables import InstanceTable
from instances.models import Application
from instances.slugs import slug_for
from metrics import taking
from metrics.census import Census
from metrics.figures import Figures, Number
from metrics.keys import Metric, OfMetric
from metrics.models import MetricSetting
from metrics.periods import PERIODS, Period
from metrics.units import Unit

CARD_PERIOD = PERIODS["30d"]
# So many cards are looked through at a glance; the rest would push all else of the page out of sight.
CARDS_SHOWN = 24


@dataclass(frozen=True)
class Card(OfMetric):
    """One metric at a glance."""

    figures: Figures
    strays: int
    series: Series
    drawn: bool
    others: list[str]  # What else is drawn.
    has_room: bool

    @property
    def value(self) -> Number:
        return self.metric.value(self.figures)

    @property
    def summary(self) -> str:
        """What its value is, where it is not the sum that one expects."""
        return "" if self.metric.is_sum else str(dict(MetricSetting.AGGREGATIONS)[self.metric.aggregation])

    @property
    def with_others(self) -> list[str]:
        """What is drawn once it is added."""
        return [*self.others, self.key]


class ApplicationPage:
    """The application's present, its last 30 days and the chart and table that the address asks for."""

    def __init__(
        self, application: Application, query: QueryDict, now: datetime, saved: SavedViews | None = None
    ) -> None:
        self.application = application
        self.saved = saved
        self.census: Census = taking.present(application, now)
        self.catalogue = MetricSetting.objects.metrics_of(application)
        self.keys = self.catalogue.ordered(self.census.keys)
        self.period: Period = PERIODS.get(query.get("period", ""), CARD_PERIOD)
        self.periods = list(PERIODS.values())
        asked = dict.fromkeys(query.getlist("metric"))
        self.metrics = [key for key in asked if key in self.census.figures and key in self.keys][:MAX_CHOSEN]
        self.as_change = query.get("as") == "change" and len(self.metrics) > 1
        self.table = InstanceTable(
            application,
            self.keys,
            query,
            now,
            self.catalogue,
            texts=self.census.dimensions,
            default=saved.default.query if saved and saved.default else "",
        )
        self.notice = Notice.of(application, now)
        self.rows = self.table.page()

    @cached_property
    def history(self) -> dict[str | None, Series]:
        return fleet_history(self.application, CARD_PERIOD, self.census, self.catalogue)

    @property
    def active(self) -> Series:
        return self.history[None]

    @cached_property
    def chart(self) -> Chart:
        drawn = [self.catalogue[key] for key in self.metrics]
        lines = [Line(metric.label, self._metric_series(metric), unit=metric.unit) for metric in drawn]
        if self.as_change:
            lines = [Line(line.label, line.series.relative, unit=Unit.RATIO) for line in lines]
        if not lines:
            lines = [Line(self.chart_title, self._active_series)]
        markers = release_markers(self.application, lines, self.census.at)
        return Chart("history", self.chart_title, lines, markers=markers)

    @property
    def sheets(self) -> list[Sheet]:
        return [self.chart.sheet, *(breakdown.sheet for breakdown in self.breakdowns)]

    def _metric_series(self, metric: Metric) -> Series:
        if self.period == CARD_PERIOD:
            return self.history[metric.key]
        return metric_history(self.application, metric, self.period, self.census)

    @property
    def _active_series(self) -> Series:
        if self.period == CARD_PERIOD:
            return self.active
        return active_history(self.application, self.period, self.census)

    @property
    def policy(self) -> str:
        """Who may register, in a word."""
        return self.application.get_policy_display().lower()

    @property
    def chart_title(self) -> str:
        return ", ".join(self.catalogue[key].label for key in self.metrics) or gettext("Active instances")

    @property
    def metric(self) -> str | None:
        """The metric that is drawn, if it is one alone."""
        return self.metrics[0] if len(self.metrics) == 1 else None

    @cached_property
    def cards(self) -> tuple[list[Card], list[Card]]:
        """The business cards, and the system ones."""
        business, system = self.catalogue.grouped(self.census.figures)
        return [self._card(key) for key in business], [self._card(key) for key in system]

    @property
    def cards_shown(self) -> list[Card]:
        """The business cards that stand open on the page."""
        return self.cards[0][:CARDS_SHOWN]

    @property
    def cards_folded(self) -> list[Card]:
        """Those behind a fold, because there are so many."""
        return self.cards[0][CARDS_SHOWN:]

    @property
    def selects_folded(self) -> bool:
        return any(card.drawn for card in self.cards_folded)

    @property
    def name_in_code(self) -> str:
        """What the commands that send a first snapshot have to call the application, as Python and JSON write it."""
        name, slug = self.application.name, self.application.slug
        # Instances find it by its slug, which keeps the name that it once had.
        return json.dumps(name if slug_for(name) == slug else slug, ensure_ascii=False)

    def _card(self, key: str) -> Card:
        return Card(
            metric=self.catalogue[key],
            figures=self.census.figures[key],
            strays=self.census.strays.get(key, 0),
            series=self.history[key],
            drawn=key in self.metrics,
            others=[other for other in self.metrics if other != key],
            has_room=len(self.metrics) < MAX_CHOSEN,
        )

    @cached_property
    def breakdowns(self) -> list[Breakdown]:
        return breakdowns(self.census, self.catalogue)

    @property
    def panel(self) -> Panel:
        return Panel(self.table, self.census, self.breakdowns)

    @property
    def breakdowns_shown(self) -> list[Breakdown]:
        return self.breakdowns[:BREAKDOWNS_SHOWN]

    @property
    def breakdowns_folded(self) -> list[Breakdown]:
        return self.breakdowns[BREAKDOWNS_SHOWN:]
