"""What each instance of an application was like at a time: from its row, or by replaying its snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from instances.models import Application, Event, Instance, of_exclusion
from metrics.census import NEW_FOR, State
from metrics.flatten import scalars
from metrics.models import Snapshot

MICROSECOND = timedelta(microseconds=1)
# Rows looked up by their key in one query; SQLite takes a bounded number of parameters.
LOOKUP_BATCH = 200


@dataclass
class Fleet:
    """All instances of an application at one time: the states of those with a proven key, and the number without."""

    states: list[State]
    pending: int


# The columns that a state is made of, in its order. A replay has no use for the last one, which is the largest.
_COLUMNS = (
    "id",
    "state",
    "exclusion",
    "first_report_at",
    "last_report_at",
    "returned_at",
    "reported_version",
    "environment",
    "deployment_mode",
    "os_arch",
    "metrics",
)


def now(applications: Iterable[int]) -> dict[int, Fleet]:
    """The fleets of these applications (by primary key) as their instances' rows say: one query, however long the
    history and however many they are."""
    fleets = {pk: Fleet([], pending=0) for pk in applications}
    rows = Instance.objects.filter(application__in=fleets).values_list("application", *_COLUMNS)
    for pk, *row in rows.iterator(chunk_size=2000):
        # Those that wait for approval among them, whatever they have reported.
        if row[1] == Instance.State.PENDING:
            fleets[pk].pending += 1
        else:
            fleets[pk].states.append(_from_row(row))
    return fleets


def _from_row(row: Sequence[Any]) -> State:
    return State(row[0], row[1] == Instance.State.REVOKED, *row[2:])


def at(application: Application, moment: datetime) -> Fleet:
    """As it was at `moment`. Made for one just gone by: what has changed since is looked up, instance by instance."""
    rows = {row[0]: row for row in _rows(application)}
    states = {pk: _from_row(row[: len(_COLUMNS)]) for pk, row in rows.items()}
    waiting = {pk for pk, row in rows.items() if row[-1]}
    later = [pk for pk, state in states.items() if state.last_report_at and state.last_report_at > moment]
    # When it had last come back before it came back now, only its snapshots know.
    back = {pk for pk in later if (returned := states[pk].returned_at) and returned > moment}
    older = _newest_until(moment, [pk for pk in later if pk not in back])
    for pk in later:
        states[pk] = _as_reported(states[pk], older.get(pk))
    for _, fleet in replay(application, [moment], only=back) if back else ():
        states.update({state.id: state for state in fleet.states})
    decided = Event.objects.decisions(application, after=moment).values_list("instance", flat=True)
    for pk, standing in _Standings(application, set(decided)).until(moment).items():
        if pk in states:
            states[pk] = states[pk]._replace(revoked=standing.revoked, exclusion=standing.exclusion)
            (waiting.add if standing.waiting else waiting.discard)(pk)
    proven, pending = [], 0
    for pk, row in rows.items():
        *_, registered_at, activated_at, _ = row
        state = states[pk]
        # Not by its last report, which a replay does not know of one that was silent for long.
        has_signed = state.first_report_at or (activated_at and activated_at <= moment)
        if state.revoked or (has_signed and pk not in waiting):
            proven.append(state)
        elif registered_at <= moment:
            pending += 1
    return Fleet(proven, pending)


def replay(
    application: Application, times: list[datetime], only: set[UUID] | None = None
) -> Iterator[tuple[datetime, Fleet]]:
    """The fleet at each of `times`, which ascend, in one pass over the snapshots; of `only` these instances if given.

    Holds each instance's latest state and no history. An instance that was silent for all of the active window at a
    time comes without what it reported before.
    """
    # The snapshots are asked for from one time to the next and not all at once: between two, the caller writes, which
    # SQLite refuses to a connection that is still reading what another has changed since.
    if not times:
        return
    rows = [row for row in _rows(application, _COLUMNS[:-1]) if only is None or row[0] in only]
    known = {row[0]: row for row in rows}
    standings = _Standings(application, known.keys())
    # Whoever came back so recently that it counts as returned must be seen to have been away before, and whoever fell
    # out of the window so recently that it counts as gone must be seen: also who reported at that very moment.
    after = application.active_since(times[0]) - NEW_FOR - MICROSECOND
    latest: dict[UUID, State] = {}
    for moment in times:
        for report in Snapshot.objects.between(application, after, moment, only):
            pk = report[0]
            if pk in known:
                latest[pk] = _reported(application, known[pk], latest.get(pk), report)
        yield moment, _fleet(rows, latest, standings.until(moment), moment)
        after = moment


def _rows(application: Application, columns: tuple[str, ...] = _COLUMNS) -> list[tuple[Any, ...]]:
    more = ("registered_at", "activated_at", "awaits_approval")
    rows = Instance.objects.filter(application=application).values_list(*columns, *more)
    return list(rows.iterator(chunk_size=2000))


def _fleet(
    rows: list[tuple[Any, ...]],
    latest: dict[UUID, State],
    standings: dict[UUID, _Standing],
    moment: datetime,
) -> Fleet:
    fleet = Fleet([], pending=0)
    for row in rows:
        pk, first_report_at = row[0], row[3]
        *_, registered_at, activated_at, awaits_approval = row
        revoked, exclusion, waits = standings.get(pk, _Standing(waiting=awaits_approval))
        state = latest.get(pk)
        if waits and not revoked:
            fleet.pending += registered_at <= moment
        elif state is not None:
            fleet.states.append(state._replace(revoked=revoked, exclusion=exclusion) if revoked or exclusion else state)
        elif revoked or (activated_at and activated_at <= moment) or (first_report_at and first_report_at <= moment):
            reported = first_report_at if first_report_at and first_report_at <= moment else None
            fleet.states.append(State(pk, revoked, exclusion, reported, None, None, "", "", "", "", {}))
        elif registered_at <= moment:
            fleet.pending += 1
    return fleet


def _reported(
    application: Application, row: tuple[Any, ...], before: State | None, report: tuple[UUID, datetime, str, Any]
) -> State:
    pk, timestamp, version, metrics = report
    _, _, _, first_report_at, _, _, _, environment, deployment_mode, os_arch, *_ = row
    # One that is stored while this goes on may be older than the row knows.
    first_report_at = min(first_report_at or timestamp, timestamp)
    away_since = before.last_report_at if before else first_report_at
    returned_at = before.returned_at if before else None
    if away_since and away_since < application.active_since(timestamp):
        returned_at = timestamp
    return State(
        id=pk,
        revoked=False,
        exclusion="",
        first_report_at=first_report_at,
        last_report_at=timestamp,
        returned_at=returned_at,
        app_version=version,
        environment=environment,
        deployment_mode=deployment_mode,
        os_arch=os_arch,
        metrics=scalars(metrics),
    )


def _newest_until(moment: datetime, pks: list[UUID]) -> dict[UUID, tuple[datetime, str, Any]]:
    """Of each instance the newest snapshot not after `moment`: two look-ups by the key an instance."""
    newest = Snapshot.objects.filter(instance=OuterRef("pk"), timestamp__lte=moment).order_by("-timestamp")
    found: dict[UUID, tuple[datetime, str, Any]] = {}
    for first in range(0, len(pks), LOOKUP_BATCH):
        batch = Instance.objects.filter(pk__in=pks[first : first + LOOKUP_BATCH])
        times = batch.annotate(at=Subquery(newest.values("timestamp")[:1])).values_list("pk", "at")
        wanted = [(pk, timestamp) for pk, timestamp in times if timestamp]
        snapshots = Snapshot.objects.filter(pk__in=wanted).values_list(
            "instance", "timestamp", "app_version", "metrics"
        )
        found.update({pk: tuple(rest) for pk, *rest in snapshots})
    return found


def _as_reported(state: State, report: tuple[datetime, str, Any] | None) -> State:
    """The state as of an older report, or as of none."""
    if report is None:
        return state._replace(first_report_at=None, last_report_at=None, returned_at=None, metrics={})
    timestamp, version, metrics = report
    # One that is stored while this goes on may be older than the row knows.
    first = min(state.first_report_at or timestamp, timestamp)
    return state._replace(
        first_report_at=first, last_report_at=timestamp, app_version=version, metrics=scalars(metrics)
    )


class _Standing(NamedTuple):
    revoked: bool = False
    exclusion: str = ""
    waiting: bool = False  # For approval.


class _Standings:
    """Who was revoked, who excluded as what, and who waited, as time goes on: by the events, in their order."""

    def __init__(self, application: Application, pks: Any) -> None:
        rows = Event.objects.decisions(application).values_list(
            "instance", "at", "kind", "detail", "instance__awaits_approval"
        )
        self.events = [row for row in rows if row[0] in pks]
        self.next = 0
        # One that was approved without having been made to wait has waited since it registered.
        waited: dict[UUID, bool] = {}
        for pk, _, kind, _, awaits_approval in reversed(self.events):
            changes = kind in (Event.Kind.WAITING, Event.Kind.APPROVED)
            waited[pk] = kind == Event.Kind.APPROVED if changes else waited.get(pk, awaits_approval)
        self.current = {pk: _Standing(waiting=waiting) for pk, waiting in waited.items()}

    def until(self, moment: datetime) -> dict[UUID, _Standing]:
        """The standing of each instance about which anything was ever decided. Moments must ascend."""
        while self.next < len(self.events) and self.events[self.next][1] <= moment:
            pk, _, kind, detail, _ = self.events[self.next]
            standing = self.current[pk]
            match kind:
                case Event.Kind.REVOKED | Event.Kind.RESTORED:
                    standing = standing._replace(revoked=kind == Event.Kind.REVOKED)
                case Event.Kind.EXCLUDED | Event.Kind.INCLUDED:
                    standing = standing._replace(
                        exclusion=of_exclusion(detail)[0] if kind == Event.Kind.EXCLUDED else ""
                    )
                case Event.Kind.WAITING | Event.Kind.APPROVED:
                    standing = standing._replace(waiting=kind == Event.Kind.WAITING)
            self.current[pk] = standing
            self.next += 1
        return self.current
