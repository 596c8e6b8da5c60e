"""One instance's life in a picture, and the table behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard import lifeline
from dashboard.lifeline import Axis, Band, Decision, Sighting, Stretch
from dashboard.sheets import Sheet
from instances.models import Event, Instance, PublicKey
from metrics import periods, taking
from metrics.models import Snapshot

# So many events are read; an instance has a handful of them as a rule.
MAX_EVENTS = 300
# Into so many its life is divided, each of which is looked at at both ends: a few pixels of the picture.
STRETCHES = 200
TICKS = 6
# Below so much of the width, in percent, a name would be cut off after a letter or two.
NARROWEST_NAMED = 5

# What lasts for less can still be seen, as a bar so wide.
LEAST_DRAWN = 0.5

# Which kinds of events begin and end what.
SPANS = {
    Event.Kind.REVOKED: ("revoked", True),
    Event.Kind.RESTORED: ("revoked", False),
    Event.Kind.EXCLUDED: ("excluded", True),
    Event.Kind.INCLUDED: ("excluded", False),
    Event.Kind.WAITING: ("waiting", True),
    Event.Kind.APPROVED: ("waiting", False),
}
KINDS: dict[str, str | Promise] = {
    "silent": _("No report"),
    "revoked": _("Revoked"),
    "excluded": _("Excluded"),
    "waiting": _("Waiting for approval"),
}


@dataclass(frozen=True)
class Drawn:
    """One bar or sign of the picture: where it begins and how wide it is, in percent."""

    kind: str
    x: float
    width: float
    name: str
    title: str

    @property
    def is_named(self) -> bool:
        return self.width >= NARROWEST_NAMED


@dataclass(frozen=True)
class Moment:
    at: datetime
    kind: str
    title: str
    detail: str = ""


class Life:
    """From when it registered, or from its oldest report if that is older, until now."""

    def __init__(self, instance: Instance, keys: list[PublicKey], now: datetime) -> None:
        self.instance, self.keys, self.now = instance, keys, now
        self.start = min(instance.registered_at, instance.first_report_at or instance.registered_at, now)
        self.axis = Axis(self.start, now)

    @cached_property
    def sightings(self) -> list[Sighting]:
        """Its reports at both ends of each stretch of its life."""
        edges = periods.edges(self.start, max(self.now, self.instance.last_report_at or self.now), STRETCHES)
        rows = Snapshot.objects.spread(self.instance, edges, both_ends=True).values_list("timestamp", "app_version")
        return [Sighting(*row) for row in rows]

    @cached_property
    def bands(self) -> list[Band]:
        return lifeline.bands(self.sightings)

    @cached_property
    def silences(self) -> list[Stretch]:
        times = [sighting.at for sighting in self.sightings]
        window = timedelta(days=self.instance.application.active_days)
        # Between the two ends of one stretch there may be reports that have not been looked at.
        unseen = (self.now - self.start) / STRETCHES
        unseen = unseen if unseen > window / 2 else timedelta(0)
        return list(lifeline.silences(times, window, lambda at: _thinned(at, self.now) + unseen, self.now))

    @cached_property
    def events(self) -> list[Event]:
        """The newest of them, in the order of time."""
        rows = Event.objects.filter(instance=self.instance).order_by("-at", "-pk")
        return list(rows[:MAX_EVENTS])[::-1]

    @cached_property
    def spans(self) -> list[Stretch]:
        """When it was revoked, excluded or made to wait."""
        decisions = [
            Decision(event.at, *SPANS[Event.Kind(event.kind)], event.words)
            for event in self.events
            if event.kind in SPANS
        ]
        waits = [decision for decision in decisions if decision.ends == "waiting"]
        # Whom the registration made to wait has no event that says so.
        if self.instance.is_waiting if not waits else not waits[0].begins:
            decisions.insert(0, Decision(self.instance.registered_at, "waiting", True))
        return lifeline.stretches(decisions)

    @cached_property
    def moments(self) -> list[Moment]:
        return sorted(self._moments(), key=lambda moment: moment.at)

    def _moments(self) -> Iterator[Moment]:
        instance = self.instance
        known = [
            (gettext("Registered"), instance.registered_at),
            (gettext("Activated"), instance.activated_at),
            (gettext("First report"), instance.first_report_at),
        ]
        yield from (Moment(at, "begun", title) for title, at in known if at)
        for key in self.keys[:-1]:  # Newest first; the oldest came with the registration.
            yield Moment(key.created_at, "key", gettext("New key"), key.fingerprint)
        for event in self.events:
            if event.kind in (Event.Kind.WRONG_CLOCK, Event.Kind.CONFLICT):
                yield Moment(event.at, event.kind, event.get_kind_display(), event.words)

    # The picture

    @property
    def ticks(self) -> list[tuple[float, str]]:
        ticks = [(self.axis.place(at), _when(at) if self._is_short else _day(at)) for at in self.axis.ticks(TICKS)]
        # In a life of minutes several would be called the same.
        return ticks if len({title for _, title in ticks}) == len(ticks) else ticks[:1]

    @property
    def _is_short(self) -> bool:
        """Whether several ticks lie within one day, so that they need the hour."""
        return self.now - self.start < timedelta(days=TICKS)

    @property
    def drawn_versions(self) -> list[Drawn]:
        kinds = ["odd" if place % 2 else "even" for place in range(len(self.bands) - 1)] + ["newest"]
        return [
            self._bar(kind, band.first, band.until, *self._said(band))
            for kind, band in zip(kinds, self.bands, strict=False)
        ]

    def _said(self, band: Band) -> tuple[str, str]:
        name = version_name(band)
        words = {"name": name, "first": _when(band.first), "last": _when(band.last)}
        return name, gettext("%(name)s: from %(first)s to %(last)s") % words

    @property
    def drawn_reports(self) -> list[Drawn]:
        """Silences, and what lies between them."""
        if not self.sightings:
            return []
        drawn, start = [], self.sightings[0].at
        for silence in self.silences:
            drawn.append(self._bar("reports", start, silence.start, "", gettext("Reports")))
            drawn.append(self._stretch(silence))
            start = silence.end or self.now
        if not (self.silences and self.silences[-1].end is None):
            drawn.append(self._bar("reports", start, self.sightings[-1].at, "", gettext("Reports")))
        return drawn

    @property
    def drawn_spans(self) -> list[Drawn]:
        return [self._stretch(span) for span in self.spans]

    @property
    def drawn_moments(self) -> list[Drawn]:
        return [
            Drawn(
                moment.kind,
                self.axis.place(moment.at),
                0,
                moment.title,
                f"{moment.title}: {_when(moment.at)}",
            )
            for moment in self.moments
        ]

    @property
    def legend(self) -> list[tuple[str, str]]:
        """(its sign, its name) of each kind of moment and stretch that the picture has."""
        kinds = {moment.kind: moment.title for moment in self.moments}
        kinds["begun"] = gettext("Registered, activated, first report")
        kinds.update({each.kind: str(KINDS[each.kind]) for each in [*self.silences, *self.spans]})
        return list(kinds.items())

    def _stretch(self, stretch: Stretch) -> Drawn:
        end = stretch.end or self.now
        length = days(end - stretch.start)
        title = f"{KINDS[stretch.kind]}: {_day(stretch.start)} – {_day(end)}, {length}"
        name = length if stretch.kind == "silent" else str(KINDS[stretch.kind])
        return self._bar(stretch.kind, stretch.start, end, name, title)

    def _bar(self, kind: str, start: datetime, end: datetime, name: str, title: str) -> Drawn:
        width = max(self.axis.width(start, end), LEAST_DRAWN)
        return Drawn(kind, min(self.axis.place(start), 100 - width), width, name, title)

    # The table behind it

    @cached_property
    def rows(self) -> list[list[Any]]:
        """From, until (None: it still is so, or has no length), what, and in detail; newest first."""
        rows: list[list[Any]] = [[moment.at, None, moment.title, moment.detail] for moment in self.moments]
        version = gettext("Version")
        rows += [[band.first, band.last, version, version_name(band)] for band in self.bands]
        rows += [
            [each.start, each.end, str(KINDS[each.kind]), each.detail or days((each.end or self.now) - each.start)]
            for each in [*self.silences, *self.spans]
        ]
        return sorted(rows, key=lambda row: row[0], reverse=True)

    @property
    def sheet(self) -> Sheet:
        columns = [gettext("From"), gettext("Until"), gettext("What"), gettext("In detail")]
        return Sheet("life", gettext("Its life"), columns, self.rows)


def version_name(band: Band) -> str:
    if band.versions > 1:
        return ngettext("%(number)d version", "%(number)d versions", band.versions) % {"number": band.versions}
    return band.version or gettext("(not said)")


def days(length: timedelta) -> str:
    number = max(1, round(length / timedelta(days=1)))
    return ngettext("%(number)d day", "%(number)d days", number) % {"number": number}


def _when(at: datetime) -> str:
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "SHORT_DATE_FORMAT")


def _thinned(at: datetime, now: datetime) -> timedelta:
    """For how long before a report of that time others may have been deleted: the last of a day or month is kept."""
    if at <= taking.exact_since(now, max(settings.KEEP_ALL, settings.KEEP_DAILY)):
        return timedelta(days=31)
    return timedelta(days=1) if at <= taking.exact_since(now, settings.KEEP_ALL) else timedelta(0)
