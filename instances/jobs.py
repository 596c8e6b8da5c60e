"""Regular work: what has to be done again and again, and who does it when.

Each piece has a row (models.Job) with the time when it is due. A worker takes it by a lease that is one conditional
UPDATE, so any number of workers may run, on any number of machines. After a stop whatever has become due runs once,
at once; a function that has to make up for each hour or day that was missed finds out itself which those are.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from instances.models import Event, Job, SpentBody
from instances.throttling import sweep
from shm_site.stopping import Interrupted, Stopping

logger = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETRY_AFTER = timedelta(minutes=1)
# A worker that lives never leaves a job due for so long, unless it has another in hand.
LATE_AFTER = timedelta(minutes=5)
DATABASE_ERRORS = (DatabaseError, InterfaceError)


@dataclass(frozen=True)
class Work:
    """One piece of regular work: `function`, by its dotted path, every `interval`.

    It is called with the time (aware, UTC) and returns what it has done as the words of a log line, or nothing if
    there was nothing to do. It must bear being run twice, even at once: a lease ends while its holder still works if
    that takes longer than `lease`.
    """

    name: str
    interval: timedelta
    function: str
    lease: timedelta = timedelta(minutes=10)

    def __call__(self, now: datetime) -> str | None:
        function: Callable[[datetime], str | None] = import_string(self.function)
        return function(now)

    def next_due(self, now: datetime) -> datetime:
        """The next whole multiple of the interval: hourly work is due when an hour closes, daily at midnight UTC."""
        return now + self.interval - (now - EPOCH) % self.interval


def regular_work() -> list[Work]:
    """All of it. Functions are named by their paths because this app imports none of those that build on it."""
    return [
        Work("sweep_rates", settings.RATELIMIT_CLEANUP_INTERVAL, "instances.jobs.sweep_rates"),
        Work("sweep_spent_bodies", timedelta(minutes=10), "instances.jobs.sweep_spent_bodies"),
        Work("clear_sessions", timedelta(days=1), "instances.jobs.clear_sessions"),
        Work("forget_events", timedelta(days=1), "instances.jobs.forget_events"),
        Work("forget_pending", timedelta(hours=1), "instances.forgetting.forget_pending"),
        Work("refresh_presents", timedelta(seconds=30), "metrics.taking.refresh_presents"),
        Work("apply_rules", timedelta(hours=1), "metrics.exclusion.apply_rules"),
        Work("close_hours", timedelta(hours=1), "metrics.taking.close_hours"),
        Work("note_releases", timedelta(hours=1), "metrics.releases.note_releases"),
        Work("forget_hours", timedelta(days=1), "metrics.taking.forget_hours"),
        Work("thin", timedelta(days=1), "metrics.retention.thin", lease=timedelta(hours=1)),
    ]


def sweep_rates(now: datetime) -> str | None:
    count = sweep(now.timestamp())
    return f"{count} rate limits that were full again are forgotten" if count else None


def sweep_spent_bodies(now: datetime) -> str | None:
    count = SpentBody.objects.filter(expires_at__lt=now).delete()[0]
    return f"{count} signed bodies that are too old to be sent again are forgotten" if count else None


def clear_sessions(now: datetime) -> str | None:
    count = Session.objects.filter(expire_date__lt=now).delete()[0]
    return f"{count} expired sessions are deleted" if count else None


def forget_events(now: datetime) -> str | None:
    count = Event.objects.passed(now - settings.KEEP_DAILY).delete()[0]
    return f"{count} lines of history that have had their time are forgotten" if count else None


def why_late(now: datetime) -> str | None:
    """If regular work is not being done: since when, and what to do about it, in sentences. One query."""
    # By their names, because a row stays when its work has been taken out of the list.
    names = [work.name for work in regular_work()]
    rows = list(Job.objects.filter(name__in=names).values_list("due_at", "lease_until"))
    if not rows:
        return gettext("Regular work has never been done here: no worker has run yet. Start manage.py worker.")
    # Whoever has one piece in hand lets the others wait for as long as that takes.
    if any(lease_until and lease_until > now for _, lease_until in rows):
        return None
    due = min(due_at for due_at, _ in rows)
    if due >= now - LATE_AFTER:
        return None
    since = f"{due.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    late = gettext(
        "Regular work has not been done since %(time)s. Start manage.py worker, or see in its log what stops it."
    )
    return late % {"time": since}


def failing(now: datetime) -> list[tuple[str, str]]:
    """The names of the jobs that have failed each time for longer than LATE_AFTER, and why: they are never late,
    because they are tried again every minute. One query."""
    intervals = {work.name: work.interval for work in regular_work()}
    rows = Job.objects.filter(name__in=intervals).exclude(last_error="")
    return [
        (name, error)
        for name, ran_at, error in rows.values_list("name", "last_run_at", "last_error")
        if ran_at is None or ran_at < now - intervals[name] - LATE_AFTER
    ]


def in_words(error: Exception) -> str:
    """The error's message as a part of a sentence: libpq's has several lines."""
    return " ".join(str(error).split()).rstrip(".?")


class Worker:
    """One process's share of the regular work."""

    def __init__(self, work: list[Work] | None = None) -> None:
        self.work = regular_work() if work is None else work
        # Nothing looks up whose process it is, so nothing of the machine is written.
        self.holder = secrets.token_hex(8)

    def run_due(self, now: datetime, stopping: Stopping | None = None) -> list[str]:
        """Runs whatever is due and nobody else has in hand. Returns the names of those that failed.

        Told to stop, it leaves what it is at, which stays due, and starts nothing more.

        Raises one of DATABASE_ERRORS while the database is away.
        """
        self._enrol(now)
        failed = []
        for work in self.work:
            if stopping or not Job.take(work.name, self.holder, now, work.lease):
                continue
            if not self._run(work, now, nullcontext() if stopping is None else stopping.interrupting()):
                failed.append(work.name)
        return failed

    def seconds_until_due(self, now: datetime) -> float:
        names = [work.name for work in self.work]
        due = Job.objects.filter(name__in=names).order_by("due_at").values_list("due_at", flat=True).first()
        return max(0.0, (due - now).total_seconds()) if due else 0.0

    def _enrol(self, now: datetime) -> None:
        """Makes the missing rows, due at once."""
        Job.objects.bulk_create([Job(name=work.name, due_at=now) for work in self.work], ignore_conflicts=True)
        for work in self.work:
            # Further off than an interval: the interval was shortened, or a clock was wrong.
            Job.objects.filter(name=work.name, due_at__gt=now + work.interval).update(due_at=work.next_due(now))

    def _run(self, work: Work, now: datetime, interrupting: AbstractContextManager[None]) -> bool:
        started = time.monotonic()
        try:
            with interrupting:
                done = work(now)
        except Interrupted:
            connection.close()  # It may have been left in the middle of a statement.
            Job.finish(work.name, self.holder, due_at=now, ran_at=None)
            logger.info("%s: interrupted; whoever works next goes on with it", work.name)
            return True
        except Exception as error:  # Whatever goes wrong in one job, the others go on and it is tried again.
            logger.exception("%s failed; it is tried again in a minute at the latest", work.name)
            retry = timezone.now() + min(RETRY_AFTER, work.interval)
            Job.finish(work.name, self.holder, due_at=retry, ran_at=None, error=f"{type(error).__name__}: {error}")
            return False
        Job.finish(work.name, self.holder, due_at=work.next_due(now), ran_at=now)
        logger.info("%s: %s (%.2f s)", work.name, done or "nothing to do", time.monotonic() - started)
        return True
