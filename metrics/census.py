"""The count of a fleet at one time: everything that pages say about it, from each instance's latest state.

Pure but for `present`, which reads the instances. docs/architecture.md says what each number means.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from instances.models import ESTABLISHED_AFTER, Application, Instance
from metrics.figures import Figures, Number, figures, total
from metrics.flatten import is_number

NEW_FOR = timedelta(days=7)
REPORTING_WITHIN = timedelta(days=1)
SYSTEM_PREFIXES = ("sys_", "app_")


class State(NamedTuple):
    """What is known of one instance at one time. Times are UTC, None before its first report; metrics flattened."""

    id: UUID
    revoked: bool
    exclusion: str
    first_report_at: datetime | None
    last_report_at: datetime | None
    app_version: str
    environment: str
    deployment_mode: str
    os_arch: str
    metrics: dict[str, Any]


# The dimensions that an instance has besides those that it reports, by their names in State.
DESCRIPTION = {
    "app_version": "Version",
    "environment": "Environment",
    "os_arch": "System",
    "deployment_mode": "Deployment",
}


@dataclass
class Census:
    """The fleet of one application at `at`.

    `figures` by metric; `strays` counts those that sent something else where others send a number, and spoil no total
    by it; `dimensions` holds value counts. A key that mostly comes as text is a dimension too.
    """

    at: datetime
    active: int = 0
    active_raw: int = 0
    established: int = 0
    new: int = 0
    reporting: int = 0
    silent: int = 0
    revoked: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    figures: dict[str, Figures] = field(default_factory=dict)
    strays: Counter[str] = field(default_factory=Counter)
    dimensions: dict[str, Counter[str]] = field(default_factory=dict)


def is_system(key: str) -> bool:
    """Whether a metric is about the machine or the process rather than about the product."""
    return key.startswith(SYSTEM_PREFIXES)


def is_active(state: State, since: datetime) -> bool:
    """Whether its newest snapshot lies in the active window, which begins at `since`. Says nothing of exclusions."""
    return not state.revoked and state.last_report_at is not None and state.last_report_at >= since


def counted(states: Iterable[State], since: datetime) -> list[State]:
    """Those that count: active, and not excluded."""
    return [state for state in states if is_active(state, since) and not state.exclusion]


def sums(states: Iterable[State]) -> dict[str, Number]:
    """The sum of each metric, as in a census: for points of a chart, which need no more."""
    return {key: total(values) for key, values in _numbers(states).items()}


def _numbers(states: Iterable[State]) -> dict[str, list[Number]]:
    numbers: dict[str, list[Number]] = defaultdict(list)
    for state in states:
        for key, value in state.metrics.items():
            if is_number(value):
                numbers[key].append(value)
    return numbers


def count(states: Iterable[State], at: datetime, since: datetime) -> Census:
    """The census at `at` of a fleet whose active window begins at `since`."""
    census = Census(at=at)
    states = list(states)
    for state in states:
        if state.revoked:
            census.revoked += 1
        elif state.exclusion:
            census.excluded[state.exclusion] += 1
        elif not is_active(state, since):
            census.silent += 1
    census.active_raw = sum(is_active(state, since) for state in states)
    fleet = counted(states, since)
    census.active = len(fleet)
    for state in fleet:
        # Whoever is active has reported.
        assert state.first_report_at is not None
        assert state.last_report_at is not None
        census.established += state.last_report_at - state.first_report_at >= ESTABLISHED_AFTER
        census.new += state.first_report_at > at - NEW_FOR
        census.reporting += state.last_report_at > at - REPORTING_WITHIN
    census.figures = {key: figures(values) for key, values in _numbers(fleet).items()}
    _count_dimensions(census, fleet)
    return census


def _count_dimensions(census: Census, states: list[State]) -> None:
    for name in DESCRIPTION:
        said = Counter(getattr(state, name) for state in states)
        if set(said) - {""}:
            census.dimensions[name] = said
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for state in states:
        for key, value in state.metrics.items():
            if not is_number(value):
                counts[key][_label(value)] += 1
    for key, counter in counts.items():
        numeric = census.figures.get(key)
        if numeric:
            census.strays[key] = counter.total()
        mostly_numbers = numeric is not None and numeric["reporters"] >= counter.total()
        # A metric called like a part of the description would mix with it, and count its instance twice.
        if set(counter) - {""} and not mostly_numbers and key not in DESCRIPTION:
            census.dimensions[key] = counter


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def present(application: Application, at: datetime) -> Census:
    """The census of now, from the instances' rows: one query, however long their history."""
    return count(states_of(application), at, application.active_since(at))


def states_of(application: Application) -> Iterable[State]:
    rows = Instance.objects.confirmed().filter(application=application).values_list("id", "state", *State._fields[2:])
    for id_, state, *rest in rows.iterator():
        yield State(id_, state == Instance.State.REVOKED, *rest)


def keys(census: Census) -> list[str]:
    """Every key that the counted instances report, as number, text or boolean."""
    return sorted({*census.figures, *(census.dimensions.keys() - DESCRIPTION.keys())})
