"""Retention: every snapshot for a while, then each instance's last of the day, at length its last of the month.

A day (UTC) ends with the midnight that closes it, which belongs to it; a month ends with its last day. A bucket is
thinned when all of it is past its bound. So a census of any hour can be taken again exactly as long as every snapshot
is kept, one of any midnight as long as daily ones are, and one of a month's end for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from operator import or_
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from instances.models import Instance
from metrics.models import Snapshot, Thinning
from metrics.periods import midnight

MICROSECOND = timedelta(microseconds=1)
# Whatever is longer than that is as good as for ever, and some of it reaches back to before there were dates.
LONGEST = timedelta(days=36500)
# What is read at once: this many instances' snapshots of a month at most.
READ_INSTANCES = 100
# What one transaction deletes: about so many rows, of so many stretches. A report that arrives waits for no more.
DELETE_ROWS = 1000
DELETE_STRETCHES = 50


class Stretch(NamedTuple):
    """The snapshots of an instance between two times, neither included: `rows` of them, all to be deleted."""

    instance: UUID
    after: datetime
    before: datetime
    rows: int


def thin(now: datetime) -> str | None:
    """Regular work: deletes what is to be kept no longer.

    Reads what has passed a bound since the last time and no more. It may be stopped at any moment and be done twice at
    once: each deletion is right by itself, and where it got to is noted at the end.
    """
    keep_all = settings.KEEP_ALL
    deleted = _thin(Thinning.DAYS, midnight, keep_all, now)
    deleted += _thin(Thinning.MONTHS, month, max(keep_all, settings.KEEP_DAILY), now)
    return f"{deleted} old snapshots are deleted" if deleted else None


def start_over() -> None:
    """The next time everything is looked at again. To be called once older snapshots have been filed by an import."""
    # Deleted, not reset: a run that is under way notes its end in a row that is there no more.
    Thinning.objects.all().delete()


def month(moment: datetime) -> datetime:
    """The first midnight (UTC) of the moment's month."""
    return midnight(moment).replace(day=1)


def _thin(name: str, opening: Callable[[datetime], datetime], keep: timedelta, now: datetime) -> int:
    """Thins to one snapshot a bucket those buckets that ended `keep` ago or earlier. Returns how many it deleted."""
    bound = opening(now - min(keep, LONGEST))
    progress, _ = Thinning.objects.get_or_create(name=name)
    start = progress.until and opening(progress.until - _lateness(keep))
    deleted = 0
    if start is None or start < bound:
        for pks, first_report_at in _instances(start, bound):
            # What is read at once ends with a month or with the bound, so no bucket is read by halves.
            for after, until in _months(start or opening(first_report_at - MICROSECOND), bound):
                deleted += sum(map(_delete, _portions(_surplus(_times(pks, after, until), opening))))
    # Also when the bound has moved back, as after a longer span was set: what will pass it then is still to be thinned.
    Thinning.objects.filter(pk=progress.pk).update(until=bound)
    return deleted


def _lateness(keep: timedelta) -> timedelta:
    """How long before the last bound there may be snapshots that have arrived since."""
    late: timedelta = settings.ACCEPTANCE_WINDOW + settings.CLOCK_TOLERANCE
    return late if keep < late else timedelta(0)


def _instances(start: datetime | None, bound: datetime) -> Iterator[tuple[list[UUID], datetime]]:
    """Primary keys, some at a time, of those that may have reported after `start` and not after `bound`; with each
    batch when the first of it first reported."""
    instances = Instance.objects.only("first_report_at").filter(first_report_at__lte=bound).order_by("pk")
    if start is not None:
        instances = instances.filter(last_report_at__gt=start)
    batch = list(instances[:READ_INSTANCES])
    while batch:
        yield [each.pk for each in batch], min(each.first_report_at for each in batch if each.first_report_at)
        batch = list(instances.filter(pk__gt=batch[-1].pk)[:READ_INSTANCES])


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        stop = min(month(month(start) + timedelta(days=31)), end)
        yield start, stop
        start = stop


def _times(pks: list[UUID], after: datetime, until: datetime) -> Iterator[tuple[UUID, datetime]]:
    """Instance and time of each snapshot, in their order: out of the key alone, one instance after the other."""
    snapshots = Snapshot.objects.filter(instance__in=pks, timestamp__gt=after, timestamp__lte=until)
    return snapshots.order_by("instance", "timestamp").values_list("instance", "timestamp").iterator(chunk_size=2000)


def _surplus(times: Iterable[tuple[UUID, datetime]], opening: Callable[[datetime], datetime]) -> Iterator[Stretch]:
    """All but the last of each instance and bucket."""

    def bucket(report: tuple[UUID, datetime]) -> tuple[UUID, datetime]:
        return report[0], opening(report[1] - MICROSECOND)

    for (instance, opened_at), reports in groupby(times, bucket):
        *surplus, last = [timestamp for _, timestamp in reports]
        if surplus:
            yield Stretch(instance, opened_at, last, len(surplus))


def _portions(stretches: Iterable[Stretch]) -> list[list[Stretch]]:
    """What is deleted together. A list, for nothing may be deleted while it is still being read."""
    portions: list[list[Stretch]] = []
    rows = DELETE_ROWS
    for stretch in stretches:
        if rows >= DELETE_ROWS or len(portions[-1]) == DELETE_STRETCHES:
            portions.append([])
            rows = 0
        portions[-1].append(stretch)
        rows += stretch.rows
    return portions


def _delete(stretches: list[Stretch]) -> int:
    # By their bounds and not one by one: what has been filed in between meanwhile is not the last of its bucket either.
    rows = [Q(instance=each.instance, timestamp__gt=each.after, timestamp__lt=each.before) for each in stretches]
    return Snapshot.objects.filter(reduce(or_, rows)).delete()[0]
