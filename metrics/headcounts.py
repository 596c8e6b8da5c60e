"""How many of each application's instances are how, without what they report: two queries for all applications.

What a census counts as well means the same here (docs/architecture.md), and for a fleet whose present is shared it is
that census's own number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, DateTimeField, F, Max, Q, Value, When

from instances.models import Application, Instance
from metrics.census import ESTABLISHED_AFTER, HEARD_WITHIN, NEW_FOR, REPORTING_WITHIN, Dimension
from metrics.models import PresentCensus
from metrics.taking import PRESENT_FOR

# A clock that was wrong once, and then not again for so long, has been set right or its instance is gone.
WRONG_FOR = timedelta(days=7)


@dataclass
class Headcount:
    """Of one application. `wrong_clocks` have had no snapshot accepted since they sent a timestamp out of range."""

    at: datetime
    active: int = 0
    established: int = 0
    new: int = 0
    reporting: int = 0
    heard: int = 0
    quiet: int = 0
    newly_quiet: int = 0
    gone: int = 0
    waiting: int = 0
    wrong_clocks: int = 0
    last_seen_at: datetime | None = None
    versions: Dimension | None = None


# Those that a census counts as well.
SHARED = ("active", "established", "new", "reporting", "heard", "quiet", "newly_quiet", "gone")
COUNTS = (*SHARED, "waiting", "wrong_clocks")


def headcounts(applications: Collection[Application], at: datetime) -> dict[int, Headcount]:
    """Each application's, by its primary key."""
    made = {application.pk: Headcount(at) for application in applications}
    rows = Instance.objects.filter(application__in=made).order_by().values("application", "reported_version")
    versions: dict[int, Counter[str]] = defaultdict(Counter)
    counted: Iterable[Mapping[str, Any]] = rows.annotate(**_counts(applications, at))
    for row in counted:
        _add(made[row["application"]], row)
        if row["active"]:
            versions[row["application"]][row["reported_version"]] = row["active"]
    for pk, counter in versions.items():
        # As in a census: where all say nothing there is nothing to tell apart.
        made[pk].versions = Dimension.of(counter) if set(counter) - {""} else None
    _take_from_presents(made, at)
    return made


def _counts(applications: Collection[Application], at: datetime) -> dict[str, Any]:
    since = _moment(applications, lambda one: one.active_since(at))
    gone_since = _moment(applications, lambda one: one.active_since(at - NEW_FOR))
    quiet_since = _moment(applications, lambda one: one.quiet_since(at))
    newly_since = _moment(applications, lambda one: one.quiet_since(at - NEW_FOR))
    counted = Q(state=Instance.State.ACTIVE, exclusion="")
    active = counted & Q(last_report_at__gte=since)
    quiet = active & Q(last_report_at__lt=quiet_since)
    lasting = Q(last_report_at__gte=F("first_report_at") + ESTABLISHED_AFTER)
    wrong = Q(wrong_clock_at__gte=at - WRONG_FOR) & (Q(last_seen_at=None) | Q(last_seen_at__lt=F("wrong_clock_at")))
    pending = Q(state=Instance.State.PENDING)
    conditions = {
        "active": active,
        "established": active & lasting,
        "new": active & Q(first_report_at__gt=at - NEW_FOR),
        "reporting": active & Q(last_report_at__gt=at - REPORTING_WITHIN),
        "heard": active & Q(last_report_at__gt=at - HEARD_WITHIN),
        "quiet": quiet,
        "newly_quiet": quiet & Q(last_report_at__gte=newly_since),
        "gone": counted & Q(last_report_at__lt=since, last_report_at__gte=gone_since),
        "waiting": pending & Q(awaits_approval=True),
        "wrong_clocks": wrong & ~Q(state=Instance.State.REVOKED),
    }
    counts: dict[str, Any] = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    return {**counts, "seen": Max("last_seen_at", filter=~pending)}


def _moment(applications: Collection[Application], of: Callable[[Application], datetime]) -> Case:
    """A moment that each application has one of."""
    having: dict[datetime, list[int]] = defaultdict(list)
    for application in applications:
        having[of(application)].append(application.pk)
    whens = [When(application__in=pks, then=Value(moment)) for moment, pks in having.items()]
    return Case(*whens, output_field=DateTimeField())


def _add(headcount: Headcount, row: Mapping[str, Any]) -> None:
    for name in COUNTS:
        setattr(headcount, name, getattr(headcount, name) + row[name])
    if row["seen"] and (headcount.last_seen_at is None or row["seen"] > headcount.last_seen_at):
        headcount.last_seen_at = row["seen"]


def _take_from_presents(made: dict[int, Headcount], at: datetime) -> None:
    """Of a large fleet all pages show what one census has counted, which is up to a minute old."""
    fresh = PresentCensus.objects.filter(application__in=made, at__gt=at - PRESENT_FOR, at__lt=at + PRESENT_FOR)
    columns = ("application", "at", "document__instances", "document__dimensions__app_version")
    for pk, taken_at, counts, versions in fresh.values_list(*columns):
        headcount = made[pk]
        headcount.at = taken_at
        for name in SHARED:
            setattr(headcount, name, counts.get(name, getattr(headcount, name)))
        headcount.versions = Dimension(**versions) if versions else None
