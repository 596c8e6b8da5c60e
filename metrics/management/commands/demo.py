"""manage.py demo: an invented fleet with a past, which then reports to a running server like real clients."""

import math
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction
from django.db.models import DateTimeField, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from tqdm import tqdm

from instances.models import Application, Event, Instance, PublicKey, said
from instances.slugs import slug_for
from metrics import retention, taking
from metrics.flatten import scalars
from metrics.models import Rebuild, Snapshot
from metrics.simulation.client import Client, RefusedError, becomes_healthy
from metrics.simulation.fleet import Story
from metrics.simulation.installation import Fate, Installation
from metrics.simulation.present import Present
from metrics.simulation.products import PRODUCTS

SLUGS = {slug_for(product.name): product.name for product in PRODUCTS}
STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
BATCH_ROWS = 500
# A server that is started at the same time gets so long to come up.
SERVER_START_SECONDS = 30
# Default limits let everybody through in a few seconds; a busy address takes a minute or two.
FIRST_REPORTS_SECONDS = 300
# Of those known to the server already, every so many-th starts anew, which takes two of its address's 60 a minute.
RESTARTED_SHARE = 4
OWN_DATABASE = (
    "Give the demo a database of its own: set SHM_DATA_DIR to a new folder (or DATABASE_URL to an empty database) for "
    "this command and for the server at --url."
)


@dataclass
class Plan:
    """What the database lacks of one installation's past. `instance` is None if it lacks all of it."""

    installation: Installation
    instance: Instance | None
    times: list[datetime] = field(default_factory=list)


class Command(BaseCommand):
    help = "Fills an empty database with an invented fleet's past, then lets the fleet report over signed HTTP."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", type=server_url, default="http://127.0.0.1:8080", help="The server to report to.")
        parser.add_argument("--instances", type=partial(between, 1, 1000), default=60, help="Default: 60.")
        parser.add_argument(
            "--days", type=partial(between, 1, 730), default=90, help="Length of the past. Default: 90."
        )
        parser.add_argument("--seed", type=int, default=1, help="Another seed invents another fleet. Default: 1.")
        length = parser.add_mutually_exclusive_group()
        length.add_argument("--once", action="store_true", help="End when every installation has reported once.")
        length.add_argument(
            "--report-for",
            type=partial(between, 0, 10**9),
            metavar="SECONDS",
            help="End after so long. Default: report until stopped.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with stopped_by_signals():
            self.run(**{name: options[name] for name in ("url", "instances", "days", "seed", "once", "report_for")})

    def run(self, *, url: str, instances: int, days: int, seed: int, once: bool, report_for: int | None) -> None:
        now = timezone.now()
        start = first_day(now, days)
        fleet = Story(seed, start, days).fleet(instances)
        refuse_real_data(fleet)
        plans = planned(fleet, now)
        self.announce(plans, url, once=once, report_for=report_for, now=now)
        create_applications(fleet, start)
        self.file_past(plans, now)
        self.count_past(plans, now)
        if not becomes_healthy(url, SERVER_START_SECONDS):
            raise CommandError(
                f"Nothing answers at {url}/api/v1/healthcheck. Start the server there, or give its address with --url; "
                "then run this command again: what it has filed so far stays, and is not filed twice."
            )
        present = self.report_present(fleet, url)
        if not once:
            present.run(math.inf if report_for is None else report_for)

    def announce(self, plans: list[Plan], url: str, *, once: bool, report_for: int | None, now: datetime) -> None:
        reports = sum(len(plan.times) for plan in plans)
        known = sum(plan.instance is not None for plan in plans)
        up = sum(plan.installation.is_up(now) for plan in plans)
        names = sorted({plan.installation.product.name for plan in plans})
        end = (
            "" if once else f"{'until it is stopped' if report_for is None else f'for {report_for} s'} (Ctrl-C ends it)"
        )
        self.stdout.write(
            f"A demo: {len(plans)} invented installations of {', '.join(names)}; {known} are here already."
        )
        self.stdout.write(f"1. Files {reports:,} reports of the past in {database_name()}, and counts them.")
        self.stdout.write(f"2. Has the {up} that are up report to {url}, over HTTP and signed.")
        if end:
            self.stdout.write(f"3. Has each report again every few minutes, {end}.")
        self.stdout.flush()

    def file_past(self, plans: list[Plan], now: datetime) -> None:
        with progress_bar("Filing the past", sum(len(plan.times) for plan in plans), "reports") as bar:
            for plan in plans:
                file_past_of(plan, now)
                bar.update(len(plan.times))
        retention.start_over()  # The worker may have looked at these days while they were empty.

    def count_past(self, plans: list[Plan], now: datetime) -> None:
        """Takes the censuses of the time that was filed: those that the worker would have taken as it went by."""
        filed = [plan.times[0] for plan in plans if plan.times]
        filed += Rebuild.objects.values_list(
            "start", flat=True
        )  # What was filed before, if counting it was interrupted.
        if not filed:
            return
        times = {
            application: taking.rebuild_times(application, min(filed), None, now)
            for application in Application.objects.filter(slug__in=SLUGS)
        }
        with progress_bar("Counting the past", sum(map(len, times.values())), "censuses") as bar:
            for application, wanted in times.items():
                taking.rebuild(application, wanted, bar.update)

    def report_present(self, fleet: list[Installation], url: str) -> Present:
        """Has each installation that is up report once. Returns what lets them go on."""
        first = True

        def on_refusal(refusal: RefusedError) -> None:
            if first and refusal.code == "invalid_signature":
                raise CommandError(f"The server at {url} works on another database than this command. {OWN_DATABASE}")
            self.stdout.write(f"One installation was refused, and stops: {refusal}")

        present = Present(clients_of(fleet, url), on_report=lambda: bar.update(), on_refusal=on_refusal)
        with progress_bar("Reporting", present.awaited, "instances") as bar:
            present.run_once(FIRST_REPORTS_SECONDS)
        if present.awaited:
            raise CommandError(
                f"{present.awaited} installations could not report within {FIRST_REPORTS_SECONDS} s. "
                f"See the log of the server at {url}, then run this command again."
            )
        first = False
        self.stdout.write("Every installation that is up has reported.")
        self.stdout.flush()
        return present


def between(minimum: int, maximum: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = minimum - 1
    if not minimum <= number <= maximum:
        raise ArgumentTypeError(f"{text!r} must be a whole number from {minimum} to {maximum}.")
    return number


def server_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ArgumentTypeError(f"{text!r} must be a server's address, such as http://127.0.0.1:8080.")
    return text.rstrip("/")


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Ends the block, quietly, at SIGTERM and SIGINT. Both are set: a shell starts what runs behind without SIGINT."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for signal_ in STOPPING_SIGNALS:
            signal.signal(signal_, signal.SIG_IGN)  # Once is enough; a second one must not disturb the ending.
        raise KeyboardInterrupt

    handlers = {signal_: signal.signal(signal_, stop) for signal_ in STOPPING_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for signal_, handler in handlers.items():
            signal.signal(signal_, handler)


def progress_bar(title: str, total: int, unit: str) -> "tqdm[NoReturn]":
    # In a log, where each refresh stays, one in five seconds is enough.
    pause = 0.1 if sys.stderr.isatty() else 5
    return tqdm(desc=title, total=total, unit=f" {unit}", mininterval=pause, disable=total == 0)


def database_name() -> str:
    return f"the {connection.display_name} database {connection.settings_dict['NAME']}"


def first_day(now: datetime, days: int) -> datetime:
    """When the story began: as its applications say, if it was told here before."""
    try:
        oldest = Application.objects.filter(slug__in=SLUGS).order_by("created_at").first()
    except DatabaseError as error:
        raise CommandError(
            f"The database cannot be read: {error}. Run manage.py migrate first, or see whether DATABASE_URL is right."
        ) from error
    return oldest.created_at if oldest else now - timedelta(days=days)


def refuse_real_data(fleet: list[Installation]) -> None:
    """Raises CommandError if the database holds anything that this fleet has not brought there."""
    if other := Application.objects.exclude(slug__in=SLUGS).first():
        raise CommandError(
            f"This database holds {other.name}, which is none of the demo's, and the demo does not mix with real data. "
            f"{OWN_DATABASE}"
        )
    strangers = set(Instance.objects.values_list("pk", flat=True)) - {installation.id for installation in fleet}
    if strangers:
        raise CommandError(
            f"This database holds {len(strangers)} instances that this demo does not know. If a demo brought them that "
            f"had another --seed or more --instances, give the same again. If they are real: {OWN_DATABASE}"
        )


def planned(fleet: list[Installation], now: datetime) -> list[Plan]:
    """For each installation, what is missing between its last report here and now."""
    known: dict[UUID, Instance] = Instance.objects.in_bulk()
    plans = []
    for installation in fleet:
        instance = known.get(installation.id)
        after = (instance and instance.last_report_at) or installation.joined
        is_revoked = instance is not None and instance.state == Instance.State.REVOKED
        times = [] if is_revoked else list(installation.report_times(after, now))
        plans.append(Plan(installation, instance, times))
    return plans


def create_applications(fleet: list[Installation], start: datetime) -> None:
    """Those that are missing. That they date from the story's first day is how the next start finds it again."""
    for name in {installation.product.name for installation in fleet}:
        Application.objects.get_or_create(slug=slug_for(name), defaults={"name": name, "created_at": start})


def file_past_of(plan: Plan, now: datetime) -> None:
    """Files one installation's missing past, all or nothing, so that a stopped demo goes on where it stopped.

    Directly, because the API takes nothing older than its acceptance window.
    """
    with transaction.atomic():
        if plan.instance is None and plan.installation.joined < now:
            create(plan.installation)
        elif plan.times and plan.instance is not None:
            plan.instance.activate()  # It may have been stopped between its registration and its activation.
        if plan.times:
            file_reports(plan.installation, plan.times)


def create(installation: Installation) -> None:
    """The instance and its key, as they came to be when it joined."""
    joined, fate = installation.joined, installation.fate
    state = {Fate.PENDING: Instance.State.PENDING, Fate.REVOKED: Instance.State.REVOKED}.get(
        fate, Instance.State.ACTIVE
    )
    instance = Instance.objects.create(
        pk=installation.id,
        application=Application.objects.get(slug=slug_for(installation.product.name)),
        state=state,
        registered_at=joined,
        activated_at=None if fate is Fate.PENDING else joined + timedelta(seconds=1),
        revoked_at=installation.ended if fate is Fate.REVOKED else None,
        **installation.description(joined),
    )
    instance.note(Event.Kind.REGISTERED, f"Version: {said(instance.app_version)}", joined)
    if instance.activated_at:
        instance.note(Event.Kind.ACTIVATED, at=instance.activated_at)
    if fate is Fate.REVOKED and installation.ended is not None:
        instance.note(Event.Kind.REVOKED, at=installation.ended)
    PublicKey.objects.create(instance_id=installation.id, hex=installation.public_key, created_at=joined)


def file_reports(installation: Installation, times: list[datetime]) -> None:
    """Its snapshots, and what the newest one makes of the instance. `times` are in order, and not empty."""
    snapshots = [
        Snapshot(
            instance_id=installation.id,
            timestamp=at,
            app_version=installation.version(at),
            metrics=installation.metrics(at),
        )
        for at in times
    ]
    Snapshot.objects.bulk_create(snapshots, batch_size=BATCH_ROWS, ignore_conflicts=True)
    newest = snapshots[-1]
    # Not over a newer one: the instance may have reported over HTTP since the plan was made.
    older = Q(last_report_at=None) | Q(last_report_at__lt=newest.timestamp)
    Instance.objects.filter(older, pk=installation.id).update(
        first_report_at=Coalesce("first_report_at", Value(times[0], DateTimeField())),
        last_report_at=newest.timestamp,
        last_seen_at=newest.timestamp,
        reported_version=newest.app_version,
        metrics=scalars(newest.metrics),
        **installation.description(newest.timestamp),
    )


def clients_of(fleet: list[Installation], url: str) -> list[Client]:
    """Those that report from now on, and of those that are up the ones that the server must know already first.

    So a server that works on another database refuses the first report, before anything is registered there.
    """
    now = timezone.now()
    known = {instance.pk: instance for instance in Instance.objects.all()}
    clients = []
    for installation in fleet:
        instance = known.get(installation.id)
        is_revoked = instance is not None and instance.state == Instance.State.REVOKED
        if not is_revoked and installation.fate is not Fate.PENDING:
            clients.append(Client(url, installation, instance.app_version if instance else None))
    clients.sort(key=lambda client: (client.version is None, not client.installation.is_up(now)))
    for client in clients[1::RESTARTED_SHARE]:
        client.restart()
    return clients
