"""manage.py rebuild_census: takes past censuses again from snapshots, after an import, say."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from instances.jobs import DATABASE_ERRORS, in_words
from instances.models import Application, Instance
from metrics import retention, taking
from metrics.models import Rebuild
from metrics.periods import DAY
from shm_site.stopping import Stopping

# So many slugs are named where one that was given is none.
NAMED_SLUGS = 20


class Stopped(Exception):
    """Told to stop; what has been taken so far is kept."""


@dataclass
class Plan:
    """The censuses of one application that are to be taken again. `thinned` is how many are left out, because too few
    snapshots are kept of their times."""

    application: Application
    times: list[datetime]
    thinned: int


class Command(BaseCommand):
    help = (
        "Takes the censuses of past hours and days again from the snapshots that are kept. Of use when snapshots were "
        "added to the past, by an import, say; whatever arrives by the API is counted without it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="The applications, by their slugs.")
        parser.add_argument("--all", action="store_true", help="All applications.")
        parser.add_argument(
            "--from",
            dest="start",
            type=moment,
            metavar="DATE",
            help="ISO 8601, UTC unless it says otherwise: 2026-03-01 or 2026-03-01T14:00. Default: the first report.",
        )
        parser.add_argument(
            "--to",
            dest="end",
            type=end_moment,
            metavar="DATE",
            help="Likewise; a date alone is the end of that day. Default: now.",
        )
        parser.add_argument(
            "--restart", action="store_true", help="Begin anew even if an interrupted run could be gone on with."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("slugs", "all", "start", "end", "restart")
        try:
            with Stopping() as stopping:
                self.run(stopping, **{name: options[name] for name in names})
        except DATABASE_ERRORS as error:
            raise CommandError(
                f"The database does not answer, or has not been migrated: {in_words(error)}. Check DATABASE_URL and "
                "run manage.py migrate; then the same command goes on where it was."
            ) from error

    def run(
        self,
        stopping: Stopping,
        *,
        slugs: list[str],
        all: bool,  # noqa: A002 - the option's name
        start: datetime | None,
        end: datetime | None,
        restart: bool,
    ) -> None:
        if start and end and start > end:
            raise CommandError(f"--from ({in_utc(start)}) is after --to ({in_utc(end)}). Change one of them.")
        now = timezone.now()
        plans = [planned(application, start, end, now) for application in chosen(slugs, all)]
        wanted = sum(len(plan.times) for plan in plans)
        self.say_what_is_left_out(plans)
        if not wanted:
            raise CommandError(nothing_to_do(plans, start, end, now))
        if restart:
            Rebuild.objects.filter(application__in=[plan.application for plan in plans]).delete()
        self.rebuild([plan for plan in plans if plan.times], wanted, stopping)

    def say_what_is_left_out(self, plans: list[Plan]) -> None:
        if thinned := sum(plan.thinned for plan in plans):
            since = taking.exact_since(timezone.now(), settings.KEEP_DAILY)
            self.stdout.write(
                f"{number(thinned)} from before {since:%Y-%m-%d} stay as they are: of that time only one snapshot a "
                "month is kept, and what was counted then is truer."
            )

    def rebuild(self, plans: list[Plan], wanted: int, stopping: Stopping) -> None:
        done = 0
        with progress_bar(wanted) as bar:

            def advance(censuses: int) -> None:
                nonlocal done
                done += censuses
                bar.update(censuses)
                if stopping and done < wanted:
                    raise Stopped

            try:
                taken = sum(self.rebuild_one(plan, bar, advance) for plan in plans)
            except Stopped:
                raise CommandError(
                    f"Stopped: {number(done)} of {wanted:,} are done and kept. The same command goes on from there."
                ) from None
        # Only now: until all of them were done, these rows told the same command which to pass over.
        Rebuild.objects.filter(application__in=[plan.application for plan in plans]).delete()
        # What made this necessary may have filed snapshots of days that had been thinned already.
        retention.start_over()
        first, last = min(plan.times[0] for plan in plans), max(plan.times[-1] for plan in plans)
        self.stdout.write(f"{number(taken)} taken again of {applications(plans)}, {in_utc(first)} to {in_utc(last)}.")

    def rebuild_one(self, plan: Plan, bar: "tqdm[Any]", advance: Callable[[int], object]) -> int:
        application, first, last = plan.application, plan.times[0], plan.times[-1]
        bar.set_description(application.slug)
        interrupted = Rebuild.objects.filter(application=application, start=first, end__lte=last)
        if (row := interrupted.first()) and row.done_until:
            bar.clear()
            self.stdout.write(
                f"{application.slug}: goes on after {in_utc(row.done_until)}, where it was interrupted. --restart "
                "would begin anew."
            )
        taken = taking.rebuild(application, plan.times, advance)
        Rebuild.objects.update_or_create(
            application=application, defaults={"start": first, "end": last, "done_until": last}
        )
        return taken


def moment(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no date in ISO 8601, such as 2026-03-01 or 2026-03-01T14:00Z.") from None


def end_moment(text: str) -> datetime:
    """Of a date alone the end: the midnight whose census is that of the whole day."""
    parsed = moment(text)
    is_date_alone = "T" not in text.upper() and ":" not in text
    try:
        return parsed + DAY if is_date_alone else parsed
    except OverflowError:
        return parsed


def chosen(slugs: list[str], all_of_them: bool) -> list[Application]:
    """The applications that are asked for. Raises CommandError if that cannot be told, or if one does not exist."""
    if all_of_them and slugs:
        raise CommandError("Name applications or say --all, not both.")
    if not all_of_them and not slugs:
        raise CommandError(f"Name the applications by their slugs, or say --all. {what_there_is()}")
    found = {application.slug: application for application in Application.objects.order_by("slug")}
    if all_of_them:
        return list(found.values())
    if unknown := [slug for slug in slugs if slug not in found]:
        raise CommandError(f"There is no application {', '.join(map(repr, unknown))}. {what_there_is()}")
    return [found[slug] for slug in dict.fromkeys(slugs)]


def what_there_is() -> str:
    slugs = list(Application.objects.order_by("slug").values_list("slug", flat=True))
    if not slugs:
        return "There is none yet: the first registration of an instance makes one."
    more = f" and {len(slugs) - NAMED_SLUGS} more, which the admin lists" if len(slugs) > NAMED_SLUGS else ""
    return f"There are: {', '.join(slugs[:NAMED_SLUGS])}{more}."


def planned(application: Application, start: datetime | None, end: datetime | None, now: datetime) -> Plan:
    times = taking.rebuild_times(application, start, end, now)
    first = Instance.objects.filter(application=application).first_report_at()
    closed = taking.closing_times(first, now) if first else []
    asked = [at for at in closed if (start is None or at >= start) and (end is None or at <= end)]
    kept_since = taking.exact_since(now, settings.KEEP_DAILY)
    return Plan(application, times, thinned=sum(at < kept_since for at in asked))


def nothing_to_do(plans: list[Plan], start: datetime | None, end: datetime | None, now: datetime) -> str:
    names = applications(plans)
    if start and start > now:
        return f"--from ({in_utc(start)}) is in the future. Give an earlier date."
    reports = Instance.objects.filter(application__in=[plan.application for plan in plans])
    first = reports.first_report_at()
    if first is None:
        return f"There is nothing to take again: no instance of {names} has ever reported."
    return (
        f"There is nothing to take again: no hour or day of {names} has closed in that time of which the snapshots are "
        f"kept. The first report is of {in_utc(first)}; change --from or --to."
    )


def applications(plans: list[Plan]) -> str:
    return plans[0].application.slug if len(plans) == 1 else f"{len(plans)} applications"


def number(censuses: int) -> str:
    return f"{censuses:,} census{'' if censuses == 1 else 'es'}"


def in_utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def progress_bar(total: int) -> "tqdm[Any]":
    # None hides it where nobody watches.
    return tqdm(total=total, unit=" censuses", file=sys.stderr, disable=None)
