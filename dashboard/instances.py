"""What an instance's page shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.http import QueryDict

from dashboard.charts import Chart, Line, Series, instance_history
from dashboard.history import newest_of
from dashboard.sheets import Sheet
from instances.models import Instance
from metrics import bounds
from metrics.flatten import flatten, is_number
from metrics.keys import Metric
from metrics.models import MetricSetting, Snapshot
from metrics.periods import PERIODS, Period

DEFAULT_PERIOD = PERIODS["30d"]
# More than are counted, because arrays and nulls are shown as well.
SHOWN_LEAVES = 2 * bounds.MAX_KEYS


@dataclass(frozen=True)
class Value:
    """One leaf of the newest snapshot."""

    metric: Metric
    value: Any
    series: Series | None

    @property
    def key(self) -> str:
        return self.metric.key

    @property
    def label(self) -> str:
        return self.metric.label

    @property
    def is_number(self) -> bool:
        return is_number(self.value)

    @property
    def text(self) -> str:
        """A string as it is; anything else as JSON, whatever its shape."""
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)


class InstancePage:
    def __init__(self, instance: Instance, query: QueryDict, now: datetime) -> None:
        self.instance = instance
        self.at = now
        self.period: Period = PERIODS.get(query.get("period", ""), DEFAULT_PERIOD)
        self.periods = list(PERIODS.values())
        self.latest = Snapshot.objects.newest_of(instance)
        self.keys = list(instance.keys.all())
        self.events, self.has_older_events = newest_of(instance)
        self.catalogue = MetricSetting.objects.metrics_of(instance.application)
        leaves = flatten(self.latest.metrics) if self.latest else {}
        self.values = bounds.first_keys(leaves, SHOWN_LEAVES)
        self.not_shown = len(leaves) - len(self.values)
        # Business metrics first: the first of them is what the chart shows unasked.
        self.numbers = [key for key in self.catalogue.ordered(self.values) if is_number(self.values[key])]
        metric = query.get("metric")
        self.metric = metric if metric in self.numbers else next(iter(self.numbers), None)

    @property
    def is_active(self) -> bool:
        instance = self.instance
        return (
            instance.state == Instance.State.ACTIVE
            and instance.last_report_at is not None
            and instance.last_report_at >= instance.application.active_since(self.at)
        )

    @property
    def condition(self) -> str:
        """In one word, what the instance is: waiting (for approval), pending, revoked, excluded, active or silent."""
        if self.instance.is_waiting:
            return "waiting"
        if self.instance.state != Instance.State.ACTIVE:
            return self.instance.state
        if self.instance.exclusion:
            return "excluded"
        return "active" if self.is_active else "silent"

    @cached_property
    def history(self) -> dict[str, Series]:
        since = self.at - self.period.step * self.period.steps if self.period.steps else self.instance.registered_at
        return instance_history(self.instance, min(since, self.at - timedelta(hours=1)))

    @cached_property
    def groups(self) -> list[tuple[str, list[Value]]]:
        """The newest snapshot's leaves: business, then system."""
        business, system = self.catalogue.grouped(self.values)
        titled = [("Metrics", business), ("System", system)]
        return [(title, [self._value(key) for key in group]) for title, group in titled if group]

    def _value(self, key: str) -> Value:
        return Value(self.catalogue[key], self.values[key], self.history.get(key))

    @cached_property
    def chart(self) -> Chart | None:
        if self.metric not in self.history:
            return None
        metric, series = self.catalogue[self.metric], self.history[self.metric]
        return Chart("history", metric.label, [Line(metric.label, series, unit=metric.unit)])

    @property
    def sheets(self) -> list[Sheet]:
        return [self.chart.sheet] if self.chart else []

    @property
    def chart_title(self) -> str:
        return self.catalogue[self.metric].label if self.metric is not None else ""

    @property
    def raw(self) -> str:
        """The newest snapshot's metrics as they were sent, indented."""
        return json.dumps(self.latest.metrics, indent=2, ensure_ascii=False) if self.latest else ""
