"""One version of a fleet as the table of versions shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import get_language, gettext, ngettext

from dashboard.charts import Series
from dashboard.numbers import exact
from metrics import versions
from metrics.adoption import Superseded
from metrics.models import Release
from metrics.periods import DAY


@dataclass(frozen=True)
class Took:
    """How long a release took to reach a share of the fleet."""

    time: timedelta | None
    is_known: bool = True  # Not: nobody knows when it was released, or it was there before counting began.

    @property
    def days(self) -> float | None:
        return None if self.time is None else round(self.time / DAY, 2)

    def __str__(self) -> str:
        if self.time is None:
            return gettext("not yet") if self.is_known else "–"
        return duration(self.time)


def duration(time: timedelta) -> str:
    """Whole days, as more is not known of it."""
    days = round(time / DAY)
    return ngettext("%(days)d day", "%(days)d days", days) % {"days": days} if days else gettext("under a day")


@dataclass(frozen=True)
class Row:
    """One version: who runs it, and how it came."""

    version: str
    count: int
    share: float
    covered: int  # That run this version or a newer one.
    covered_share: float
    trend: Series
    change: int | None  # Of the last week; None if there was no census a week ago.
    seen_on: date | None  # UTC. None: it was there when counting began, or was never seen.
    release: Release | None
    half: Took
    most: Took
    standing: Superseded
    is_newest: bool
    is_old: bool

    @property
    def released_on(self) -> date | datetime | None:
        """What a maintainer has said is a time, by anybody's clock; what the fleet shows is a day, of UTC."""
        at = self.release.released_at if self.release else None
        return at if at is None or (self.release and self.release.by_hand) else at.astimezone(UTC).date()

    @property
    def is_version(self) -> bool:
        return versions.is_version(self.version)

    @property
    def is_prerelease(self) -> bool:
        return versions.is_prerelease(self.version)

    @property
    def change_text(self) -> str:
        if self.change is None:
            return "–"
        return ("+" if self.change > 0 else "") + exact(self.change, language=get_language() or "en")

    @property
    def instances(self) -> str:
        """The query string of the instance table that lists them."""
        return "?" + urlencode({"state": "active", "f.app_version": self.version})


def cells(row: Row) -> list[Any]:
    """The row of the table that is taken away, in the order of its titles."""
    covered = [row.covered, row.covered_share] if row.is_version else [None, None]
    dates = [row.seen_on, row.released_on, row.half.days, row.most.days]
    standing = list(row.standing) if row.is_version else [None, None]
    return [row.version, row.count, row.share, *covered, row.change, *dates, *standing]
