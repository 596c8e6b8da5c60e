"""What one instance has reported over a time: at most so many snapshots, and what they say of each key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import get_language

from dashboard.charts import MAX_POINTS, Point, Series
from dashboard.numbers import Number, change
from instances.models import Instance
from metrics import periods
from metrics.flatten import is_number, scalars
from metrics.keys import Metric
from metrics.models import Snapshot

# So many points are more than a sparkline has pixels to tell apart.
SPARKLINE_POINTS = 60


@dataclass(frozen=True)
class Report:
    at: datetime
    version: str
    values: dict[str, Any]


@dataclass(frozen=True)
class TextChange:
    """A text or a boolean that was another one in the report before. None: it was not reported."""

    at: datetime
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    """One metric in two reports; None where it is not in one of them."""

    metric: Metric
    before: Any
    after: Any

    @property
    def change(self) -> str:
        return changed(self.before, self.after)

    @property
    def weight(self) -> tuple[int, float]:
        """The more telling, the larger: what came or went, what says another thing, what has changed by much."""
        if self.before is None or self.after is None:
            return 2, 0
        if not (is_number(self.before) and is_number(self.after)):
            return 1, 0
        before, after = float(self.before), float(self.after)
        # Halved, because the difference of two doubles can be beyond one.
        return 0, abs(after / 2 - before / 2) / max(abs(before), abs(after), 1e-300)


def between(instance: Instance, since: datetime, until: datetime) -> list[Report]:
    """At most MAX_POINTS reports, evenly apart in time, the newest among them."""
    edges = periods.edges(since, until, MAX_POINTS)
    rows = Snapshot.objects.spread(instance, edges).values_list("timestamp", "app_version", "metrics")
    return [Report(at, version, scalars(metrics)) for at, version, metrics in rows]


def newest(instance: Instance, until: datetime) -> Report | None:
    """The newest one that is not after `until`."""
    snapshot = Snapshot.objects.newest_of(instance, until)
    return Report(snapshot.timestamp, snapshot.app_version, scalars(snapshot.metrics)) if snapshot else None


def series(reports: Sequence[Report], key: str) -> Series:
    """The numbers under a key; None where a report has none."""
    return Series([Point(report.at, _number(report.values.get(key))) for report in reports])


def thinned(reports: Sequence[Report], at_most: int = SPARKLINE_POINTS) -> list[Report]:
    """Every so many-th, counted from the newest, which is always among them."""
    stride = -(-len(reports) // at_most) or 1
    return list(reports[::-1][::stride][::-1])


def text_changes(reports: Iterable[Report], key: str) -> list[TextChange]:
    """When the text under a key became another one, newest first. The first report of all changes nothing."""
    found: list[TextChange] = []
    before: Report | None = None
    for report in reports:
        if before is not None and _differs(before.values.get(key), report.values.get(key)):
            found.append(TextChange(report.at, before.values.get(key), report.values.get(key)))
        before = report
    return found[::-1]


def differences(before: Report, after: Report, metrics: Iterable[Metric]) -> list[Difference]:
    """Those of the metrics whose values differ, the most telling first."""
    found = [Difference(metric, before.values.get(metric.key), after.values.get(metric.key)) for metric in metrics]
    found = [difference for difference in found if _differs(difference.before, difference.after)]
    return sorted(found, key=lambda difference: difference.weight, reverse=True)


def changed(before: Any, after: Any) -> str:
    """By how much a number has changed, as a signed percentage; "" where one of the two is none."""
    return change(before, after, get_language() or "en") if is_number(before) and is_number(after) else ""


def as_text(value: Any) -> str:
    """A string as it is; anything else as JSON, whatever its shape."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _differs(one: Any, other: Any) -> bool:
    # To Python true is 1 and 1 is 1.0; what is shown of the first two differs.
    return one != other or isinstance(one, bool) != isinstance(other, bool)


def _number(value: Any) -> Number | None:
    return value if is_number(value) else None
