"""The instance table: chosen columns, narrowed, sorted, searched and paged by the database."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Case, F, Q, When
from django.http import QueryDict

from dashboard import asking, columns
from dashboard.asking import Asked, Known, Pair
from dashboard.columns import METRIC, METRIC_COLUMNS, MORE_COLUMNS, OWN_COLUMNS, Column
from dashboard.narrowing import EVERY_STATE, STATE_FILTERS, MetricNumber, MetricText, narrowed
from instances.models import Application, Instance
from instances.querysets import InstanceQuerySet
from metrics.census import ESTABLISHED_AFTER
from metrics.keys import Metrics

PAGE_SIZE = 50
DEFAULT_SORT = "-last_report_at"


class InstanceTable:
    """The instances that an address asks for (dashboard.asking), a page of them at a time.

    `keys` are all that may be shown, in their order, and `texts` those of them that are texts. `default` is what a
    saved view asks for in the place of an address that asks for nothing. Anything that means nothing is ignored.
    """

    # What belongs to the page around the table, and stays as it is in the table's links.
    KEPT = ("metric", "period", "as")

    def __init__(
        self,
        application: Application,
        keys: list[str],
        query: QueryDict,
        at: datetime,
        catalogue: Metrics | None = None,
        *,
        texts: Container[str] = (),
        default: str = "",
    ) -> None:
        self.application = application
        self.keys = keys
        self.query = query
        self.at = at
        self.catalogue = catalogue or Metrics()
        self.default = default
        self.metric_columns = columns.of_metrics((self.catalogue[key] for key in keys), texts)
        self.every_column = [*OWN_COLUMNS, *MORE_COLUMNS, *self.metric_columns]
        self.is_default = bool(default) and not any(map(_is_about_table, query))
        self.asked = self._read(QueryDict(default) if self.is_default else query)
        self.search = self.asked.first("q")
        self.states = [state for state in STATE_FILTERS if self.asked.has("state", state.name)]
        self.sort = self.asked.first("sort") or DEFAULT_SORT
        self.columns = self._columns()

    def _read(self, query: QueryDict) -> Asked:
        known = Known(
            states=frozenset(state.name for state in STATE_FILTERS if state is not EVERY_STATE),
            columns=frozenset(column.name for column in self.every_column),
            is_hidden=lambda key: self.catalogue[key].hidden,
        )
        return Asked.of(asking.pairs_of(query.lists()), known)

    def _columns(self) -> list[Column]:
        wanted = set(self.asked.all("c"))
        if asking.EVERY_COLUMN in wanted:
            return self.every_column
        if not wanted:
            # With what the table is sorted by, or nobody would see that it is.
            first = [*OWN_COLUMNS, *self.metric_columns[:METRIC_COLUMNS]]
            wanted = {column.name for column in first} | {self.sort.removeprefix("-")}
        # The instance itself is no choice: without it a row is nobody's.
        return [column for column in self.every_column if column.name == "id" or column.name in wanted]

    @property
    def is_narrowed(self) -> bool:
        """Whether some instances may be missing from the list because of what was asked for."""
        return bool(self.asked.conditions)

    def rows(self) -> InstanceQuerySet:
        """All instances that match, in order; the page is a slice of it."""
        rows = Instance.objects.filter(application=self.application)
        rows = narrowed(rows, self.asked, self.application, self.at)
        return rows.order_by(*self._ordering(), "pk")

    def _ordering(self) -> Iterable[Any]:
        name, descending = self.sort.removeprefix("-"), self.sort.startswith("-")
        terms: list[Any] = [F(name)]
        if name.startswith(METRIC):
            key = name.removeprefix(METRIC)
            terms = [MetricNumber(key), MetricText(key)]
        if name == "established":
            terms = [self._established()]
        # Those without a value come last either way: nobody sorts to see them.
        return [term.desc(nulls_last=True) if descending else term.asc(nulls_last=True) for term in terms]

    def page(self) -> Page[Instance]:
        return Paginator(self.rows().defer("claims"), PAGE_SIZE).get_page(self.query.get("page"))

    @property
    def since(self) -> datetime:
        """The oldest newest report of an active instance."""
        return self.application.active_since(self.at)

    def _established(self) -> Case:
        across = Q(last_report_at__gte=F("first_report_at") + ESTABLISHED_AFTER)
        counted = Q(state=Instance.State.ACTIVE, exclusion="", last_report_at__gte=self.since)
        return Case(When(across & counted, then=1), default=0)

    def value(self, instance: Instance, column: Column) -> Any:
        """What stands in a cell: a text, a number, a boolean, a time, or None for nothing."""
        if column.is_metric:
            return instance.metrics.get(column.key)
        if column.name == "established":
            return self._is_established(instance)
        return getattr(instance, column.name)

    def _is_established(self, instance: Instance) -> bool:
        first, last = instance.first_report_at, instance.last_report_at
        counts = instance.state == Instance.State.ACTIVE and not instance.exclusion
        return bool(counts and first and last and last >= self.since and last - first >= ESTABLISHED_AFTER)

    # Addresses

    def address(self, **changes: str | int) -> str:
        """The query string of this view with some of it changed; back on its first page unless that is the change."""
        changed = {name: [str(value)] for name, value in changes.items()}
        return self._address(self.asked.pairs, changed)

    def address_of_page(self, page: int) -> str:
        return self.address(page=page) if page > 1 else self.address()

    @property
    def saved_query(self) -> str:
        """What a saved view keeps of the address: what it asks the table for."""
        return urlencode(self.asked.pairs)

    def address_default_columns(self) -> str:
        return self._address(self.asked.pairs, {"c": []})

    def address_without(self, name: str, value: str) -> str:
        return self._address(asking.without(self.asked.pairs, (name, value)))

    def address_of(self, key: str, value: str) -> str:
        """The active instances with this value of a dimension, whatever other values were asked for; all else stays.
        Asked for again, those with any value."""
        name, values = asking.VALUE + key, [value]
        if self.is_one(key, value):
            values = []
        return self._address(self.asked.pairs, {name: values, "state": ["active"]})

    def is_one(self, key: str, value: str) -> bool:
        """Whether just those with this value of the dimension are asked for."""
        return self.asked.all(asking.VALUE + key) == [value]

    def sort_address(self, column: Column) -> str:
        """Sorts by the column: numbers and times from the top first, and the other way round when asked again."""
        first = column.descending if column.is_metric or column.is_time else column.name
        second = column.name if first == column.descending else column.descending
        return self.address(sort=second if self.sort == first else first)

    def fields(self, *left_out: str) -> list[Pair]:
        """This view as a form's hidden fields, less those whose names begin so: the form has its own for these."""
        pairs = [pair for pair in self.asked.pairs if not pair[0].startswith(left_out)]
        return pairs + self._kept({})

    def _address(self, pairs: Iterable[Pair], changes: Mapping[str, list[str]] | None = None) -> str:
        changes = changes or {}
        asked = asking.replaced(pairs, changes)
        if self.default and not any(_is_about_table(name) for name, _ in asked):
            # An address that asks for nothing would show the default view again.
            asked.append(("state", EVERY_STATE.name))
        return "?" + urlencode([*asked, *self._kept(changes)])

    def _kept(self, changes: Mapping[str, list[str]]) -> list[Pair]:
        kept = [name for name in self.KEPT if name not in changes]
        return [(name, str(text)) for name in kept for text in self.query.getlist(name)]


def _is_about_table(name: str) -> bool:
    return asking.is_about_table(name) or name == "page"
