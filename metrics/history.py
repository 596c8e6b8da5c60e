"""A fleet's past, from its snapshots: the same counts as a census, at times gone by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber, Trunc

from instances.models import Application, Instance
from metrics.census import State
from metrics.flatten import scalars
from metrics.models import Snapshot

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """A span that charts show: `steps` buckets, or None for as many as there are, of one hour or one day each."""

    name: str
    title: str
    step: timedelta
    steps: int | None

    @property
    def trunc(self) -> str:
        return "hour" if self.step == HOUR else "day"

    def closings(self, now: datetime, first: datetime) -> list[datetime]:
        """The ends of the buckets that are over by `now`, oldest first, none from before `first`. UTC."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        last = midnight if self.step == DAY else now.replace(minute=0, second=0, microsecond=0)
        steps = max(0, (last - first) // self.step + 1)
        if self.steps is not None:
            steps = min(steps, self.steps)
        return [last - self.step * back for back in reversed(range(steps))]


PERIODS = {
    period.name: period
    for period in (
        Period("24h", "24 hours", HOUR, 24),
        Period("7d", "7 days", HOUR, 7 * 24),
        Period("30d", "30 days", DAY, 30),
        Period("3m", "3 months", DAY, 91),
        Period("1y", "1 year", DAY, 365),
        Period("all", "All", DAY, None),
    )
}


class _Report(NamedTuple):
    instance: UUID
    timestamp: datetime
    app_version: str
    metrics: dict[str, Any]


def replay(application: Application, times: list[datetime], step: str) -> Iterator[tuple[datetime, list[State]]]:
    """The states of the application's instances at each of `times`, which ascend and end whole buckets of `step`.

    Reads the newest snapshot of each instance and bucket only, in one query: a later one of the same bucket always
    covers it up. An instance that was silent for all of the active window at a time may be missing from it.
    """
    if not times:
        return
    instances = {
        instance.pk: instance
        for instance in Instance.objects.confirmed()
        .filter(application=application, first_report_at__isnull=False)
        .defer("metrics", "claims")
    }
    reports = _newest_reports(application, application.active_since(times[0]), times[-1], step)
    upcoming = next(reports, None)
    latest: dict[UUID, State] = {}
    for at in times:
        while upcoming is not None and upcoming.timestamp <= at:
            if (instance := instances.get(upcoming.instance)) is not None:
                latest[instance.pk] = _state(instance, upcoming)
            upcoming = next(reports, None)
        yield at, [_as_of(state, instances[state.id], at) for state in latest.values()]


def _newest_reports(application: Application, since: datetime, until: datetime, step: str) -> Iterator[_Report]:
    # A bucket ends with its closing, which still belongs to it: hence the shift before it is cut.
    bucket = Trunc(F("timestamp") - timedelta(microseconds=1), step, tzinfo=UTC)
    rows = (
        Snapshot.objects.filter(instance__application=application, timestamp__gte=since, timestamp__lte=until)
        .annotate(
            rank=Window(RowNumber(), partition_by=[F("instance_id"), bucket], order_by=F("timestamp").desc()),
        )
        .filter(rank=1)
        .order_by("timestamp")
        .values_list(*_Report._fields)
    )
    return (_Report(*row) for row in rows.iterator())


def _state(instance: Instance, report: _Report) -> State:
    assert instance.first_report_at is not None
    return State(
        id=instance.pk,
        revoked=False,
        exclusion="",
        first_report_at=instance.first_report_at,
        last_report_at=report.timestamp,
        app_version=report.app_version,
        environment=instance.environment,
        deployment_mode=instance.deployment_mode,
        os_arch=instance.os_arch,
        metrics=scalars(report.metrics),
    )


def _as_of(state: State, instance: Instance, at: datetime) -> State:
    """The state with what was decided about its instance by `at`."""
    revoked = instance.revoked_at is not None and instance.revoked_at <= at
    excluded = instance.excluded_at is not None and instance.excluded_at <= at
    if revoked or excluded:
        return state._replace(revoked=revoked, exclusion=instance.exclusion if excluded else "")
    return state
