"""The instance table: one column a metric, sorted, searched and paged by the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import F, FloatField, Func, Q, TextField
from django.http import QueryDict

from instances.models import Application, Instance
from instances.querysets import InstanceQuerySet
from metrics.keys import Metrics

PAGE_SIZE = 50
METRIC = "m."  # Sorting by this and a key sorts by that metric; no column of an instance's own begins with it.


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
class Column:
    name: str
    title: str
    is_metric: bool = False

    @property
    def descending(self) -> str:
        return f"-{self.name}"


OWN_COLUMNS = [
    Column("id", "Instance"),
    Column("app_version", "Version"),
    Column("environment", "Environment"),
    Column("os_arch", "System"),
    Column("deployment_mode", "Deployment"),
    Column("last_report_at", "Last report"),
]
SEARCHED = ["app_version", "environment", "os_arch", "deployment_mode"]
DEFAULT_SORT = "-last_report_at"


@dataclass(frozen=True)
class StateFilter:
    """The chips above the table: which instances are listed."""

    name: str
    title: str

    def apply(self, instances: InstanceQuerySet, since: datetime) -> InstanceQuerySet:
        match self.name:
            case "active":
                return instances.reporting_since(since).counted()
            case "silent":
                return instances.silent_since(since)
            case "excluded":
                return instances.excluded()
            case "waiting":
                return instances.waiting()
            case "pending" | "revoked":
                return instances.filter(state=self.name)
        return instances


STATE_FILTERS = [
    StateFilter("all", "All"),
    StateFilter("active", "Active"),
    StateFilter("silent", "Silent"),
    StateFilter("excluded", "Excluded"),
    StateFilter("revoked", "Revoked"),
    StateFilter("pending", "Pending"),
    StateFilter("waiting", "Waiting for approval"),
]


def _beginning_of_id(text: str) -> str:
    """The text as the beginning of a UUID, its hyphens in their places; "" if it can be none."""
    digits = text.lower().replace("-", "")
    # SQLite keeps ids without hyphens, PostgreSQL with them: a text of nothing else would find all or none.
    if not set(digits) <= set("0123456789abcdef"):
        return ""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


@dataclass
class InstanceTable:
    """What the address asks for: `q`, `state`, `sort` and `page`. Anything in it that means nothing is ignored."""

    application: Application
    keys: list[str]
    query: QueryDict
    at: datetime
    catalogue: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.search = self.query.get("q", "").strip()[:100].replace("\0", "")
        names = {state.name: state for state in STATE_FILTERS}
        self.state = names.get(self.query.get("state", ""), STATE_FILTERS[0])
        self.columns = OWN_COLUMNS + [Column(METRIC + key, key, is_metric=True) for key in self.keys]
        sort = self.query.get("sort", DEFAULT_SORT)
        self.sort = sort if sort.removeprefix("-") in {column.name for column in self.columns} else DEFAULT_SORT

    @property
    def is_narrowed(self) -> bool:
        """Whether some instances may be missing from the list because of what was asked for."""
        return bool(self.search) or self.state is not STATE_FILTERS[0]

    def rows(self) -> InstanceQuerySet:
        """All instances that match, in order; the page is a slice of it."""
        rows = Instance.objects.filter(application=self.application)
        rows = self.state.apply(rows, self.application.active_since(self.at))
        if self.search:
            wanted = Q()
            if beginning := _beginning_of_id(self.search):
                wanted |= Q(id__startswith=beginning)
            for name in SEARCHED:
                wanted |= Q(**{f"{name}__icontains": self.search})
            rows = rows.filter(wanted)
        return rows.order_by(*self._ordering(), "pk")

    def _ordering(self) -> Iterable[Any]:
        name, descending = self.sort.removeprefix("-"), self.sort.startswith("-")
        terms: list[Any] = [F(name)]
        if name.startswith(METRIC):
            key = name.removeprefix(METRIC)
            terms = [MetricNumber(key), MetricText(key)]
        # Those without a value come last either way: nobody sorts to see them.
        return [term.desc(nulls_last=True) if descending else term.asc(nulls_last=True) for term in terms]

    def page(self) -> Page[Instance]:
        return Paginator(self.rows().defer("claims"), PAGE_SIZE).get_page(self.query.get("page"))

    def address(self, **changes: str | int) -> str:
        """The query string of this view with some of it changed; back on its first page unless that is the change."""
        kept = {name: value for name, value in self.query.items() if name in ("q", "state", "sort", "metric", "period")}
        return "?" + urlencode({**kept, **changes})

    def sort_address(self, column: Column) -> str:
        """Sorts by the column: numbers and times from the top first, and the other way round when asked again."""
        first = column.descending if column.is_metric or column.name == "last_report_at" else column.name
        second = column.name if first == column.descending else column.descending
        return self.address(sort=second if self.sort == first else first)
