"""What the lifecycle page shows: who comes, who comes back, who goes quiet, who is gone, and whether they stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext

from dashboard.charts import MAX_POINTS, Marker
from dashboard.lifecycle_charts import FlowChart, StayChart, count, difference, hundredths, percent
from dashboard.sheets import Sheet
from instances.models import Application, Instance
from metrics import releases, taking
from metrics.census import Census
from metrics.lifecycle import (
    Cohort,
    Cohorts,
    Counts,
    Flow,
    Measure,
    Stay,
    Survival,
    cohorts,
    curve,
    flows,
    half,
    together,
    until,
)
from metrics.models import ClosedCensus
from metrics.periods import DAY, WEEK, hour, midnight, monday

# A younger application has too few weeks for a picture of weeks.
YOUNG = WEEK * 4
# More bars than these are put together by fours: a picture of months.
MOST_BARS = 104
PUT_TOGETHER = 4
AGES = (4, 12)
HEATS = 10


@dataclass(frozen=True)
class Period:
    """A span of the picture of comings and goings: so many days or weeks, None for all that there are."""

    name: str
    title: str | Promise
    step: timedelta
    steps: int | None

    def ends(self, now: datetime, began: datetime) -> list[datetime]:
        """The closings that its bars lead to, oldest first, none from before `began`."""
        last = midnight(now) if self.step == DAY else monday(now)
        known = (last - began) // self.step + 1 if last >= began else 0
        # Two closings more are read: where the oldest bar begins, and that of a week ago.
        steps = min(known, self.steps or MAX_POINTS - 2)
        return [last - self.step * back for back in reversed(range(steps))]


PERIODS = {
    period.name: period
    for period in (
        Period("30d", gettext_lazy("30 days"), DAY, 30),
        Period("3m", gettext_lazy("3 months"), WEEK, 13),
        Period("1y", gettext_lazy("1 year"), WEEK, 52),
        Period("all", gettext_lazy("All"), WEEK, None),
    )
}
SPANS = {"12": gettext_lazy("12 weeks"), "26": gettext_lazy("26 weeks"), "52": gettext_lazy("1 year")}
MEASURES = {"reported": Measure.REPORTED, "active": Measure.ACTIVE}


@dataclass(frozen=True)
class Card:
    """One number at a glance, None if it is not known, with what explains it."""

    label: str
    value: str | None
    note: str
    meaning: str
    link: str = ""  # To those that it counts.


@dataclass(frozen=True)
class Cell:
    """What of a cohort is still there: `heat` is its share in tenths, for the eye."""

    text: str
    heat: int | None
    title: str

    @classmethod
    def of(cls, stay: Stay | None) -> Cell:
        if stay is None or stay.share is None:
            return cls("–", None, gettext("Not known"))
        return cls(
            str(hundredths(stay.share)),
            min(int(stay.share * HEATS), HEATS - 1),
            gettext("%(there)s of %(size)s") % {"there": stay.there, "size": stay.size},
        )


@dataclass(frozen=True)
class Row:
    """One cohort of the table; `missing` so many columns it is too young for."""

    cohort: Cohort
    cells: list[Cell]
    missing: int


class LifecyclePage:
    """What the address asks for: `period` of the picture, `weeks` of the table and the curve, and `measure`, when
    somebody is still there. Anything in it that means nothing is ignored."""

    def __init__(self, application: Application, query: QueryDict, now: datetime) -> None:
        self.application = application
        self.census: Census = taking.present(application, now)
        self.began = Instance.objects.filter(application=application).first_report_at()
        self.period = PERIODS.get(query.get("period", ""), self._usual_period)
        weeks, measure = query.get("weeks", ""), query.get("measure", "")
        self.weeks = weeks if weeks in SPANS else "12"
        self.measure_name = measure if measure in MEASURES else self._usual_measure
        self.measure = MEASURES[self.measure_name]

    @property
    def _usual_period(self) -> Period:
        is_young = self.began is None or self.census.at - self.began < YOUNG
        return PERIODS["30d" if is_young else "3m"]

    @property
    def _usual_measure(self) -> str:
        """Who reported, which shows at once that somebody left, unless that is too seldom for one week to tell."""
        is_seldom = timedelta(minutes=self.application.report_minutes) * 2 > WEEK
        return "active" if is_seldom or not self._is_reported_known else "reported"

    @property
    def _is_reported_known(self) -> bool:
        newest = max(self.mondays, default=None)
        counted = self.mondays[newest].values() if newest else []
        return all(len(counts) > Measure.REPORTED for counts in counted)

    # What the chips offer, by the name that stands in the address.

    @property
    def periods(self) -> list[tuple[str, str | Promise]]:
        return [(period.name, period.title) for period in PERIODS.values()]

    @property
    def spans(self) -> list[tuple[str, str | Promise]]:
        return list(SPANS.items())

    @property
    def measures(self) -> list[tuple[str, str]]:
        return [("reported", gettext("reported that week")), ("active", gettext("is active"))]

    # What is read, in two queries.

    @cached_property
    def ends(self) -> list[datetime]:
        return self.period.ends(self.census.at, self.began) if self.began else []

    @cached_property
    def week_ago(self) -> datetime:
        return hour(self.census.at) - WEEK

    @cached_property
    def counts(self) -> Mapping[datetime, Counts]:
        starts = [self.ends[0] - self.period.step] if self.ends else []
        times = sorted({self.week_ago, *starts, *self.ends})
        closed = ClosedCensus.objects.filter(application=self.application).at_times(times)
        return {at: counts for _, at, counts in closed.counts()}

    @cached_property
    def mondays(self) -> Mapping[datetime, Cohorts]:
        """The cohorts at the ends of the weeks: of the span that is shown, and of as long a time before."""
        last = monday(self.census.at)
        times = [last - WEEK * back for back in reversed(range(2 * self.span))]
        return dict(ClosedCensus.objects.filter(application=self.application).at_times(times).cohorts())

    # What came and went

    @cached_property
    def flows(self) -> list[Flow]:
        if self.began is None:
            return []
        made = flows(self.ends, self.period.step, self.counts, self.began)
        return together(made, PUT_TOGETHER) if len(made) > MOST_BARS else made

    @cached_property
    def chart(self) -> FlowChart | None:
        if not self.flows:
            return None
        released = releases.markers(self.application, self.flows[0].start, self.flows[-1].end)
        return FlowChart.of(self.flows, self._bar_title, [Marker(at, version) for at, version in released])

    @property
    def _bar_title(self) -> str:
        if self.period.step == DAY:
            return gettext("Comings and goings by day")
        if len(self.flows) > 1 and self.flows[-1].end - self.flows[-1].start > WEEK:
            return gettext("Comings and goings by four weeks")
        return gettext("Comings and goings by week")

    @property
    def cut_at(self) -> datetime | None:
        """Where the picture of all there is begins, if there is more."""
        if self.period.steps is not None or not self.flows or self.began is None:
            return None
        return self.flows[0].start if self.flows[0].start > self.began else None

    @property
    def unknown_until(self) -> datetime | None:
        """Until when closings have not counted what the picture needs."""
        unknown = [flow.end for flow in self.flows if flow.active is not None and None in (flow.new, flow.gone)]
        return max(unknown, default=None)

    # Who stays

    @property
    def span(self) -> int:
        return int(self.weeks)

    @cached_property
    def cohorts(self) -> list[Cohort]:
        return cohorts(self.mondays, monday(self.census.at), self.span, self.measure)

    @property
    def rows(self) -> list[Row]:
        oldest = max((len(cohort.stays) for cohort in self.cohorts), default=0)
        return [
            Row(cohort, [Cell.of(stay) for stay in cohort.stays], oldest - len(cohort.stays)) for cohort in self.cohorts
        ]

    @property
    def ages(self) -> range:
        """The columns of the table."""
        return range(1, max((len(cohort.stays) for cohort in self.cohorts), default=0) + 1)

    @cached_property
    def stays(self) -> list[Survival]:
        return curve(self._within(0), self.measure)

    @cached_property
    def stays_before(self) -> list[Survival]:
        return curve(self._within(1), self.measure)

    def _within(self, spans_ago: int) -> dict[datetime, Cohorts]:
        last = monday(self.census.at) - WEEK * self.span * spans_ago
        return {at: by_week for at, by_week in self.mondays.items() if last - WEEK * self.span < at <= last}

    @cached_property
    def curve(self) -> StayChart | None:
        return StayChart(self.stays, self.stays_before) if len(self.stays) > 1 else None

    @property
    def verdict(self) -> str:
        """The curve in one sentence."""
        if median := half(self.stays):
            text = ngettext("Half are gone after %(weeks)s week.", "Half are gone after %(weeks)s weeks.", median.age)
            return text % {"weeks": median.age}
        if not self.stays or not (last := self.stays[-1]).age:
            return ""
        text = ngettext(
            "More than half stay: after %(weeks)s week, the longest known, %(share)s are still there.",
            "More than half stay: after %(weeks)s weeks, the longest known, %(share)s are still there.",
            last.age,
        )
        return text % {"weeks": last.age, "share": percent(last.share)}

    @property
    def lacks_reported(self) -> bool:
        """Whether older closings have not counted who reported, so that cells stay empty."""
        if self.measure != Measure.REPORTED:
            return False
        stays = [stay for cohort in self.cohorts for stay in cohort.stays if stay]
        return any(stay.there is None for stay in stays)

    # At a glance

    @property
    def cards(self) -> list[Card]:
        return [*self._week_cards, self._net_card, *(self._stay_card(age) for age in AGES)]

    @property
    def _week_cards(self) -> list[Card]:
        days = self.application.active_days
        quiet = self.census.quiet
        return [
            self._card("new", gettext("New"), gettext("Reported for the first time")),
            self._card(
                "returned",
                gettext("Returned"),
                ngettext(
                    "Reported again after more than %(days)s day without a report",
                    "Reported again after more than %(days)s days without a report",
                    days,
                )
                % {"days": days},
            ),
            self._card(
                "newly_quiet",
                gettext("Gone quiet"),
                gettext("Still active, but without a report for %(hours)s hours or more")
                % {"hours": self.application.quiet_after // timedelta(hours=1)},
                more=gettext("%(quiet)s quiet now") % {"quiet": count(quiet)} if quiet else "",
            ),
            self._card(
                "gone",
                gettext("Gone"),
                ngettext(
                    "No report for %(days)s day, so not active any more",
                    "No report for %(days)s days, so not active any more",
                    days,
                )
                % {"days": days},
                link=f"{self.application.get_absolute_url()}?state=silent#instances",
            ),
        ]

    def _card(self, name: str, label: str, meaning: str, more: str = "", link: str = "") -> Card:
        value, before = getattr(self.census, name), self.counts.get(self.week_ago, {}).get(name)
        note = more
        if not note and before is not None:
            note = gettext("%(before)s the week before") % {"before": count(before)}
        return Card(label, None if value is None else count(value), note, meaning, link)

    @property
    def _net_card(self) -> Card:
        meaning = gettext("Active instances now, less those of a week ago")
        before = self.counts.get(self.week_ago, {}).get("active")
        if before is None and (self.began is None or self.week_ago < self.began):
            before = 0
        if before is None:
            return Card(gettext("Net"), None, gettext("There is no census of a week ago"), meaning)
        net = self.census.active - before
        note = gettext("%(before)s → %(now)s active") % {"before": count(before), "now": count(self.census.active)}
        # Or else the cards before would not add up to this one, and nobody could tell why.
        if other := net - self.census.new - self.census.returned + (self.census.gone or 0):
            note += gettext(", other %(other)s") % {"other": difference(other)}
        return Card(gettext("Net"), difference(net), note, meaning)

    def _stay_card(self, age: int) -> Card:
        label = gettext("Stay %(weeks)s weeks") % {"weeks": age}
        meaning = gettext("Which share of those who came is still there at that age, as it went lately")
        now, before = until(self.stays, age), until(self.stays_before, age)
        if now is None:
            return Card(label, None, gettext("Too few are that old"), meaning)
        note = gettext("%(before)s before") % {"before": percent(before.share)} if before else ""
        return Card(label, percent(now.share), note, meaning)

    @property
    def words(self) -> list[tuple[str, str]]:
        """What the words of the page mean."""
        came = [(card.label, card.meaning) for card in self._week_cards]
        other = gettext(
            "What is left of the difference: instances that were excluded, revoked, erased or moved; less those that "
            "were counted again, restored or approved; and whoever left and came back within one bar"
        )
        net = gettext("New and returned, less gone, with other: by how many more or fewer are active at the end")
        stay = gettext(
            "Of those who first reported in one week, the share that is there so many weeks later: either reported in "
            "that week, or active. From the chances to stay for one week more, of everybody of that age"
        )
        return [*came, (gettext("Other"), other), (gettext("Net"), net), (gettext("Stay"), stay)]

    @property
    def heats(self) -> range:
        """The shades of the table."""
        return range(HEATS)

    # What can be taken away

    @property
    def sheets(self) -> list[Sheet]:
        charts = [chart.sheet for chart in (self.chart, self.curve) if chart]
        return [*charts, self.cohort_sheet]

    @property
    def cohort_sheet(self) -> Sheet:
        columns = [gettext("Week of the first report"), gettext("Weeks later"), gettext("Instances")]
        columns += [gettext("Still there"), gettext("Share")]
        rows: list[list[Any]] = [
            [cohort.week.isoformat(), stay.age, stay.size, stay.there, stay.share]
            for cohort in self.cohorts
            for stay in cohort.stays
            if stay
        ]
        return Sheet("cohorts", gettext("Weekly cohorts"), columns, rows)
