"""What the overview shows: one row an application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from dashboard.applications import Breakdown, breakdown
from dashboard.charts import Series, active_histories
from instances.models import Application
from instances.querysets import ApplicationQuerySet
from metrics import taking
from metrics.census import Census
from metrics.keys import Metric
from metrics.periods import PERIODS

# Two missed reports and some jitter: one alone happens to everybody.
QUIET_INTERVALS = 3


@dataclass(frozen=True)
class Row:
    application: Application
    census: Census
    active: Series
    versions: Breakdown | None
    last_seen_at: datetime | None

    @property
    def is_quiet(self) -> bool:
        """Whether reports have stopped coming in, of a fleet that should be sending them."""
        if self.last_seen_at is None:
            return False
        patience = timedelta(minutes=self.application.report_minutes * QUIET_INTERVALS)
        return self.census.active > 0 and self.census.at - self.last_seen_at > patience


def rows(applications: ApplicationQuerySet, now: datetime) -> list[Row]:
    """The applications, the largest fleet first."""
    found = list(applications.with_last_seen())
    censuses = taking.presents(found, now)
    histories = active_histories(found, PERIODS["30d"], censuses)
    rows = [_row(application, censuses[application.pk], histories[application.pk]) for application in found]
    return sorted(rows, key=lambda row: (-row.census.active, row.application.name.lower()))


def too_many_unconfirmed() -> int:
    """How many applications nobody has confirmed, if these are so many that no further ones are taken in; else 0."""
    unconfirmed = Application.objects.unconfirmed().count()
    return unconfirmed if unconfirmed >= settings.MAX_UNCONFIRMED_APPLICATIONS else 0


def _row(application: Application, census: Census, active: Series) -> Row:
    versions = census.dimensions.get("app_version")
    return Row(
        application=application,
        census=census,
        active=active,
        versions=breakdown(Metric.named("app_version"), versions) if versions else None,
        last_seen_at=application.last_seen_at,  # type: ignore[attr-defined]
    )
