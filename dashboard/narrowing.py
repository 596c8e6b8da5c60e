"""Which instances an address asks for, as conditions that the database checks: the same on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, FloatField, Func, Q, TextField, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThanOrEqual, In, IsNull, LessThanOrEqual
from django.utils.translation import gettext_lazy

from dashboard import asking
from dashboard.asking import Asked
from instances.models import Application
from instances.querysets import InstanceQuerySet
from metrics.census import DESCRIPTION, ESTABLISHED_AFTER, NEW_FOR, REPORTING_WITHIN

SEARCHED = ["app_version", "environment", "os_arch", "deployment_mode"]


class MetricNumber(Func):
    """The number that an instance reports under a key; NULL when it reports something else, or nothing."""

    output_field = FloatField()

    def __init__(self, key: str) -> None:
        super().__init__(F("metrics"))
        self.key = key

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        value = f"({column} -> %s::text)"
        sql = f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric END"
        return sql, [*parameters, self.key, *parameters, self.key]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        return _json_each(self, compiler, "value", "type IN ('integer', 'real')")


class MetricText(Func):
    """The string or boolean that an instance reports under a key, as text; NULL when it reports a number or nothing."""

    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("metrics"))
        self.key = key

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        sql = f"CASE WHEN jsonb_typeof({column} -> %s::text) <> 'number' THEN {column} ->> %s::text END"
        return sql, [*parameters, self.key, *parameters, self.key]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        # A boolean's value is 1 or 0 here; its type is its text.
        return _json_each(self, compiler, "iif(type = 'text', value, type)", "type IN ('text', 'true', 'false')")


def _json_each(
    function: MetricNumber | MetricText, compiler: Any, value: str, condition: str
) -> tuple[str, tuple[Any, ...]]:
    # By json_each and not by a path: a path would have to quote the key, and SQLite knows no way for some.
    column, parameters = compiler.compile(function.source_expressions[0])
    sql = f"(SELECT {value} FROM json_each({column}) WHERE key = %s AND {condition} LIMIT 1)"  # noqa: S608
    return sql, (*parameters, function.key)


@dataclass(frozen=True)
class StateFilter:
    """Which instances are listed, by what they count as."""

    name: str
    title: Any
    is_chip: bool = True  # Whether it stands above the table; the others are in the panel.

    def apply(self, instances: InstanceQuerySet, at: datetime, since: datetime) -> InstanceQuerySet:
        fleet = instances.reporting_since(since).counted()
        match self.name:
            case "active":
                return fleet
            case "established":
                return fleet.reported_across(ESTABLISHED_AFTER)
            case "new":
                return fleet.new_since(at - NEW_FOR)
            case "returned":
                return fleet.returned_since(at - NEW_FOR)
            case "reporting":
                return fleet.reported_after(at - REPORTING_WITHIN)
            case "silent":
                return instances.silent_since(since)
            case "excluded":
                return instances.excluded()
            case "waiting":
                return instances.waiting()
            case "pending" | "revoked":
                return instances.filter(state=self.name)
        return instances


EVERY_STATE = StateFilter("all", gettext_lazy("All"))
STATE_FILTERS = [
    EVERY_STATE,
    StateFilter("active", gettext_lazy("Active")),
    StateFilter("established", gettext_lazy("Established"), is_chip=False),
    StateFilter("new", gettext_lazy("New"), is_chip=False),
    StateFilter("returned", gettext_lazy("Returned"), is_chip=False),
    StateFilter("reporting", gettext_lazy("Reporting"), is_chip=False),
    StateFilter("silent", gettext_lazy("Silent")),
    StateFilter("excluded", gettext_lazy("Excluded")),
    StateFilter("revoked", gettext_lazy("Revoked")),
    StateFilter("pending", gettext_lazy("Pending")),
    StateFilter("waiting", gettext_lazy("Waiting for approval")),
]


def _beginning_of_id(text: str) -> str:
    """The text as the beginning of a UUID, its hyphens in their places; "" if it can be none."""
    digits = text.lower().replace("-", "")
    # SQLite keeps ids without hyphens, PostgreSQL with them: a text of nothing else would find all or none.
    if not set(digits) <= set("0123456789abcdef"):
        return ""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


def narrowed(rows: InstanceQuerySet, asked: Asked, application: Application, at: datetime) -> InstanceQuerySet:
    """Those of the application's instances that all conditions of the address let through."""
    states = [state for state in STATE_FILTERS if asked.has("state", state.name)]
    if states:
        since = application.active_since(at)
        rows = reduce(or_, (state.apply(rows, at, since) for state in states))
    if search := asked.first("q"):
        rows = rows.filter(_found_by(search))
    return rows.filter(*_conditions(asked))


def _found_by(search: str) -> Q:
    wanted = Q()
    if beginning := _beginning_of_id(search):
        wanted |= Q(id__startswith=beginning)
    for name in SEARCHED:
        wanted |= Q(**{f"{name}__icontains": search})
    return wanted


def _conditions(asked: Asked) -> Iterator[Any]:
    for key, values in asked.by_key(asking.VALUE).items():
        yield Q(**{f"{key}__in": values}) if key in DESCRIPTION else _reports(key, values)
    for key, bounds in asked.by_key(asking.LEAST).items():
        yield GreaterThanOrEqual(MetricNumber(key), max(_numbers(bounds)))
    for key, bounds in asked.by_key(asking.MOST).items():
        yield LessThanOrEqual(MetricNumber(key), min(_numbers(bounds)))


def _numbers(texts: list[str]) -> list[float]:
    return [value for text in texts if (value := asking.number(text)) is not None]


def _reports(key: str, values: list[str]) -> Q:
    """Whether one of the texts is reported under the key; the empty one stands for none, or an empty one."""
    wanted = Q()
    if said := [value for value in values if value]:
        wanted |= Q(In(MetricText(key), said))
    if "" in values:
        nothing = Exact(Coalesce(MetricText(key), Value("", TextField())), "")
        # A number is something said, although it is no text.
        wanted |= Q(nothing) & Q(IsNull(MetricNumber(key), True))
    return wanted
