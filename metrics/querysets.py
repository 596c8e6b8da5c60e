"""The questions that are asked of snapshots and censuses."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connections, models
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, ExtractHour
from django.utils.translation import gettext_lazy

from instances.querysets import sees_everything
from metrics.adoption import Seen
from metrics.census import Dimension
from metrics.figures import Figures, Number
from metrics.keys import Metric, Metrics

if TYPE_CHECKING:
    from instances.models import Application, Instance
    from metrics.models import ClosedCensus, KeyFlag, MetricSetting, Release, Snapshot  # noqa: F401 - for the quoted type arguments


# Of at most 64 KiB each: 13 MiB in memory at the worst.
BATCH_ROWS = 200


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def newest_of(self, instance: Instance, until: datetime | None = None) -> Snapshot | None:
        """The instance's newest snapshot; of those not after a moment, if one is given."""
        rows = self.filter(instance=instance).order_by("-timestamp")
        return (rows.filter(timestamp__lte=until) if until else rows).first()

    def newest_times_of(self, instance: Instance, since: datetime, at_most: int) -> list[datetime]:
        """When it has reported since then, oldest first; of many times the newest. Out of the key alone."""
        times = self.filter(instance=instance, timestamp__gte=since).order_by("-timestamp")
        return list(times.values_list("timestamp", flat=True)[:at_most])[::-1]

    def spread(self, instance: Instance, edges: list[datetime], *, both_ends: bool = False) -> Self:
        """The instance's newest snapshot (and its oldest) of each stretch that lies between two neighbouring edges,
        which ascend; the later edge belongs to the stretch. Each is found by the key, so it costs the same however many
        there are."""
        connection, fields = connections[self.db], self.model._meta
        pk = fields.get_field("instance").get_db_prep_value(instance.pk, connection)
        timestamp = fields.get_field("timestamp")
        bounds = [timestamp.get_db_prep_value(edge, connection) for edge in edges]
        stretches = list(pairwise(bounds))
        if not stretches:
            return self.none()
        ends = ["DESC", "ASC"] if both_ends else ["DESC"]
        found = [
            f"SELECT (SELECT timestamp FROM {connection.ops.quote_name(fields.db_table)} AS one"  # noqa: S608
            " WHERE one.instance_id = %s AND one.timestamp > stretch.after AND one.timestamp <= stretch.until"
            f" ORDER BY one.timestamp {end} LIMIT 1) FROM stretch"
            for end in ends
        ]
        timestamps = RawSQL(  # noqa: S611 - nothing in it but names of our own and the number of places.
            f"WITH stretch (after, until) AS (VALUES {', '.join(['(%s, %s)'] * len(stretches))}) "
            + " UNION ".join(found),
            [*(bound for stretch in stretches for bound in stretch), *(pk for _ in ends)],
        )
        return self.filter(instance=instance, timestamp__in=timestamps).order_by("timestamp")

    def between(
        self, application: Application, start: datetime, end: datetime, only: set[UUID] | None = None
    ) -> Iterator[tuple[UUID, datetime, str, Any]]:
        """Instance, timestamp, version and metrics of the application's snapshots (of `only` these instances, if
        given) after `start` and not after `end`, in the order of their timestamps. Never all of them in memory."""
        rows = self.filter(timestamp__gt=start, timestamp__lte=end)
        rows = rows.filter(instance__in=only) if only is not None else rows.filter(instance__application=application)
        ordered = rows.order_by("timestamp").values_list("instance", "timestamp", "app_version", "metrics")
        return ordered.iterator(chunk_size=2000)

    def timestamps_of(self, instance: Instance, among: list[datetime]) -> set[datetime]:
        """Those of the timestamps at which the instance has a snapshot."""
        return set(self.filter(instance=instance, timestamp__in=among).values_list("timestamp", flat=True))

    def as_stored(self, instance: Instance) -> Iterator[tuple[datetime, str, str]]:
        """Timestamp, version and metrics, these as the JSON text that is stored, of each snapshot of the instance,
        oldest first. Some at a time, found by the key: never all in memory, and nothing is held open between two."""
        columns = self.annotate(text=Cast("metrics", models.TextField())).values_list(
            "timestamp", "app_version", "text"
        )
        rows = columns.filter(instance=instance).order_by("timestamp")
        batch = list(rows[:BATCH_ROWS])
        while batch:
            yield from batch
            batch = list(rows.filter(timestamp__gt=batch[-1][0])[:BATCH_ROWS])


class MetricFigures(models.Func):
    """One metric's figures out of a census's document; NULL if nobody reported it."""

    output_field = models.JSONField()

    def __init__(self, key: str) -> None:
        super().__init__(models.F("document"))
        self.key = key

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"({column} -> 'metrics' -> %s::text)", (*parameters, self.key)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        # By json_each and not by a path: a path would have to quote the key, and SQLite knows no way for some.
        column, parameters = compiler.compile(self.source_expressions[0])
        sql = f"(SELECT value FROM json_each({column}, '$.metrics') WHERE key = %s LIMIT 1)"  # noqa: S608
        return sql, (*parameters, self.key)


class NamedFigures(models.Func):
    """One figure of each metric out of a census's document, by key. `figures` says which one of which key."""

    output_field = models.JSONField()

    def __init__(self, figures: dict[str, str]) -> None:
        super().__init__(models.F("document"))
        self.figures = figures

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        # In one pass over the document, which would be unpacked anew for each key that is asked for by itself.
        sql = (
            "(SELECT jsonb_object_agg(metric.key, metric.value -> (%s::jsonb ->> metric.key))"  # noqa: S608
            f" FROM jsonb_each({column} -> 'metrics') AS metric WHERE jsonb_exists(%s::jsonb, metric.key))"
        )
        wanted = json.dumps(self.figures)
        return sql, (wanted, *parameters, wanted)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        names = sorted(set(self.figures.values()))
        cases = "".join(" WHEN key IN (SELECT value FROM json_each(%s)) THEN value -> %s" for _ in names)
        # By -> and not by json_extract, which makes a float of an integer that is too large for it.
        sql = f"(SELECT json_group_object(key, json(CASE{cases} END)) FROM json_each({column}, '$.metrics'))"  # noqa: S608
        wanted = [
            part
            for name in names
            for part in (json.dumps([key for key in self.figures if self.figures[key] == name]), f"$.{name}")
        ]
        return (sql, (*wanted, *parameters)) if names else ("'{}'", ())


class Reporters(models.Func):
    """How many report each metric, by its key, out of a census's document: all else of it stays in the database."""

    output_field = models.JSONField()

    def __init__(self) -> None:
        super().__init__(models.F("document"))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        made = "jsonb_object_agg(key, value -> 'reporters')"
        return f"(SELECT {made} FROM jsonb_each({column} -> 'metrics'))", tuple(parameters)  # noqa: S608

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        made = "json_group_object(key, json_extract(value, '$.reporters'))"
        return f"(SELECT {made} FROM json_each({column}, '$.metrics'))", tuple(parameters)  # noqa: S608


class ClosedCensusQuerySet(models.QuerySet["ClosedCensus"]):
    def at_times(self, times: list[datetime]) -> Self:
        """Those of exactly these times; by their bounds too, so that the key's range is read and no more."""
        return self.filter(at__gte=times[0], at__lte=times[-1], at__in=times) if times else self.none()

    def within_days(self) -> Self:
        """Those that end an hour but no day; in UTC, whatever time zone is active."""
        return self.annotate(hour=ExtractHour("at", tzinfo=UTC)).exclude(hour=0)

    def headlines(self, figures: dict[str, str]) -> Iterator[tuple[datetime, int, dict[str, Number]]]:
        """Time, number of active instances and, by key, the figure of each metric that `figures` names for it, in the
        order of time. None of all the others leaves the database."""
        rows = self.order_by("at").values_list("at", "document__instances__active", NamedFigures(figures))
        return ((at, active, numbers or {}) for at, active, numbers in rows.iterator())

    def active_counts(self) -> Iterator[tuple[int, datetime, int]]:
        """Application, time and number of active instances of each, in the order of time."""
        columns = self.order_by("at").values_list("application", "at", "document__instances__active")
        return columns.iterator()

    def active_totals(self) -> Iterator[tuple[datetime, int]]:
        """Time and number of active instances of all applications together, in the order of time."""
        active = models.Sum(
            Cast(KeyTextTransform("active", KeyTransform("instances", "document")), models.IntegerField())
        )
        return self.order_by("at").values("at").annotate(total=active).values_list("at", "total").iterator()

    def counts(self) -> Iterator[tuple[int, datetime, dict[str, int]]]:
        """Application, time and all counts of instances of each, in the order of time."""
        return self.order_by("at").values_list("application", "at", "document__instances").iterator()

    def cohorts(self) -> Iterator[tuple[datetime, dict[str, list[int | None]]]]:
        """Time and cohorts of each, by the Monday of their week, in the order of time."""
        return self.order_by("at").values_list("at", "document__cohorts").iterator()

    def reporters(self) -> Iterator[tuple[int, int, int, dict[str, int]]]:
        """Application, number of active instances, number of keys left out and how many report each metric, of each in
        the order of time."""
        columns = ("application", "document__instances__active", "document__left_out", Reporters())
        for pk, active, left_out, reporters in self.order_by("at").values_list(*columns).iterator():
            yield pk, active, left_out or 0, reporters or {}

    def figures_of(self, key: str) -> Iterator[tuple[datetime, Figures | None]]:
        """Time and one metric's figures of each, in the order of time."""
        return self.order_by("at").values_list("at", MetricFigures(key)).iterator()

    def versions(self) -> Iterator[Seen]:
        """Which versions the active instances of each ran, in the order of time; nothing of one where none said."""
        # The database takes them out of the document, of which they are a small part.
        columns = self.order_by("at").values_list("at", "document__dimensions__app_version")
        for at, parts in columns.iterator():
            if parts is not None:
                yield Seen(at, Dimension(**parts))

    def last_closed_at(self) -> datetime | None:
        return self.aggregate(last=models.Max("at"))["last"]  # type: ignore[no-any-return]


# What every instance says of itself, by its name in the reader's language.
DESCRIBED = [
    replace(Metric.named(key), label=cast("str", title))
    for key, title in {
        "app_version": gettext_lazy("Version"),
        "environment": gettext_lazy("Environment"),
        "os_arch": gettext_lazy("System"),
        "deployment_mode": gettext_lazy("Deployment"),
    }.items()
]


class MetricSettingQuerySet(models.QuerySet["MetricSetting"]):
    def metrics_of(self, application: Application) -> Metrics:
        """What the application's keys mean."""
        return Metrics([*DESCRIBED, *(setting.metric for setting in self.filter(application=application))])


class ReleaseQuerySet(models.QuerySet["Release"]):
    def shown(self) -> Self:
        """Those that are one, as far as their application's maintainers say."""
        return self.filter(hidden=False)

    def noted(self) -> Self:
        """Those that the fleet alone tells of; no maintainer has said anything of them."""
        return self.filter(by_hand=False, hidden=False)

    def between(self, since: datetime, until: datetime) -> Self:
        return self.filter(released_at__gte=since, released_at__lte=until)


class KeyFlagQuerySet(models.QuerySet["KeyFlag"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the applications of the user's teams; all of them for a superuser."""
        if sees_everything(user):
            return self
        return self.filter(application__team__user=user.pk) if user.is_active and user.pk else self.none()

    def of(self, application_id: int, keys: Collection[str]) -> Self:
        return self.filter(application=application_id, key__in=keys)

    def allowed(self) -> Self:
        return self.exclude(allowed_at=None)

    def recent(self, since: datetime) -> Self:
        """Those that are still sent and not allowed."""
        return self.filter(allowed_at=None, last_at__gte=since)

    def stale(self, before: datetime) -> Self:
        """Those that were last seen before then, and hold no decision."""
        return self.filter(allowed_at=None, last_at__lt=before)
