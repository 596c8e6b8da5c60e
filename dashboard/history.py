"""The history of an application's instances: what happened to them, newest first."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.translation import gettext

from instances.models import Application, Event
from instances.querysets import EventQuerySet
from instances.wire import parse_uuid

PAGE_SIZE = 50
# So many lines stand on an instance's own page.
NEWEST = 10


class HistoryTable:
    """What the address asks for: `kind`, `instance` and `page`. Anything in it that means nothing is ignored."""

    def __init__(self, application: Application, query: QueryDict) -> None:
        self.application = application
        self.query = query
        kind = query.get("kind", "")
        self.kind = kind if kind in Event.Kind.values else ""
        self.instance = parse_uuid(query.get("instance"))

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The chips above the table, by name and title."""
        return [("", gettext("All")), *((str(name), str(title)) for name, title in Event.Kind.choices)]

    def rows(self) -> EventQuerySet:
        """All lines that match, in order; the page is a slice of it."""
        rows = Event.objects.of(self.application)
        if self.kind:
            rows = rows.filter(kind=self.kind)
        if self.instance:
            rows = rows.filter(instance=self.instance)
        return rows

    def page(self) -> Page[Event]:
        return Paginator(self.rows(), PAGE_SIZE).get_page(self.query.get("page"))

    def address(self, **changes: str | int) -> str:
        """The query string of this view with some of it changed; back on its first page unless that is the change."""
        kept = {"kind": self.kind, "instance": str(self.instance or "")}
        return "?" + urlencode({name: value for name, value in {**kept, **changes}.items() if value != ""})
