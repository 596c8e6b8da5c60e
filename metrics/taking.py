"""Taking censuses: the present for a page, the hours as they close, and past ones again from snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from instances.models import Application, Instance
from metrics import history, releases
from metrics.census import Census, count
from metrics.models import ClosedCensus, PresentCensus, Rebuild
from metrics.periods import DAY, HOUR, hour, midnight

MICROSECOND = timedelta(microseconds=1)
HOURLY_FOR = timedelta(days=30)
# The present of up to so many instances is counted whenever it is asked for; of more, once a minute for everybody.
LIVE_INSTANCES = 200
PRESENT_FOR = timedelta(minutes=1)
# Less than the time between two runs of refresh_presents, which begin a little early or late: none must pass one over.
REFRESH_AFTER = timedelta(seconds=20)
# Whoever has not finished a census by then has died over it.
TAKING_FOR = timedelta(minutes=2)
WRITE_BATCH = 50


def census_of(application: Application, fleet: history.Fleet, at: datetime) -> Census:
    return count(fleet.states, at, application.active_since(at), fleet.pending, application.quiet_since(at))


# The present


def present(application: Application, at: datetime) -> Census:
    return presents([application], at)[application.pk]


def presents(applications: list[Application], at: datetime) -> dict[int, Census]:
    """Of each application, by its primary key, a census no older than PRESENT_FOR.

    Of a large fleet everybody gets the same one, taken by the worker or else by whoever asks first; while that lasts,
    the others get the one before. The queries are as many for a hundred small fleets as for one.
    """
    taken = {
        row.pk: census
        for row in PresentCensus.objects.filter(application__in=applications)
        # Nor one that lies ahead, by more than two clocks may differ: a clock had jumped.
        if (census := row.census) and abs(census.at - at) < PRESENT_FOR
    }
    left = {application.pk: application for application in applications if application.pk not in taken}
    for application in Application.objects.filter(pk__in=left).larger_than(LIVE_INSTANCES) if left else ():
        census = refresh(application, at) or _stored(application)
        if census is not None:
            taken[application.pk] = census
            del left[application.pk]
    if left:
        for pk, fleet in history.now(left).items():
            taken[pk] = census_of(left[pk], fleet, at)
    return taken


def refresh(application: Application, at: datetime) -> Census | None:
    """Takes the present anew and keeps it; None if somebody else is at it, or has erased the application."""
    try:
        PresentCensus.objects.bulk_create([PresentCensus(application=application)], ignore_conflicts=True)
    except IntegrityError:
        return None
    mine = PresentCensus.objects.filter(application=application)
    until = at + TAKING_FOR
    # A claim that ends later than one made now could is of a clock that had jumped ahead.
    free = Q(taken_until=None) | Q(taken_until__lt=at) | Q(taken_until__gt=until + PRESENT_FOR)
    if not mine.filter(free).update(taken_until=until):
        return None
    census = census_of(application, history.now([application.pk])[application.pk], at)
    # Unless it took so long that somebody else has begun, whose census is the newer one.
    mine.filter(taken_until=until).update(at=at, document=census.document(), taken_until=None)
    return census


def _stored(application: Application) -> Census | None:
    row = PresentCensus.objects.filter(application=application).first()
    return row.census if row else None


def refresh_presents(now: datetime) -> str | None:
    """Regular work: takes the present of each large fleet before a page has to."""
    taken = 0
    for application in Application.objects.larger_than(LIVE_INSTANCES):
        kept = _stored(application)
        if kept is None or abs(now - kept.at) >= REFRESH_AFTER:
            taken += refresh(application, timezone.now()) is not None
    return f"{taken} large fleets are counted" if taken else None


# Closing hours


def close_hours(now: datetime) -> str | None:
    """Regular work: the census of each application and hour that has ended since the last one, and of no other.

    After a stop all hours missed are taken, as the snapshots say they were. Safe to be done twice at once: the second
    to write a census changes nothing.
    """
    closed = 0
    # Taken by a clock that had jumped ahead. When their time has come they are taken again.
    ClosedCensus.objects.filter(at__gt=now).delete()
    for application in Application.objects.all():
        closed += close(application, now)
    return f"{closed} censuses are closed" if closed else None


def close(application: Application, now: datetime) -> int:
    """Closes what is missing of one application. Returns how many censuses that were; of one erased meanwhile, none."""
    try:
        return _close(application, now)
    except IntegrityError:
        return 0  # There is no other key that a census could lack.


def _close(application: Application, now: datetime) -> int:
    last = ClosedCensus.objects.filter(application=application).last_closed_at()
    first = Instance.objects.filter(application=application).first_report_at()
    if first is None:
        return 0
    times = [at for at in closing_times(first, now) if last is None or at > last]
    if len(times) == 1:
        taken = [census_of(application, history.at(application, times[0]), times[0])]
        return _write(application, taken, replace=False)
    return sum(_write(application, batch, replace=False) for batch in _batches(_replayed(application, times)))


def closing_times(first: datetime, now: datetime) -> list[datetime]:
    """The times at which there is to be a census: midnights since `first`, and the full hours of the last 30 days."""
    hourly_from = hour(now - HOURLY_FOR)
    times = []
    # A report exactly at a closing belongs to it.
    at = midnight(first - MICROSECOND) + DAY
    while at < hourly_from:
        times.append(at)
        at += DAY
    at = max(hour(first - MICROSECOND) + HOUR, hourly_from)
    while at <= now:
        times.append(at)
        at += HOUR
    return times


def _replayed(application: Application, times: list[datetime]) -> Iterator[Census]:
    for at, fleet in history.replay(application, times):
        yield census_of(application, fleet, at)


def _batches(censuses: Iterator[Census]) -> Iterator[list[Census]]:
    while batch := list(islice(censuses, WRITE_BATCH)):
        yield batch


def _write(application: Application, censuses: list[Census], replace: bool) -> int:
    rows = [ClosedCensus(application=application, at=census.at, document=census.document()) for census in censuses]
    if replace:
        ClosedCensus.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["application", "at"], update_fields=["document"]
        )
    else:
        ClosedCensus.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def forget_hours(now: datetime) -> str | None:
    """Regular work: of censuses older than 30 days only those of midnights stay."""
    deleted = ClosedCensus.objects.filter(at__lt=hour(now - HOURLY_FOR)).within_days().delete()[0]
    return f"{deleted} hourly censuses older than {HOURLY_FOR.days} days are deleted" if deleted else None


# Again, from snapshots


def rebuild_times(
    application: Application, start: datetime | None, end: datetime | None, now: datetime
) -> list[datetime]:
    """The times between `start` and `end`, both included, whose censuses can be taken again.

    Not those from before snapshots were thinned, hours to days or days to months: what was counted then is truer than
    what could be counted now.
    """
    first = Instance.objects.filter(application=application).first_report_at()
    if first is None:
        return []
    earliest = max(start or first, exact_since(now, settings.KEEP_DAILY))
    hourly_from = exact_since(now, settings.KEEP_ALL)
    latest = min(end or now, now)
    times = [at for at in closing_times(first, now) if earliest <= at <= latest]
    return [at for at in times if at >= hourly_from or at == midnight(at)]


def exact_since(now: datetime, kept: timedelta) -> datetime:
    """From when on censuses can be taken from snapshots that are kept for so long: only whole days are thinned."""
    return midnight(now - kept)


def rebuild(application: Application, times: list[datetime], progress: Callable[[int], object]) -> int:
    """Takes the censuses of `times` again; goes on where an interrupted rebuild of the same times ended.

    Returns how many it took. Calls `progress` with how many are done each time a batch is kept.
    """
    if not times:
        return 0
    row, _ = Rebuild.objects.get_or_create(application=application, defaults={"start": times[0], "end": times[-1]})
    if row.start != times[0] or row.end > times[-1]:
        row.start, row.done_until = times[0], None
    # Hours that have closed since it was interrupted are taken along.
    row.end = times[-1]
    row.save()
    left = [at for at in times if row.done_until is None or at > row.done_until]
    progress(len(times) - len(left))
    for batch in _batches(_replayed(application, left)):
        with transaction.atomic():
            _write(application, batch, replace=True)
            Rebuild.objects.filter(application=application).update(done_until=batch[-1].at)
        progress(len(batch))
    row.delete()
    releases.note_again(application, timezone.now())
    return len(left)
