"""What charts and sparklines show: series of points, the last of which is the number on the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.numbers import Number, change
from instances.models import Application, Instance
from metrics.census import Census, counted, sums
from metrics.flatten import flatten, is_number
from metrics.history import Period, replay
from metrics.models import Snapshot

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 32
SPARKLINE_LEAST_SPAN = 0.25  # Of the largest value.
MAX_POINTS = 400


@dataclass(frozen=True)
class Point:
    at: datetime
    value: Number | None  # None: nobody reported the metric then.


@dataclass(frozen=True)
class Series:
    """Points, oldest first."""

    points: list[Point]

    @property
    def values(self) -> list[Number]:
        return [point.value for point in self.points if point.value is not None]

    @property
    def change(self) -> str:
        """From the first value to the last, as a signed percentage."""
        return change(self.values[0], self.values[-1]) if len(self.values) > 1 else ""

    @property
    def sparkline(self) -> str:
        """The points of an SVG polyline in a box of SPARKLINE_WIDTH by SPARKLINE_HEIGHT; "" for fewer than two."""
        return sparkline(self.points)

    def data(self) -> list[list[Any]]:
        """What the page's script draws: [milliseconds since the epoch, value or null] a point."""
        return [[int(point.at.timestamp() * 1000), drawable(point.value)] for point in self.points]


def drawable(value: Number | None) -> Number | None:
    """A value that a script's doubles can hold; a sum of large ones may be beyond them."""
    try:
        float(value or 0)
    except OverflowError:
        return None
    return value


def sparkline(points: Sequence[Point]) -> str:
    known = [(point.at, float(value)) for point in points if (value := drawable(point.value)) is not None]
    if len(known) < 2 or points[0].at == points[-1].at:
        return ""
    values = [value for _, value in known]
    low, high = min(values) / 2, max(values) / 2  # Halved, because the difference of two doubles can be beyond one.
    # A change of a few percent should not look like a collapse.
    span = max(high - low, SPARKLINE_LEAST_SPAN * max(abs(high), abs(low))) or 1.0
    middle = (high + low) / 2
    places = []
    for at, value in known:
        x = SPARKLINE_WIDTH * ((at - points[0].at) / (points[-1].at - points[0].at))
        y = SPARKLINE_HEIGHT / 2 - (value / 2 - middle) / span * (SPARKLINE_HEIGHT - 4)
        places.append(f"{x:.1f},{y:.1f}")
    return " ".join(places)


def fleet_history(application: Application, period: Period, census: Census) -> dict[str | None, Series]:
    """Each metric's series over the period, and under None that of active instances. The census is the last point."""
    first = Instance.objects.filter(application=application).first_report_at() or census.at
    columns: list[tuple[datetime, dict[str | None, Number]]] = []
    for at, states in replay(application, period.closings(census.at, first), period.trunc):
        fleet = counted(states, application.active_since(at))
        then: dict[str | None, Number] = {None: len(fleet)}
        then.update(sums(fleet).items())
        columns.append((at, then))
    now: dict[str | None, Number] = {key: figures["sum"] for key, figures in census.figures.items()}
    columns.append((census.at, {**now, None: census.active}))
    keys = {key for _, values in columns for key in values}
    return {key: Series([Point(at, values.get(key)) for at, values in columns]) for key in keys}


def instance_history(instance: Instance, since: datetime) -> dict[str, Series]:
    """Each number that the instance has reported since then, at most MAX_POINTS points each, evenly thinned."""
    rows = list(
        Snapshot.objects.filter(instance=instance, timestamp__gte=since)
        .order_by("timestamp")
        .values_list("timestamp", "metrics")
    )
    stride = -(-len(rows) // MAX_POINTS) or 1
    # Counted from the end, so that the newest one is always among them.
    kept = [(at, flatten(metrics)) for at, metrics in reversed(rows[::-1][::stride])]
    keys = {key for _, flat in kept for key, value in flat.items() if is_number(value)}
    return {
        key: Series([Point(at, flat[key] if is_number(flat.get(key)) else None) for at, flat in kept]) for key in keys
    }
