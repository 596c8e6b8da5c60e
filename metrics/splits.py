"""One metric of a fleet as it is now, instance by instance: split by what they say of themselves, and who has most."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from heapq import nlargest
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, Func, TextField

from instances.models import Application, Instance
from metrics.census import DESCRIPTION
from metrics.figures import Figures, Number, figures
from metrics.flatten import is_number

# The version that its newest snapshot was sent by, which is the one that a census counts.
COLUMNS = {**{name: name for name in DESCRIPTION}, "app_version": "reported_version"}


class Reporter(NamedTuple):
    """One active instance, what it says under the dimension that was asked for ("" for nothing), and its number."""

    id: UUID
    said: str
    value: Number


class Group(NamedTuple):
    """The instances that say the same, and their figures; `said` is None for all those that were folded together."""

    said: str | None
    figures: Figures


class MetricJSON(Func):
    """What an instance reports under a key, as JSON: "12", "1.5", "\\"text\\"", "true". NULL for nothing."""

    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("metrics"))
        self.key = key

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"({column} -> %s::text)::text", (*parameters, self.key)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        # By json_each and not by a path: a path would have to quote the key, and SQLite knows no way for some.
        column, parameters = compiler.compile(self.source_expressions[0])
        value = "CASE WHEN type IN ('true', 'false') THEN type ELSE json_quote(value) END"
        sql = f"(SELECT {value} FROM json_each({column}) WHERE key = %s LIMIT 1)"  # noqa: S608
        return sql, (*parameters, self.key)


def reporters(application: Application, key: str, dimension: str, now: datetime) -> list[Reporter]:
    """The active instances that report a number under `key`. Reads each row's two values, and no history."""
    fleet = Instance.objects.filter(application=application).reporting_since(application.active_since(now)).counted()
    said: Any = F(COLUMNS[dimension]) if dimension in COLUMNS else MetricJSON(dimension)
    rows = fleet.annotate(_value=MetricJSON(key), _said=said).filter(_value__isnull=False)
    found = []
    for pk, text, value in rows.values_list("pk", "_said", "_value").iterator(chunk_size=2000):
        number = json.loads(value)
        if is_number(number):
            found.append(Reporter(pk, text or "" if dimension in COLUMNS else _as_dimension(text), number))
    return found


def _as_dimension(text: str | None) -> str:
    """As a census names it: texts as they are, booleans in small letters, "" for what is no dimension."""
    value = json.loads(text) if text else ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ""


def split(found: list[Reporter], most: int) -> list[Group]:
    """The groups, the largest first; beyond `most` the smallest are folded into one, which comes last."""
    values: dict[str, list[Number]] = defaultdict(list)
    for reporter in found:
        values[reporter.said].append(reporter.value)
    ranked = sorted(values, key=lambda said: (-len(values[said]), said))
    groups = [Group(said, figures(values[said])) for said in ranked[:most]]
    if rest := [value for said in ranked[most:] for value in values[said]]:
        groups.append(Group(None, figures(rest)))
    return groups


def largest(found: list[Reporter], most: int) -> list[Reporter]:
    """Those with the largest numbers, the first by id of equals."""
    return nlargest(most, found, key=lambda reporter: (reporter.value, reporter.id))
