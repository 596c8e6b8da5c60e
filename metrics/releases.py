"""Releases: when an application's versions came out, as its maintainers say or else as its fleet shows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from instances.models import Application, Instance
from metrics.adoption import Seen, released
from metrics.models import ClosedCensus, Release
from metrics.periods import HOUR, PERIODS, evenly, hour
from metrics.versions import Rank, is_prerelease, is_version, order, precision, rank, real_count

# So many lines a chart can bear, and so many a table.
MAX_MARKERS = 12
MAX_NOTED = 200
# So many days are looked at, evenly apart if there are more; of the last few, every hour.
MAX_DAYS = 400
HOURLY_FOR = timedelta(days=7)


def markers(application: Application, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """When which versions were released in that time, oldest first, for any chart of the application.

    At most MAX_MARKERS: what maintainers have entered before all else, releases before pre-releases, 2.0 before 2.1
    and 2.1 before 2.1.4, and of equals the newest.
    """
    rows = list(Release.objects.filter(application=application).shown().between(since, until))
    rows.sort(key=_weight, reverse=True)
    return sorted((row.released_at, row.version) for row in rows[:MAX_MARKERS] if row.released_at)


def _weight(release: Release) -> tuple[object, ...]:
    version = release.version
    return (release.by_hand, not is_prerelease(version), -precision(version), order(version))


def history(application: Application, times: list[datetime]) -> list[Seen]:
    """Which versions its fleet ran at these times, as far as there are censuses of them."""
    return list(ClosedCensus.objects.filter(application=application).at_times(times).versions())


# Noting what the fleet shows


def note_releases(now: datetime) -> str | None:
    """Regular work: notes releases of the applications whose newest census has a version that is none yet."""
    noted = 0
    for application in Application.objects.all():
        if _has_more(application):
            noted += note(application, now)
    return f"{noted} releases are noted" if noted else None


def note(application: Application, now: datetime) -> int:
    """Notes what its fleet shows and is not known yet. Returns how many releases that were; none if it was erased
    meanwhile."""
    rows = list(application.releases.all())
    hidden = {rank(row.version) for row in rows if row.hidden}
    known = {rank(row.version) for row in rows}
    found: dict[Rank, Release] = {}
    for version, at in released(history(application, _times(application, now)), hidden).items():
        if rank(version) not in known:
            # However many texts there are of one release, the first stands for all.
            found.setdefault(rank(version), Release(application=application, version=version, released_at=at))
    noted = [row for row in rows if not row.by_hand and not row.hidden]
    kept = sorted([*noted, *found.values()], key=lambda row: order(row.version), reverse=True)[:MAX_NOTED]
    too_many = [row.pk for row in noted if row not in kept]
    new = [row for row in kept if row.pk is None]
    try:
        with transaction.atomic():
            Release.objects.filter(pk__in=too_many).delete()
            Release.objects.bulk_create(new, ignore_conflicts=True)
    except IntegrityError:
        return 0
    return len(new)


def note_again(application: Application, now: datetime) -> None:
    """After its past was counted anew: what was noted of it, and no maintainer has touched, is found anew as well."""
    with transaction.atomic():
        Release.objects.filter(application=application).noted().delete()
        note(application, now)


def _has_more(application: Application) -> bool:
    """Whether the newest census shows a release that is not known: a glance, so that all else is read seldom."""
    newest = ClosedCensus.objects.filter(application=application).last_closed_at()
    seen = history(application, [newest]) if newest else []
    known = {rank(version) for version in application.releases.values_list("version", flat=True)} if seen else set()
    return any(
        count >= real_count(versions.total) and is_version(version) and rank(version) not in known
        for _, versions in seen
        for version, count in versions.counts.items()
    )


def _times(application: Application, now: datetime) -> list[datetime]:
    first = Instance.objects.filter(application=application).first_report_at() or now
    days = evenly(PERIODS["all"].closings(now, first), MAX_DAYS)
    last = hour(now)
    hours = {last - HOUR * back for back in range(HOURLY_FOR // HOUR)}
    return sorted({*days, *hours})
