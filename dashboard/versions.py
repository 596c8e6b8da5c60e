"""The versions that a fleet runs: how far the newest has come, how upgrades go, and what lingers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from statistics import median
from typing import Literal
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext

from dashboard.charts import MAX_POINTS, Chart, Line, Point, Series, release_markers
from dashboard.releases import ReleaseForm
from dashboard.sheets import Sheet
from dashboard.version_rows import Row, Took, cells, duration
from instances.models import Application, Instance
from metrics import adoption, releases, taking, versions
from metrics.adoption import Seen
from metrics.census import Census, Dimension
from metrics.models import Release
from metrics.periods import DAY, PERIODS, Period, evenly

CHART_PERIOD = PERIODS["3m"]
TREND = 30 * DAY
CHANGE_WITHIN = 7 * DAY
# So many are told apart by colour; all others are one.
LINES = 6
# What a version is called to cover a fleet if nobody asks for another share.
COVERED = 0.9
HALF, MOST = 0.5, 0.9
# How long upgrades take is said of the last few releases: it changes with the years.
RECENT_RELEASES = 5
# A version is old when so many releases have come after it, or the first one so long ago.
OLD_RELEASES = 3
OLD_AFTER = 183 * DAY
OLD_SHOWN = 10
MICROSECOND = timedelta(microseconds=1)


def newest_share(census: Census, application: Application) -> tuple[str, float] | None:
    """The newest version of the fleet, and which share of it (0 to 1) runs that. None if there is none to be told.

    One query, for the application's releases; none where they have been prefetched.
    """
    dimension = census.dimensions.get("app_version")
    if dimension is None:
        return None
    newest = newest_version(dimension, application, list(application.releases.all()))
    return (newest, versions.same(dimension.counts, newest) / dimension.total) if newest else None


def newest_version(dimension: Dimension, application: Application, known: Sequence[Release]) -> str | None:
    """The newest by what instances run and maintainers say: as released, as told to the instances, or as none."""
    hidden = {versions.rank(release.version) for release in known if release.hidden}
    counts = {text: count for text, count in dimension.counts.items() if versions.rank(text) not in hidden}
    said = [release.version for release in known if release.by_hand and not release.hidden]
    total = sum(counts.values()) + dimension.folded
    return versions.newest(counts, total, [application.latest_version, *said])


@dataclass(frozen=True)
class Covers:
    """That a version and all newer ones cover so much of the fleet."""

    version: str
    count: int
    share: float


class VersionsPage:
    """The fleet's versions at present and as they came. `period`, `as` and `from` in the address choose what is shown;
    anything in it that means nothing is ignored."""

    def __init__(self, application: Application, query: QueryDict, now: datetime) -> None:
        self.application = application
        self.census: Census = taking.present(application, now)
        self.dimension = self.census.dimensions.get("app_version") or Dimension({})
        self.releases = list(application.releases.all())
        self.period: Period = PERIODS.get(query.get("period", ""), CHART_PERIOD)
        self.is_share = query.get("as") != "count"
        self.newest = newest_version(self.dimension, application, self.releases)
        self._from = query.get("from", "")
        self.form = ReleaseForm()

    @property
    def total(self) -> int:
        return self.dimension.total

    # What is read: at most MAX_POINTS censuses for the table and as many for the chart, in one query.

    @cached_property
    def _times(self) -> tuple[list[datetime], list[datetime]]:
        """Of the table, and of the chart."""
        first = Instance.objects.filter(application=self.application).first_report_at() or self.census.at
        days, chart = (
            [at for at in evenly(period.closings(self.census.at, first), MAX_POINTS) if at < self.census.at]
            for period in (PERIODS["all"], self.period)
        )
        return days, chart

    @cached_property
    def _histories(self) -> tuple[list[Seen], list[Seen]]:
        present = [Seen(self.census.at, self.dimension)] if self.total else []
        closed = {
            seen.at: seen for seen in releases.history(self.application, sorted({*self._times[0], *self._times[1]}))
        }
        days, chart = ([closed[at] for at in times if at in closed] + present for times in self._times)
        return days, chart

    @property
    def history(self) -> list[Seen]:
        """One census a day, as far as they go back, and the present."""
        return self._histories[0]

    # At a glance

    @cached_property
    def newest_count(self) -> int:
        return versions.same(self.dimension.counts, self.newest) if self.newest else 0

    @property
    def newest_share(self) -> float:
        return self.newest_count / self.total if self.total else 0.0

    @cached_property
    def newest_trend(self) -> Series:
        """Which share ran what is the newest version now."""
        newest = self.newest or ""
        recent = [seen for seen in self.history if seen.at >= self.census.at - TREND and seen.versions.total]
        return Series([Point(at, versions.same(ran.counts, newest) / ran.total) for at, ran in recent])

    @property
    def newest_release(self) -> Release | None:
        return self._release_of(self.newest) if self.newest else None

    @property
    def newest_age(self) -> str:
        """How long ago the newest version was released; "" if nobody knows."""
        release = self.newest_release
        return duration(self.census.at - release.released_at) if release and release.released_at else ""

    @property
    def newest_and_newer(self) -> float:
        """The share that half and most of the fleet are counted by: pre-releases of what comes next are among it."""
        newest = self.newest or ""
        return adoption.covered(self.dimension, [newest])[newest] / self.total if self.total else 0.0

    @cached_property
    def choices(self) -> list[str]:
        """The versions that can be asked for, newest first; one text for each release."""
        found: dict[versions.Rank, str] = {}
        for version in versions.newest_first(filter(versions.is_version, self.dimension.counts)):
            found.setdefault(versions.rank(version), version)
        return list(found.values())

    @cached_property
    def covers(self) -> Covers | None:
        """The version that is asked for, or else the newest that covers COVERED of the fleet with those after it."""
        covered = adoption.covered(self.dimension, self.choices)
        enough = [version for version in self.choices if covered[version] >= COVERED * self.total]
        wanted = self._from if self._from in covered else next(iter(enough or self.choices[-1:]), None)
        return Covers(wanted, covered[wanted], covered[wanted] / self.total) if wanted else None

    @cached_property
    def recent(self) -> list[Row]:
        """The last releases that half the fleet has come to, newest first: by them one sees how long it takes."""
        reached = [row for row in self.rows if row.half.time is not None and not row.is_prerelease]
        return reached[:RECENT_RELEASES]

    @property
    def half_takes(self) -> str:
        return _median([row.half.time for row in self.recent])

    @property
    def most_takes(self) -> str:
        return _median([row.most.time for row in self.recent])

    # The chart

    @cached_property
    def chart(self) -> Chart:
        """The newest version at the bottom, so that each upper edge is the share that a version and all newer ones
        have, to be read off the axis."""
        history = self._histories[1]
        drawn = versions.newest_first(_told_apart(adoption.most_run(history, LINES + 2)))
        lines = [
            Line(version, Series([Point(at, ran.counts.get(version, 0)) for at, ran in history])) for version in drawn
        ]
        others = [Point(at, ran.total - sum(ran.counts.get(version, 0) for version in drawn)) for at, ran in history]
        if any(point.value for point in others):
            lines.append(Line(gettext("Others"), Series(others), faint=True))
        marks = release_markers(self.application, lines, self.census.at)
        kind: Literal["share", "stacked"] = "share" if self.is_share else "stacked"
        return Chart("adoption", gettext("Active instances by version"), lines, kind, markers=marks)

    @property
    def period_addresses(self) -> list[tuple[Period, str]]:
        return [(period, self.address(period=period.name)) for period in PERIODS.values()]

    @property
    def share_address(self) -> str:
        return self.address(**{"as": "share"})

    @property
    def count_address(self) -> str:
        return self.address(**{"as": "count"})

    def address(self, **changes: str) -> str:
        """The query string of this view with some of it changed."""
        kept = {"period": self.period.name, "as": "share" if self.is_share else "count", "from": self._from}
        return "?" + urlencode({name: value for name, value in {**kept, **changes}.items() if value})

    # The table

    @cached_property
    def rows(self) -> list[Row]:
        """The versions that run, and the recent ones that nobody runs any more; newest first."""
        known = [release.version for release in self.releases if not release.hidden and release.released_at]
        shown = {*self.dimension.counts, *versions.newest_first(known)[: releases.MAX_MARKERS]}
        shown |= {self.newest} if self.newest else set()
        ordered = versions.newest_first(shown)
        covered = adoption.covered(self.dimension, ordered)
        reached = adoption.reached(self.history, ordered, [HALF, MOST])
        return [self._row(version, covered[version], reached[version]) for version in ordered]

    def _row(self, version: str, covered: int, reached: list[datetime | None]) -> Row:
        release = self._release_of(version)
        standing = adoption.superseded(version, self._superseding)
        count = self.dimension.counts.get(version, 0)
        is_ordered = versions.is_version(version)
        half, most = (self._took(release, at) for at in reached)
        return Row(
            version=version,
            count=count,
            share=count / self.total if self.total else 0.0,
            covered=covered,
            covered_share=covered / self.total if self.total else 0.0,
            trend=self._trend(version),
            change=self._change(version),
            seen_on=self._seen_on(version),
            release=release,
            half=half,
            most=most,
            standing=standing,
            is_newest=self.newest is not None and versions.rank(version) == versions.rank(self.newest),
            is_old=is_ordered and adoption.lingers(standing, self.census.at, OLD_RELEASES, OLD_AFTER),
        )

    @cached_property
    def _by_rank(self) -> dict[versions.Rank, Release]:
        return {versions.rank(release.version): release for release in self.releases if not release.hidden}

    def _release_of(self, version: str) -> Release | None:
        return self._by_rank.get(versions.rank(version)) if versions.is_version(version) else None

    @cached_property
    def _superseding(self) -> dict[str, datetime | None]:
        """What makes older versions old: releases, the newest among them."""
        said: dict[str, datetime | None] = {self.newest: None} if self.newest else {}
        final = [
            release for release in self.releases if not release.hidden and not versions.is_prerelease(release.version)
        ]
        return {**said, **{release.version: release.released_at for release in final}}

    def _took(self, release: Release | None, reached: datetime | None) -> Took:
        if release is None or release.released_at is None:
            return Took(None, is_known=False)
        if reached is None:
            return Took(None)
        # It may have been so long before, when nobody counted.
        if reached == self.history[0].at and release.released_at < reached - DAY:
            return Took(None, is_known=False)
        return Took(max(reached - release.released_at, timedelta()))

    @cached_property
    def _first_seen(self) -> dict[str, datetime]:
        return adoption.first_seen(self.history)

    def _seen_on(self, version: str) -> date | None:
        at = self._first_seen.get(version)
        return _day_of(at) if at and at != self.history[0].at else None

    @cached_property
    def _recent_history(self) -> list[Seen]:
        return [seen for seen in self.history if seen.at >= self.census.at - TREND]

    def _trend(self, version: str) -> Series:
        return Series([Point(at, ran.counts.get(version, 0)) for at, ran in self._recent_history])

    def _change(self, version: str) -> int | None:
        before = [seen for seen in self.history if seen.at <= self.census.at - CHANGE_WITHIN]
        if not before or before[-1].at < self.census.at - 2 * CHANGE_WITHIN:
            return None
        return self.dimension.counts.get(version, 0) - before[-1].versions.counts.get(version, 0)

    # What lingers, and what is not known

    @cached_property
    def old(self) -> list[Row]:
        """The old versions that still run, most instances first."""
        return sorted((row for row in self.rows if row.is_old and row.count), key=lambda row: -row.count)

    @property
    def old_shown(self) -> list[Row]:
        """Those with the most instances; the table marks the others."""
        return self.old[:OLD_SHOWN]

    @property
    def old_left(self) -> int:
        return len(self.old) - len(self.old_shown)

    @property
    def old_count(self) -> int:
        return sum(row.count for row in self.old)

    @property
    def old_share(self) -> float:
        return self.old_count / self.total if self.total else 0.0

    @property
    def began_on(self) -> date | None:
        """The first day that was counted."""
        return _day_of(self.history[0].at) if self.history else None

    @property
    def folded_values(self) -> int:
        return self.dimension.values - len(self.dimension.counts)

    @property
    def unsaid(self) -> int:
        return self.dimension.counts.get("", 0)

    @property
    def known_releases(self) -> list[Release]:
        return sorted(self.releases, key=lambda release: versions.order(release.version), reverse=True)

    # To take away

    @property
    def sheets(self) -> list[Sheet]:
        return [self.chart.sheet, self.sheet]

    @property
    def sheet(self) -> Sheet:
        titles = [
            gettext("Version"), gettext("Instances"), gettext("Share"), gettext("This and newer"),
            gettext("Share of this and newer"), gettext("Change in 7 days"), gettext("First seen"), gettext("Released"),
            gettext("Days to 50 %"), gettext("Days to 90 %"), gettext("Newer releases"),
            gettext("Superseded since"),
        ]  # fmt: skip
        return Sheet("versions", gettext("Versions"), titles, map(cells, self.rows))


def _told_apart(most_run: list[str]) -> list[str]:
    """Of versions, those that get a line of their own: one more than LINES if "Others" would be that one alone."""
    return most_run if len(most_run) == LINES + 1 else most_run[:LINES]


def _day_of(at: datetime) -> date:
    """The day of a census, in UTC: that of midnight is of the day that it ends."""
    return (at.astimezone(UTC) - MICROSECOND).date()


def _median(times: Sequence[timedelta | None]) -> str:
    """Of those that are known; "" if there are none."""
    known = [time / DAY for time in times if time is not None]
    return duration(median(known) * DAY) if known else ""
