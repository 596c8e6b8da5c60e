"""What the overview shows: what needs a look, the totals, and one row an application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Prefetch, Q
from django.http import QueryDict
from django.utils.translation import gettext

from dashboard import attention
from dashboard.attention import Attention, User
from dashboard.charts import Point, Series
from dashboard.concerns import stopped_at
from dashboard.pulse import HOURS, Pulse
from dashboard.sheets import Sheet
from dashboard.versions import newest_share
from instances.models import Application
from instances.querysets import ApplicationQuerySet
from metrics.census import Census
from metrics.facts import Facts, facts
from metrics.headcounts import Headcount
from metrics.models import ClosedCensus, Release
from metrics.periods import HOUR, PERIODS, hour
from metrics.usual import is_far_below

PERIOD = PERIODS["30d"]
# What the newest version is depends on no other releases, of which there may be very many.
SAID_RELEASES = Prefetch("releases", Release.objects.filter(Q(by_hand=True) | Q(hidden=True)))
# So few applications have a card each; more stand in a table.
CARDS = 4
PAGE_SIZE = 50
# Until then the censuses of an hour may be there of some applications and not of others.
CLOSED_WITHIN = timedelta(minutes=5)


class Health(NamedTuple):
    """In a word, and by the name of its look."""

    name: str
    words: str


@dataclass(frozen=True)
class Newest:
    """The newest version of a fleet, and the share of it (0 to 1) that runs it."""

    version: str
    share: float


@dataclass(frozen=True)
class Past:
    """What closed censuses say of one application. `heard`: by the end of each hour, None of one that is not known."""

    active: Series
    heard: dict[datetime, int | None]


@dataclass(frozen=True)
class Row:
    """One application without its past: enough to sort by."""

    facts: Facts
    concerns: int
    past: Past | None = None

    @property
    def application(self) -> Application:
        return self.facts.application

    @property
    def count(self) -> Headcount:
        return self.facts.headcount

    @property
    def health(self) -> Health:
        if not self.count.active:
            return Health("none", gettext("No active instance"))
        if stopped_at(self.facts):
            return Health("stopped", gettext("Reports have stopped"))
        if is_far_below(self.count.reporting, self.facts.usual_reporting):
            return Health("fewer", gettext("Fewer reports than usual"))
        return Health("active", gettext("Receiving"))

    @cached_property
    def newest(self) -> Newest | None:
        if self.count.versions is None:
            return None
        counted = Census(self.count.at, dimensions={"app_version": self.count.versions})
        known = newest_share(counted, self.application)
        return Newest(*known) if known else None

    @property
    def pulse(self) -> Pulse:
        hours = list(self.past.heard.values()) if self.past else []
        return Pulse(hours, self.count.heard, self.facts.usual_heard)

    @property
    def pulse_sheet(self) -> Sheet:
        columns = [gettext("Until"), gettext("Instances that reported within the hour")]
        rows = self.past.heard.items() if self.past else []
        return Sheet(f"reports-{self.application.slug}", gettext("Reports, last 24 hours"), columns, rows)


@dataclass(frozen=True)
class Column:
    """One by which rows can be sorted: `key` of a row that has none comes last either way."""

    name: str
    title: str
    key: Callable[[Row], Any]
    is_number: bool = True

    @property
    def descending(self) -> str:
        return f"-{self.name}"


class Heading(NamedTuple):
    """A column of the table. `sorted` is how by it, in the words of aria-sort, or empty."""

    title: str
    is_number: bool
    sorted: str
    sort: str


def columns() -> list[Column]:
    return [
        Column("name", gettext("Application"), lambda row: row.application.name.casefold(), is_number=False),
        Column("active", gettext("Active"), lambda row: row.count.active),
        Column("new", gettext("New"), lambda row: row.count.new),
        Column("quiet", gettext("Gone quiet"), lambda row: row.count.newly_quiet),
        Column("newest", gettext("On the newest version"), lambda row: row.newest.share if row.newest else None),
        Column("seen", gettext("Last report"), lambda row: row.count.last_seen_at),
    ]


DEFAULT_SORT = "-active"


@dataclass(frozen=True)
class Totals:
    """Of all applications together. What is usual is None where nothing is usual of any of them."""

    active: int
    new: int
    newly_quiet: int
    reporting: int
    heard: int
    usual_heard: int | None
    history: Series


class OverviewPage:
    """Of the applications that the user may see, by what the address asks for: `q`, `sort` and `page`. Anything in it
    that means nothing is ignored."""

    def __init__(self, applications: ApplicationQuerySet, user: User, query: QueryDict, now: datetime) -> None:
        self.at = now
        self.applications = list(applications.select_related("team").prefetch_related(SAID_RELEASES))
        self.facts = facts(self.applications, now)
        self.attention: Attention = attention.of_all(self.facts.values(), user, now)
        self.search = query.get("q", "").strip()
        self.columns = columns()
        sort = query.get("sort", DEFAULT_SORT)
        self.sort = sort if sort.removeprefix("-") in {column.name for column in self.columns} else DEFAULT_SORT
        self.number = query.get("page")

    @property
    def policy(self) -> str:
        """Who may register instances of an application that there is not yet."""
        return str(settings.REGISTRATION)

    @property
    def comes_up_by_itself(self) -> bool:
        """Whether the first registration makes an application. Where that takes a token none is valid, as tokens are
        of applications."""
        takes = (Application.Registration.OPEN, Application.Registration.APPROVAL)
        return settings.UNKNOWN_APPLICATIONS == "create" and self.policy in takes

    @property
    def has_cards(self) -> bool:
        return len(self.applications) <= CARDS

    @cached_property
    def rows(self) -> Page[Row]:
        """Those of the page that is asked for, with their past."""
        page = Paginator(self._found, PAGE_SIZE).get_page(self.number)
        pasts = _pasts([row.facts for row in page.object_list], self.at)
        page.object_list = [Row(row.facts, row.concerns, pasts[row.application.pk]) for row in page.object_list]
        return page

    @cached_property
    def _found(self) -> list[Row]:
        """All that match, in order."""
        counts = {group.application.pk: len(group.concerns) for group in self.attention.groups if group.application}
        rows = [Row(one, counts.get(pk, 0)) for pk, one in self.facts.items()]
        return self._sorted([row for row in rows if self._matches(row.application)])

    def _matches(self, application: Application) -> bool:
        texts = (application.name, application.slug, application.team.name if application.team else "")
        return any(self.search.casefold() in text.casefold() for text in texts)

    def _sorted(self, rows: list[Row]) -> list[Row]:
        by_name, *_ = self.columns
        key = next(column.key for column in self.columns if column.name == self.sort.removeprefix("-"))
        rows = sorted(rows, key=by_name.key)
        known = [row for row in rows if key(row) is not None]
        # Python's sorting keeps the order of equals, backwards as well: they stand by their names.
        known.sort(key=key, reverse=self.sort.startswith("-"))
        return known + [row for row in rows if key(row) is None]

    @cached_property
    def totals(self) -> Totals | None:
        """None of a single application, whose own numbers they would be."""
        if len(self.applications) < 2:
            return None
        counts = [one.headcount for one in self.facts.values()]
        usual = [one.usual_heard for one in self.facts.values() if one.usual_heard is not None]
        # What is too young for a usual number counts in it as it is, so that it neither fills a gap nor makes one.
        young = sum(one.headcount.heard for one in self.facts.values() if one.usual_heard is None)
        active = sum(count.active for count in counts)
        return Totals(
            active=active,
            new=sum(count.new for count in counts),
            newly_quiet=sum(count.newly_quiet for count in counts),
            reporting=sum(count.reporting for count in counts),
            heard=sum(count.heard for count in counts),
            usual_heard=round(sum(usual) + young) if usual else None,
            history=_total_history(self.applications, self.at, active),
        )

    @property
    def headings(self) -> list[Heading]:
        return [Heading(column.title, column.is_number, *self._sorting(column)) for column in self.columns]

    def _sorting(self, column: Column) -> tuple[str, str]:
        """How the rows are sorted by it now, and what the address asks for to have them so, or the other way round.

        Numbers begin with the largest, names with A."""
        now = {column.name: "ascending", column.descending: "descending"}.get(self.sort, "")
        first, second = (column.descending, column.name) if column.is_number else (column.name, column.descending)
        return now, second if self.sort == first else first

    @property
    def sheets(self) -> list[Sheet]:
        return [self._applications_sheet(), self._attention_sheet(), *(row.pulse_sheet for row in self.rows)]

    def _applications_sheet(self) -> Sheet:
        titles = [
            gettext("Application"),
            gettext("Slug"),
            gettext("Team"),
            gettext("State"),
            gettext("Active"),
            gettext("Established"),
            gettext("New in 7 days"),
            gettext("Gone quiet in 7 days"),
            gettext("Reported in 24 hours"),
            gettext("Reported in the last hour"),
            gettext("Usual at this hour"),
            gettext("Newest version"),
            gettext("Share on the newest version"),
            gettext("Last report"),
            gettext("Needs a look"),
        ]
        return Sheet("applications", gettext("Applications"), titles, map(_cells, self._found))

    def _attention_sheet(self) -> Sheet:
        titles = [gettext("Application"), gettext("Urgency"), gettext("What"), gettext("What to do")]
        rows = [
            [group.application.name if group.application else None, one.urgency.words, one.what, one.do]
            for group in self.attention.groups
            for one in group.concerns
        ]
        return Sheet("needs-a-look", gettext("What needs a look"), titles, rows)


def _cells(row: Row) -> list[Any]:
    application, count, newest = row.application, row.count, row.newest
    return [
        application.name,
        application.slug,
        application.team.name if application.team else None,
        row.health.words,
        count.active,
        count.established,
        count.new,
        count.newly_quiet,
        count.reporting,
        count.heard,
        row.facts.usual_heard,
        newest.version if newest else None,
        newest.share if newest else None,
        count.last_seen_at,
        row.concerns,
    ]


def _pasts(found: list[Facts], at: datetime) -> dict[int, Past]:
    """The last 30 days of each by its closed days, which end with the present number; and the last 24 hours."""
    days = PERIOD.closings(at, at - PERIOD.step * (PERIOD.steps or 0))
    hours = [hour(at) - HOUR * back for back in reversed(range(HOURS))]
    applications = [one.application for one in found]
    closed = ClosedCensus.objects.filter(application__in=applications).at_times(sorted({*days, *hours}))
    counts = {(pk, closed_at): counts for pk, closed_at, counts in closed.counts()}
    return {one.application.pk: _past(one, counts, days, hours) for one in found}


def _past(
    one: Facts, counts: dict[tuple[int, datetime], dict[str, int]], days: list[datetime], hours: list[datetime]
) -> Past:
    pk, now = one.application.pk, one.headcount
    points = [Point(at, counts[pk, at]["active"]) for at in days if (pk, at) in counts and at < now.at]
    heard = {at: counts.get((pk, at), {}).get("heard") for at in hours}
    return Past(Series([*points, Point(now.at, now.active)]), heard)


def _total_history(applications: list[Application], at: datetime, active: int) -> Series:
    days = [day for day in PERIOD.closings(at, at - PERIOD.step * (PERIOD.steps or 0)) if at - day >= CLOSED_WITHIN]
    closed = ClosedCensus.objects.filter(application__in=applications).at_times(days)
    return Series([*(Point(day, total) for day, total in closed.active_totals()), Point(at, active)])
