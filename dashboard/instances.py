"""What an instance's page shows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext

from dashboard import reports
from dashboard.charts import MAX_CHOSEN, Chart, Line, Marker
from dashboard.conditions import Condition, condition
from dashboard.history import NEWEST
from dashboard.life import Life, version_name
from dashboard.ranks import rank
from dashboard.reports import Difference, Report, as_text
from dashboard.sheets import Sheet
from dashboard.values import Value, plain
from dashboard.versions import newest_share
from instances.models import Event, Instance, PublicKey
from instances.wire import Malformed, format_timestamp, parse_timestamp
from metrics import bounds, taking, versions
from metrics.census import Census
from metrics.flatten import flatten, is_number, without
from metrics.models import MetricSetting, Snapshot
from metrics.periods import PERIODS, Period
from metrics.rhythm import Rhythm
from metrics.units import Unit

DEFAULT_PERIOD = PERIODS["30d"]
# More than are counted, because arrays and nulls are shown as well.
SHOWN_LEAVES = 2 * bounds.MAX_KEYS
MAX_MARKERS = 12
# Of the times of its reports so many are read to say how regular they are.
RHYTHM_TIMES = 1000
SNAPSHOTS_LISTED = 20
DIFFERENCES_SHOWN = 20
STAND_OUTS_SHOWN = 5


@dataclass(frozen=True)
class Upgrade:
    """What differs between the last report of one version and the first of the next."""

    before: Report
    after: Report
    differences: list[Difference]

    @property
    def shown(self) -> list[Difference]:
        return self.differences[:DIFFERENCES_SHOWN]


class InstancePage:
    def __init__(self, instance: Instance, query: QueryDict, now: datetime) -> None:
        self.instance = instance
        self.query = query
        self.at = now
        self.period: Period = PERIODS.get(query.get("period", ""), DEFAULT_PERIOD)
        self.periods = list(PERIODS.values())
        self.latest = Snapshot.objects.newest_of(instance)
        self.keys = list(instance.keys.all())
        self.life = Life(instance, self.keys, now)
        self.catalogue = MetricSetting.objects.metrics_of(instance.application)
        leaves = flatten(self.latest.metrics) if self.latest else {}
        self.values = bounds.first_keys(leaves, SHOWN_LEAVES)
        self.not_shown = len(leaves) - len(self.values)
        # Business metrics first: the first of them is what the chart shows unasked.
        self.numbers = [key for key in self.catalogue.ordered(self.values) if is_number(self.values[key])]
        asked = dict.fromkeys(key for key in query.getlist("metric") if key in self.values)
        self.chosen = [key for key in asked if key in self.numbers][:MAX_CHOSEN] or self.numbers[:1]

        self.as_change = query.get("as") == "change" and len(self.chosen) > 1

    # What it is, and how

    @property
    def current_key(self) -> PublicKey | None:
        return next((key for key in self.keys if key.retired_at is None), None)

    @property
    def retired_keys(self) -> list[PublicKey]:
        return [key for key in self.keys if key.retired_at is not None]

    @cached_property
    def condition(self) -> Condition:
        return condition(self.instance, self.life.events, self.at)

    @property
    def events(self) -> list[Event]:
        """The newest lines of its history, newest first."""
        return self.life.events[::-1][:NEWEST]

    @property
    def has_older_events(self) -> bool:
        return len(self.life.events) > NEWEST

    @cached_property
    def since(self) -> datetime:
        """When the period began."""
        if self.period.steps is None:
            return self.life.start
        return min(self.at - self.period.step * self.period.steps, self.at - timedelta(hours=1))

    @cached_property
    def rhythm(self) -> Rhythm | None:
        """How regular its reports are, as far back in the period as all of them are kept."""
        since = max(self.since, taking.exact_since(self.at, settings.KEEP_ALL))
        return Rhythm.of(Snapshot.objects.newest_times_of(self.instance, since, RHYTHM_TIMES))

    @property
    def interval(self) -> timedelta:
        """Between its reports: its own, or else the one that the application asks for."""
        asked = timedelta(minutes=self.instance.application.report_minutes)
        return self.rhythm.interval if self.rhythm else asked

    @property
    def next_report_at(self) -> datetime | None:
        """When the next report is due; None of one that is turned away or has never reported."""
        last = self.instance.last_report_at
        if last is None or self.instance.state == Instance.State.REVOKED:
            return None
        return last + self.interval

    @property
    def next_in(self) -> timedelta | None:
        """How long until the next report is due; None if it is already, or if none is expected."""
        due = self.next_report_at
        return due - self.at if due and due > self.at else None

    @property
    def lifetime(self) -> timedelta | None:
        """From its first report to its newest."""
        first, last = self.instance.first_report_at, self.instance.last_report_at
        return last - first if first and last else None

    @property
    def overdue(self) -> int:
        """How many reports are missing since its last one."""
        last = self.instance.last_report_at
        return self.rhythm.overdue(last, self.at) if self.rhythm and last and self.next_report_at else 0

    @cached_property
    def census(self) -> Census:
        return taking.present(self.instance.application, self.at)

    @property
    def version_share(self) -> float | None:
        """Of the fleet, so much runs its version."""
        return self._share("app_version", self.instance.app_version)

    @cached_property
    def newer_version(self) -> str:
        """The newest version of the fleet; "" if it runs that or a newer one, or if none can be told."""
        newest = newest_share(self.census, self.instance.application)
        is_newer = newest and versions.rank(newest[0]) > versions.rank(self.instance.app_version)
        return newest[0] if newest and is_newer else ""

    @property
    def version_since(self) -> datetime | None:
        return self.life.bands[-1].first if self.life.bands else None

    # What it reports

    @cached_property
    def reports(self) -> list[Report]:
        end = max(self.at, self.instance.last_report_at or self.at)
        return reports.between(self.instance, self.since, end)

    @cached_property
    def baseline(self) -> Report | None:
        """What the newest report is compared with: the one with which the period began, or the first in it."""
        before = reports.newest(self.instance, self.since)
        first = before or next(iter(self.reports), None)
        return first if first and self.latest and first.at < self.latest.timestamp else None

    @cached_property
    def groups(self) -> list[tuple[str, list[Value]]]:
        """The newest snapshot's leaves: business numbers, system numbers, and all that is no number."""
        business, system = self.catalogue.grouped(self.numbers)
        rest = [key for key in self.catalogue.ordered(self.values) if key not in set(self.numbers)]
        titled = [(gettext("Metrics"), business), (gettext("System"), system), (gettext("Dimensions"), rest)]
        return [(title, [self._value(key) for key in group]) for title, group in titled if group]

    @property
    def stand_outs(self) -> list[Value]:
        """What is far from everybody else's, the furthest first."""
        found = [value for _, values in self.groups for value in values if value.rank and value.rank.stands_out]
        return sorted(found, key=lambda value: -(value.rank.factor or 0) if value.rank else 0)[:STAND_OUTS_SHOWN]

    @cached_property
    def _thinned(self) -> list[Report]:
        return reports.thinned(self.reports)

    def _value(self, key: str) -> Value:
        metric, value = self.catalogue[key], self.values[key]
        before = self.baseline.values.get(key) if self.baseline else None
        if not is_number(value):
            changes = reports.text_changes(self.reports, key) if isinstance(value, (str, bool)) else None
            return Value(metric, value, before=before, share=self._share(key, value), changes=changes)
        figures = self.census.figures.get(key)
        return Value(
            metric,
            value,
            series=reports.series(self._thinned, key),
            before=before,
            rank=rank(value, figures) if figures else None,
            alone=self._address([key]),
            toggled=self._address(_toggled(self.chosen, key)),
            is_chosen=key in self.chosen,
        )

    def _share(self, key: str, value: Any) -> float | None:
        dimension = self.census.dimensions.get(key)
        if dimension is None or not isinstance(value, (str, bool)):
            return None
        count = dimension.counts.get(as_text(value))
        return count / dimension.total if count and dimension.total > 1 else None

    def _address(self, chosen: list[str], **changes: str) -> str:
        query = QueryDict(mutable=True)
        query.setlist("metric", chosen)
        kept = {"period": self.period.name, "as": "change" if self.as_change else "", **changes}
        query.update({name: value for name, value in kept.items() if value})
        return f"?{query.urlencode()}"

    @property
    def period_links(self) -> list[tuple[Period, str]]:
        chosen = self.chosen if "metric" in self.query else []
        return [(period, self._address(chosen, period=period.name)) for period in self.periods]

    # The chart

    @cached_property
    def lines(self) -> list[Line]:
        metrics = (self.catalogue[key] for key in self.chosen)
        drawn = [Line(each.label, reports.series(self.reports, each.key), unit=each.unit) for each in metrics]
        if not self.as_change:
            return drawn
        return [Line(line.label, line.series.relative, unit=Unit.RATIO) for line in drawn]

    @cached_property
    def chart(self) -> Chart | None:
        if not any(line.series.values for line in self.lines):
            return None
        return Chart("history", self.chart_title, self.lines, markers=self._markers())

    @property
    def chart_title(self) -> str:
        return ", ".join(line.label for line in self.lines)

    @property
    def drawn_links(self) -> list[tuple[str, str, bool]]:
        """Title and address of either way to draw several lines, and whether it is the one."""
        if len(self.chosen) < 2:
            return []
        values, changes = (self._address(self.chosen, **{"as": how}) for how in ("", "change"))
        return [(gettext("Values"), values, not self.as_change), (gettext("Change"), changes, self.as_change)]

    def _markers(self) -> list[Marker]:
        """Where it changed its version, within what is drawn."""
        start = self.reports[0].at
        upgrades = [Marker(band.first, version_name(band)) for band in self.life.bands[1:] if band.first >= start]
        return upgrades[-MAX_MARKERS:]

    # What the last upgrade has changed

    @cached_property
    def upgrade(self) -> Upgrade | None:
        if len(self.life.bands) < 2:
            return None
        old, new = self.life.bands[-2:]
        before, after = (reports.newest(self.instance, at) for at in (old.last, new.first))
        if before is None or after is None:
            return None
        shown = self.catalogue.ordered(before.values.keys() | after.values.keys())
        return Upgrade(before, after, reports.differences(before, after, [self.catalogue[key] for key in shown]))

    # What was sent

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The one that the address asks for, or else the newest."""
        asked = self.query.get("snapshot")
        if not asked:
            return self.latest
        try:
            at = parse_timestamp(asked)
        except Malformed:
            return None
        return Snapshot.objects.filter(instance=self.instance, timestamp=at).first()

    @cached_property
    def newest_snapshots(self) -> list[tuple[datetime, str, str]]:
        """Time, version and address of each of the newest."""
        rows = Snapshot.objects.filter(instance=self.instance).order_by("-timestamp")
        found = rows.values_list("timestamp", "app_version")[:SNAPSHOTS_LISTED]
        return [(at, version, self._address([], snapshot=format_timestamp(at))) for at, version in found]

    @property
    def hides_some(self) -> bool:
        """Whether the snapshot has keys that are hidden."""
        return self.snapshot is not None and any(map(self.catalogue.hides, flatten(self.snapshot.metrics)))

    @property
    def raw(self) -> str:
        """The snapshot's metrics as they were sent, less what is hidden, indented."""
        if self.snapshot is None:
            return ""
        return json.dumps(without(self.snapshot.metrics, self.catalogue.hides), indent=2, ensure_ascii=False)

    # To take away

    @property
    def sheets(self) -> list[Sheet]:
        charts = [self.chart.sheet] if self.chart else []
        return [*charts, self._all_numbers(), self._present(), self.life.sheet]

    def _all_numbers(self) -> Sheet:
        """One row a report that is drawn, one column for each number that it has now."""
        columns = [gettext("Time"), gettext("Version"), *self.numbers]
        rows = ([each.at, each.version, *_only_numbers(each, self.numbers)] for each in self.reports)
        return Sheet("reports", gettext("What it has reported"), columns, rows)

    def _present(self) -> Sheet:
        columns = [gettext("Key"), gettext("Value"), gettext("Before"), gettext("In the fleet")]
        values = (value for _, group in self.groups for value in group)
        rows = ([each.key, plain(each.value), plain(each.before), each.place] for each in values)
        return Sheet("values", gettext("What it reports"), columns, rows)


def _only_numbers(report: Report, wanted: Iterable[str]) -> list[Any]:
    values = (report.values.get(key) for key in wanted)
    return [value if is_number(value) else None for value in values]


def _toggled(chosen: list[str], key: str) -> list[str]:
    """With the key if it was not chosen, without it if it was; the oldest choice makes room."""
    return [each for each in chosen if each != key] if key in chosen else [*chosen, key][-MAX_CHOSEN:]
