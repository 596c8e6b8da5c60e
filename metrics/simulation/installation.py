"""One installation of the demo: who it is, when it is up, when it reports and what it then sends. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any
from uuid import UUID

from nacl.signing import SigningKey

from metrics.simulation.products import SYSTEM_METRICS, Product
from metrics.simulation.shapes import Moment, sample

HOURLY_FOR = timedelta(days=7)
COARSE_HOURS = 6
# The first report follows the start, as with the real clients.
FIRST_REPORT_AFTER = timedelta(seconds=20)
EPHEMERAL_LIFE = timedelta(hours=1)
EPHEMERAL_EVERY = timedelta(minutes=20)


class Fate(Enum):
    STEADY = auto()
    JOINER = auto()  # set up some day in the story
    NEWCOMER = auto()  # set up at the moment that the demo is first started
    GONE = auto()  # falls silent some day, for good
    AWAY = auto()  # silent for weeks, then back
    GAP = auto()  # two days are missing
    EPHEMERAL = auto()  # a build's own, gone after an hour
    TEXT = auto()  # sends text where others send a number
    OUTLIER = auto()  # larger than all others together
    REVOKED = auto()
    PENDING = auto()  # registered, and never heard of again


@dataclass(frozen=True)
class Installation:
    """What is drawn once for an installation. Times are UTC; `joined`, `ended` and `silent` bound when it is up."""

    product: Product
    fate: Fate
    id: UUID
    key: SigningKey
    system: str
    mode: str
    environment: str
    size: float  # 1 is an ordinary one
    clock_offset: float  # hours from UTC, so that not all are busy at once
    set_up: datetime  # before it joined, for those that are older than the story
    joined: datetime
    ended: datetime | None
    silent: tuple[datetime, datetime] | None
    upgrades: tuple[tuple[datetime, str], ...]  # the first is the version that it joined with
    phase: timedelta  # into the hour: when it reports

    @property
    def public_key(self) -> str:
        return self.key.verify_key.encode().hex()

    def description(self, at: datetime) -> dict[str, str]:
        """What it says of itself, by the protocol's names."""
        return {
            "app_version": self.version(at),
            "deployment_mode": self.mode,
            "environment": self.environment,
            "os_arch": self.system,
        }

    def is_up(self, at: datetime) -> bool:
        """Whether it runs and reports. A pending one never does."""
        if self.fate is Fate.PENDING or at < self.joined or (self.ended and at >= self.ended):
            return False
        return self.silent is None or not self.silent[0] <= at < self.silent[1]

    def version(self, at: datetime) -> str:
        return self.upgrades[max(0, bisect_right(self.upgrades, at, key=lambda upgrade: upgrade[0]) - 1)][1]

    def report_times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """When it reported after `after` and before `until`: hourly in the last week, every six hours before that."""
        times = self._ephemeral_times() if self.fate is Fate.EPHEMERAL else self._regular_times(after, until)
        return (at for at in times if after < at < until and self.is_up(at))

    def _ephemeral_times(self) -> Iterator[datetime]:
        return (self.joined + FIRST_REPORT_AFTER + n * EPHEMERAL_EVERY for n in range(3))

    def _regular_times(self, after: datetime, until: datetime) -> Iterator[datetime]:
        first = self.joined + FIRST_REPORT_AFTER
        yield first
        start = max(after, first)
        at = start.replace(minute=0, second=0, microsecond=0) + self.phase
        coarse_hour = int(self.phase.total_seconds()) % COARSE_HOURS
        while at < until:
            if at > start and (until - at < HOURLY_FOR or at.hour % COARSE_HOURS == coarse_hour):
                yield at
            at += timedelta(hours=1)

    def metrics(self, at: datetime) -> dict[str, Any]:
        """What it sends at that moment."""
        moment = Moment(
            identity=str(self.id),
            size=self.size,
            age=(at - self.set_up) / timedelta(days=1),
            local_day=(at.timestamp() / 3600 + self.clock_offset) / 24,
            weekend=self.product.weekend,
        )
        os, _, arch = self.system.partition("/")
        metrics = {
            **sample(self.product.metrics, moment),
            "app_uptime_h": round((at - self.started(at)) / timedelta(hours=1), 1),
            "sys_os": os,
            "sys_arch": arch,
            "sys_mode": self.mode,
            **sample(SYSTEM_METRICS[os], moment),
        }
        if self.fate is Fate.TEXT:
            metrics[self.product.headline] = "unknown (database is locked)"
        return metrics

    def started(self, at: datetime) -> datetime:
        """Its last start: an upgrade, the end of a silence, or the restart that comes every few weeks."""
        every = timedelta(days=9) + self.phase * 40
        regular = self.joined + every * ((at - self.joined) // every)
        starts: list[datetime] = [
            regular,
            *(moment for moment, _ in self.upgrades),
            *(self.silent[1:] if self.silent else ()),
        ]
        return max(moment for moment in starts if moment <= at)
