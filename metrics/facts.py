"""What has to be known of each application to say whether it needs a look: few queries, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Min, Q

from instances.enrolment import EnrolmentToken
from instances.models import Application, Event
from instances.personal import Kind as Personal
from metrics.headcounts import Headcount, headcounts
from metrics.models import ClosedCensus, KeyFlag, MetricSetting, Release
from metrics.periods import DAY, HOUR, hour
from metrics.usual import Lost, lost, usual

# What happened longer ago has been seen, or does not matter.
RECENTLY = timedelta(days=7)
# Compared with the same hour of so many days, and with the same hour of the same weekday of so many weeks: the longest
# for which there are hourly censuses.
DAYS, WEEKS = 7, 4
# Of fewer days or weeks nothing is usual.
LEAST_DAYS, LEAST_WEEKS = 3, 2


class Flagged(NamedTuple):
    """Keys under which something is wrong: how many, and one of them, if it is not whole snapshots."""

    keys: int = 0
    example: str = ""


NOTHING = Flagged()


@dataclass
class Facts:
    """Of one application. What is usual is None where too little is known of the past; `heard` is of the same hour of
    the last days, the others are of the same weekday and hour of the last weeks."""

    application: Application
    headcount: Headcount
    usual_heard: float | None = None
    usual_reporting: float | None = None
    usual_active: float | None = None
    lost: list[Lost] = field(default_factory=list)
    release: str = ""  # The newest of the time in which metrics were lost, if they were.
    left_out: int = 0
    removed: Flagged = NOTHING
    uncounted: Flagged = NOTHING
    conflicts: int = 0
    lacks_token: bool = False

    @property
    def at(self) -> datetime:
        return self.headcount.at


def facts(applications: Sequence[Application], at: datetime) -> dict[int, Facts]:
    """Each application's, by its primary key."""
    counted = headcounts(applications, at)
    made = {one.pk: Facts(one, counted[one.pk]) for one in applications}
    _add_usual(made, at)
    _add_lost(made, at)
    _add_releases({pk: one for pk, one in made.items() if one.lost}, at)
    _add_flags(made, at)
    _add_conflicts(made, at)
    _add_tokens(made)
    return made


def _add_usual(made: dict[int, Facts], at: datetime) -> None:
    now = hour(at)
    days = {now - DAY * back for back in range(1, DAYS + 1)}
    weeks = {now - DAY * 7 * back for back in range(1, WEEKS + 1)}
    past: dict[int, dict[datetime, dict[str, int]]] = defaultdict(dict)
    closed = ClosedCensus.objects.filter(application__in=made).at_times(sorted(days | weeks))
    for pk, closed_at, counts in closed.counts():
        past[pk][closed_at] = counts
    for pk, known in past.items():
        by_day = [counts for closed_at, counts in known.items() if closed_at in days]
        by_week = [counts for closed_at, counts in known.items() if closed_at in weeks]
        made[pk].usual_heard = usual((counts.get("heard") for counts in by_day), LEAST_DAYS)
        made[pk].usual_reporting = usual((counts["reporting"] for counts in by_week), LEAST_WEEKS)
        made[pk].usual_active = usual((counts["active"] for counts in by_week), LEAST_WEEKS)


def _add_lost(made: dict[int, Facts], at: datetime) -> None:
    """What the newest hour's census has lost against a week before."""
    week_before = ClosedCensus.objects.filter(application__in=made).at_times([hour(at) - RECENTLY])
    # The last hour's may still be about to be closed.
    newest = ClosedCensus.objects.filter(application__in=made).at_times([hour(at) - HOUR, hour(at)])
    before = {pk: (active, reporters) for pk, active, _, reporters in week_before.reporters()}
    now = {pk: (active, left_out, reporters) for pk, active, left_out, reporters in newest.reporters()}
    hidden = set(MetricSetting.objects.filter(application__in=made, hidden=True).values_list("application", "key"))
    for pk, (active, left_out, reporters) in now.items():
        made[pk].left_out = left_out
        if pk in before:
            active_before, reported = before[pk]
            found = lost(reported, reporters, active_before, active)
            made[pk].lost = [one for one in found if (pk, one.key) not in hidden]


def _add_releases(made: dict[int, Facts], at: datetime) -> None:
    if not made:
        return
    # Metrics go as instances upgrade, which takes some days.
    recent = Release.objects.filter(application__in=made).shown().between(at - 2 * RECENTLY, at)
    for pk, version in recent.order_by("released_at").values_list("application", "version"):
        made[pk].release = version


def _add_flags(made: dict[int, Facts], at: datetime) -> None:
    recent = KeyFlag.objects.filter(application__in=made).recent(at - RECENTLY)
    is_personal = Q(kind__in=[kind.value for kind in Personal])
    for name, which in (("removed", is_personal), ("uncounted", ~is_personal)):
        rows = recent.filter(which).order_by().values("application")
        for row in rows.annotate(keys=Count("key", distinct=True), example=Min("key", filter=~Q(key=""))):
            setattr(made[row["application"]], name, Flagged(row["keys"], row["example"] or ""))


def _add_conflicts(made: dict[int, Facts], at: datetime) -> None:
    recent = Event.objects.filter(application__in=made, kind=Event.Kind.CONFLICT, at__gt=at - RECENTLY)
    for row in recent.order_by().values("application").annotate(instances=Count("instance", distinct=True)):
        made[row["application"]].conflicts = row["instances"]


def _add_tokens(made: dict[int, Facts]) -> None:
    wanting = {pk for pk, one in made.items() if one.application.policy == Application.Registration.TOKEN}
    valid = EnrolmentToken.objects.valid().filter(application__in=wanting)
    having = set(valid.values_list("application", flat=True))
    for pk in wanting - having:
        made[pk].lacks_token = True
