"""What charts and sparklines show: series of points, the last of which is the number on the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.translation import get_language, gettext

from dashboard.numbers import Number, change, sign
from dashboard.sheets import Sheet
from instances.models import Application, Instance
from metrics import releases
from metrics.census import Census
from metrics.figures import Figures
from metrics.keys import Metric, Metrics
from metrics.models import ClosedCensus
from metrics.periods import Period, evenly
from metrics.units import Unit

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 32
SPARKLINE_LEAST_SPAN = 0.25  # Of the largest value.
MAX_POINTS = 400
# More lines than that on one chart, chosen by hand, are told apart by nobody.
MAX_CHOSEN = 6


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
        return change(self.values[0], self.values[-1], get_language() or "en") if len(self.values) > 1 else ""

    @property
    def relative(self) -> Series:
        """By which share each value differs from the first that is not zero: 0.5 for half as much again."""
        first = next((value for value in self.values if value), 0)
        return Series([Point(point.at, relative(point.value, first)) for point in self.points])

    @property
    def sparkline(self) -> str:
        """The points of an SVG polyline in a box of SPARKLINE_WIDTH by SPARKLINE_HEIGHT; "" for fewer than two."""
        return sparkline(self.points)

    def data(self) -> list[list[Any]]:
        """What the page's script draws: [milliseconds since the epoch, value or null] a point."""
        return [[milliseconds(point.at), drawable(point.value)] for point in self.points]


@dataclass(frozen=True)
class Line:
    """One series of a chart by its name. One that is `faint` stands behind the others, for comparison."""

    label: str
    series: Series
    faint: bool = False
    unit: Unit = Unit.NUMBER


@dataclass(frozen=True)
class Band:
    """What lies between two series, such as the middle half of a fleet. `low` and `high` are of the same times."""

    label: str
    low: Series
    high: Series


@dataclass(frozen=True)
class Marker:
    """What happened at one time, as a thin line across the chart: a release."""

    at: datetime
    label: str


def release_markers(application: Application, lines: Sequence[Line], until: datetime) -> list[Marker]:
    """The releases in the time of these lines."""
    since = min((line.series.points[0].at for line in lines if line.series.points), default=until)
    return [Marker(at, version) for at, version in releases.markers(application, since, until)]


@dataclass(frozen=True)
class Chart:
    """Lines over time, with the table of the same numbers.

    `name` is its address in the page and the name of what is taken away: letters, digits and hyphens. Lines are drawn
    beside each other, "stacked" on each other, or stacked as a "share" of their total.
    """

    name: str
    title: str
    lines: Sequence[Line]
    kind: Literal["line", "stacked", "share"] = "line"
    bands: Sequence[Band] = ()
    markers: Sequence[Marker] = ()

    @property
    def script_id(self) -> str:
        return f"chart-{self.name}"

    @property
    def has_one_point(self) -> bool:
        return all(len(line.series.values) <= 1 for line in self.lines)

    @property
    def unit(self) -> Unit:
        """What the axis is in: what all lines are in, or else plain numbers."""
        units = {line.unit for line in self.lines}
        return units.pop() if len(units) == 1 else Unit.NUMBER

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(what its sign looks like, its name) for all that is drawn, if that is more than one line."""
        signs = [("faint" if line.faint else str(place), line.label) for place, line in enumerate(self.lines, 1)]
        signs += [(f"band-{place}", band.label) for place, band in enumerate(self.bands, 1)]
        return signs if len(signs) > 1 else []

    def data(self) -> dict[str, Any]:
        """What the page's script draws. Times in milliseconds since the epoch."""
        return {
            "kind": self.kind,
            "unit": self.unit,
            "lines": [
                {"label": line.label, "faint": line.faint, "unit": line.unit, "points": line.series.data()}
                for line in self.lines
            ],
            "bands": [{"label": band.label, "low": band.low.data(), "high": band.high.data()} for band in self.bands],
            "markers": [[milliseconds(marker.at), marker.label] for marker in self.markers],
        }

    @property
    def sheet(self) -> Sheet:
        """One row for each time, oldest first, one column for each line and for either side of a band."""
        signs = [sign(unit, get_language() or "en") for unit in self.units]
        titles = [title for title, _ in self._columns()]
        heads = [f"{title} ({unit})" if unit else title for title, unit in zip(titles, signs, strict=True)]
        return Sheet(self.name, self.title, [gettext("Time"), *heads], self.rows())

    @property
    def units(self) -> list[Unit]:
        """What each column of the table is in, but for the time."""
        return [line.unit for line in self.lines] + [self.unit] * 2 * len(self.bands)

    def rows(self) -> list[list[Any]]:
        columns = [{point.at: point.value for point in series.points} for _, series in self._columns()]
        times = sorted({at for column in columns for at in column})
        return [[at, *(column.get(at) for column in columns)] for at in times]

    def _columns(self) -> Iterator[tuple[str, Series]]:
        for line in self.lines:
            yield line.label, line.series
        for band in self.bands:
            yield f"{band.label} ↓", band.low
            yield f"{band.label} ↑", band.high


def milliseconds(moment: datetime) -> int:
    """Since the epoch, as scripts count."""
    return int(moment.timestamp() * 1000)


def relative(value: Number | None, first: Number) -> float | None:
    """By which share a value differs from the first; None where that is not known or beyond a double."""
    try:
        return None if value is None else (value - first) / abs(first)
    except (OverflowError, ZeroDivisionError):
        return None


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


def fleet_history(
    application: Application, period: Period, census: Census, metrics: Metrics
) -> dict[str | None, Series]:
    """The series over the period of each metric of the census, which is the last point; under None, that of active
    instances."""
    closed = ClosedCensus.objects.filter(application=application).at_times(_times(application, period, census))
    now = {key: metrics[key].value(figures) for key, figures in census.figures.items()}
    columns = [*closed.headlines(metrics.figures(now)), (census.at, census.active, now)]
    history: dict[str | None, Series] = {None: Series([Point(at, active) for at, active, _ in columns])}
    for key in now:
        history[key] = Series([Point(at, numbers.get(key)) for at, _, numbers in columns])
    return history


def metric_history(application: Application, metric: Metric, period: Period, census: Census) -> Series:
    """One metric's series over the period; the census is the last point."""
    found = metric_figures(application, metric.key, period, census)
    return Series([Point(at, metric.value(figures) if figures else None) for at, figures in found])


def metric_figures(
    application: Application, key: str, period: Period, census: Census
) -> list[tuple[datetime, Figures | None]]:
    """One metric's figures over the period, None where nobody reported it; the census is the last."""
    closed = ClosedCensus.objects.filter(application=application).at_times(_times(application, period, census))
    return [*closed.figures_of(key), (census.at, census.figures.get(key))]


def figures_before(
    application: Application, key: str, period: Period, census: Census
) -> list[tuple[datetime, Figures | None]]:
    """One metric's figures over as long a time before the period, at the times of the period that they stand beside."""
    if period.steps is None:
        return []
    span = period.step * period.steps
    times = [at - span for at in _times(application, period, census)]
    closed = ClosedCensus.objects.filter(application=application).at_times(times)
    return [(at + span, figures) for at, figures in closed.figures_of(key)]


def active_history(application: Application, period: Period, census: Census) -> Series:
    """The series of active instances over the period; the census is the last point."""
    closed = ClosedCensus.objects.filter(application=application).at_times(_times(application, period, census))
    return Series([*(Point(at, active) for _, at, active in closed.active_counts()), Point(census.at, census.active)])


def _times(application: Application, period: Period, census: Census) -> list[datetime]:
    """The closings of the period that lie before the census, at most MAX_POINTS of them, evenly apart."""
    first = Instance.objects.filter(application=application).first_report_at() if period.steps is None else None
    closings = period.closings(census.at, first or census.at - period.step * MAX_POINTS)
    return [at for at in evenly(closings, MAX_POINTS) if at < census.at]
