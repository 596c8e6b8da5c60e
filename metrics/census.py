"""The census: the count of one application's fleet at one time. Pure: states in, numbers out.

docs/architecture.md says what each number means.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from metrics.bounds import MAX_CENSUS_KEYS, MAX_DIMENSIONS
from metrics.figures import Figures, Number, figures
from metrics.flatten import is_number
from metrics.periods import DAY

NEW_FOR = timedelta(days=7)
REPORTING_WITHIN = timedelta(days=1)
HEARD_WITHIN = timedelta(hours=1)
ESTABLISHED_AFTER = timedelta(hours=24)
# Of each dimension so many values are told apart; a runaway client must not bury the others.
MAX_VALUES = 50


class State(NamedTuple):
    """What is known of one instance at one time. Times are UTC, None for what has not happened; metrics flattened."""

    id: UUID
    revoked: bool
    exclusion: str
    first_report_at: datetime | None
    last_report_at: datetime | None
    returned_at: datetime | None
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
class Dimension:
    """How many instances have which value. Beyond MAX_VALUES the rarest are folded: so many instances in `folded`."""

    counts: dict[str, int]
    folded: int = 0
    values: int = 0  # All there are, those that are folded included.

    @classmethod
    def of(cls, counter: Counter[str]) -> Self:
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        rest = sum(count for _, count in ranked[MAX_VALUES:])
        return cls(dict(ranked[:MAX_VALUES]), folded=rest, values=len(ranked))

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.folded


@dataclass
class Cohort:
    """Those that first reported in one week: how many there are, how many of them are active, and how many have
    reported in the last 7 days (None in censuses from before that was counted)."""

    size: int = 0
    active: int = 0
    reported: int | None = None


@dataclass
class Census:
    """The fleet of one application at `at`.

    `figures` by metric; `strays` counts those that sent something else where others send a number, and spoil no total
    by it; a key that mostly comes as text is a dimension too. `cohorts` by the Monday of the week, in ISO 8601.
    What may be None is not known: the census is from before it was counted.
    """

    at: datetime
    registered: int = 0
    pending: int = 0
    active: int = 0
    active_raw: int = 0  # Excluded ones included.
    established: int = 0
    new: int = 0
    returned: int = 0
    reporting: int = 0
    silent: int = 0
    revoked: int = 0
    quiet: int | None = 0
    newly_quiet: int | None = 0
    gone: int | None = 0
    new_in_day: int | None = 0
    returned_in_day: int | None = 0
    gone_in_day: int | None = 0
    heard: int | None = 0
    excluded: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Figures] = field(default_factory=dict)
    strays: dict[str, int] = field(default_factory=dict)
    dimensions: dict[str, Dimension] = field(default_factory=dict)
    cohorts: dict[str, Cohort] = field(default_factory=dict)
    left_out: int = 0  # Keys beyond the bounds, which are in none of the above.

    # Those that older censuses lack.
    LATER = ("quiet", "newly_quiet", "gone", "new_in_day", "returned_in_day", "gone_in_day", "heard")
    COUNTS = (
        "registered",
        "pending",
        "active",
        "active_raw",
        "established",
        "new",
        "returned",
        "reporting",
        "silent",
        "revoked",
        *LATER,
        "excluded",
    )

    def document(self) -> dict[str, Any]:
        """All of it but the time, as JSON holds it; integers stay exact."""
        return {
            "instances": {name: getattr(self, name) for name in self.COUNTS},
            "metrics": self.figures,
            "strays": self.strays,
            "dimensions": {name: vars(dimension) for name, dimension in self.dimensions.items()},
            "cohorts": {week: list(vars(cohort).values()) for week, cohort in self.cohorts.items()},
            "left_out": self.left_out,
        }

    @classmethod
    def from_document(cls, at: datetime, document: dict[str, Any]) -> Self:
        return cls(
            at=at,
            **{**dict.fromkeys(cls.LATER), **document["instances"]},
            figures=document["metrics"],
            strays=document["strays"],
            dimensions={name: Dimension(**parts) for name, parts in document["dimensions"].items()},
            cohorts={week: Cohort(*counts) for week, counts in document["cohorts"].items()},
            left_out=document.get("left_out", 0),  # Those taken before there were bounds have all keys.
        )

    @property
    def keys(self) -> list[str]:
        """Every key that the counted instances report, as number, text or boolean."""
        return sorted({*self.figures, *(self.dimensions.keys() - DESCRIPTION.keys())})


def count(
    states: Iterable[State], at: datetime, since: datetime, pending: int = 0, quiet_since: datetime | None = None
) -> Census:
    """The census at `at` of a fleet whose active window begins at `since`.

    `states` are those of all instances that have proved to hold their key; `pending` is how many have not yet. Those
    of the active that have not reported since `quiet_since` are quiet; without it nobody is.
    """
    census = Census(at=at, pending=pending, registered=pending)
    excluded: Counter[str] = Counter()
    fleet: list[State] = []
    silent: list[State] = []
    for state in states:
        census.registered += 1
        if state.revoked:
            census.revoked += 1
            continue
        is_active = state.last_report_at is not None and state.last_report_at >= since
        census.active_raw += is_active
        if state.exclusion:
            excluded[state.exclusion] += 1
            continue
        if is_active:
            fleet.append(state)
        else:
            silent.append(state)
    census.active, census.silent = len(fleet), len(silent)
    census.excluded = dict(sorted(excluded.items()))
    _count_lives(census, fleet)
    _count_day(census, fleet)
    _count_quiet(census, fleet, quiet_since or since)
    _count_gone(census, silent, since)
    _count_cohorts(census, fleet, silent)
    _count_metrics(census, fleet)
    return census


def week_of(moment: datetime) -> str:
    """The Monday (UTC) of the moment's week, in ISO 8601."""
    day = moment.astimezone(UTC)
    return (day - DAY * day.weekday()).date().isoformat()


def _count_lives(census: Census, fleet: list[State]) -> None:
    for state in fleet:
        # Whoever is active has reported.
        assert state.first_report_at is not None
        assert state.last_report_at is not None
        census.established += state.last_report_at - state.first_report_at >= ESTABLISHED_AFTER
        census.new += state.first_report_at > census.at - NEW_FOR
        census.returned += state.returned_at is not None and state.returned_at > census.at - NEW_FOR
        census.reporting += state.last_report_at > census.at - REPORTING_WITHIN


def _count_day(census: Census, fleet: list[State]) -> None:
    day_before = census.at - DAY
    census.new_in_day = sum(state.first_report_at > day_before for state in fleet if state.first_report_at)
    census.returned_in_day = sum(state.returned_at > day_before for state in fleet if state.returned_at)
    hour_before = census.at - HEARD_WITHIN
    census.heard = sum(state.last_report_at > hour_before for state in fleet if state.last_report_at)


def _count_quiet(census: Census, fleet: list[State], quiet_since: datetime) -> None:
    last = [state.last_report_at for state in fleet if state.last_report_at and state.last_report_at < quiet_since]
    census.quiet = len(last)
    census.newly_quiet = sum(at >= quiet_since - NEW_FOR for at in last)


def _count_gone(census: Census, silent: list[State], since: datetime) -> None:
    """A report exactly as old as the active window still counts, so whoever sent it goes a moment later."""
    last = [state.last_report_at for state in silent if state.last_report_at]
    census.gone = sum(at >= since - NEW_FOR for at in last)
    census.gone_in_day = sum(at >= since - DAY for at in last)


def _count_cohorts(census: Census, fleet: list[State], silent: list[State]) -> None:
    active = Counter(week_of(state.first_report_at) for state in fleet if state.first_report_at)
    lost = Counter(week_of(state.first_report_at) for state in silent if state.first_report_at)
    recent = census.at - NEW_FOR
    reported = Counter(
        week_of(state.first_report_at)
        for state in (*fleet, *silent)
        if state.first_report_at and state.last_report_at and state.last_report_at > recent
    )
    census.cohorts = {
        week: Cohort(active[week] + lost[week], active[week], reported[week]) for week in sorted({*active, *lost})
    }


def _count_metrics(census: Census, fleet: list[State]) -> None:
    for name in DESCRIPTION:
        said = Counter(getattr(state, name) for state in fleet)
        if set(said) - {""}:
            census.dimensions[name] = Dimension.of(said)
    numbers: dict[str, list[Number]] = defaultdict(list)
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for state in fleet:
        for key, value in state.metrics.items():
            if is_number(value):
                numbers[key].append(value)
            else:
                texts[key][_label(value)] += 1
    kept = _most_reported(numbers, texts)
    census.left_out = len(numbers.keys() | texts.keys()) - len(kept)
    census.figures = {key: figures(numbers[key]) for key in sorted(numbers.keys() & kept)}
    for key, counter in sorted((key, texts[key]) for key in texts.keys() & kept):
        if key in numbers:
            census.strays[key] = counter.total()
        mostly_numbers = len(numbers.get(key, ())) >= counter.total()
        # A metric called like a part of the description would mix with it, and count its instance twice.
        if set(counter) - {""} and not mostly_numbers and key not in DESCRIPTION:
            census.dimensions[key] = Dimension.of(counter)


def _most_reported(numbers: dict[str, list[Number]], texts: dict[str, Counter[str]]) -> set[str]:
    """The keys that a census holds: those that most instances report, the first by name of equals. Keys of one
    installation alone, however many it sends, never push out what all have."""
    if len(numbers) + len(texts) <= MAX_DIMENSIONS:
        return numbers.keys() | texts.keys()
    reporters = Counter({key: len(values) for key, values in numbers.items()})
    for key, counter in texts.items():
        reporters[key] += counter.total()
    ranked = sorted(reporters, key=lambda key: (-reporters[key], key))
    as_text = [key for key in ranked if key in texts and texts[key].total() > len(numbers.get(key, ()))]
    too_many = set(as_text[MAX_DIMENSIONS:])
    return set([key for key in ranked if key not in too_many][:MAX_CENSUS_KEYS])


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
