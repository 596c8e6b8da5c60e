"""Who came to a fleet and who left it between two closings, and how many of those who came stay. Pure: counts in,
numbers out.

docs/architecture.md ("Comings and goings") says what each word means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum

from metrics.periods import DAY, WEEK

# An instance more or less moves the share of so few by too much to say anything of the rest.
FEWEST = 5

Counts = Mapping[str, int | None]
# Of one closing by the Monday of each cohort's week, as a census's document has it: [size, active, reported].
Cohorts = Mapping[str, Sequence[int | None]]

# What a census calls those that are new, returned and gone in the time since the closing before.
NAMES = {DAY: ("new_in_day", "returned_in_day", "gone_in_day"), WEEK: ("new", "returned", "gone")}


@dataclass(frozen=True)
class Flow:
    """What came and went after `start` and not after `end`. What is None is not known.

    active = before + new + returned - gone + other. Where `gone` is not known, it is a part of `other`.
    """

    start: datetime
    end: datetime
    before: int | None
    active: int | None
    new: int | None
    returned: int | None
    gone: int | None

    @property
    def net(self) -> int | None:
        return None if self.active is None or self.before is None else self.active - self.before

    @property
    def other(self) -> int | None:
        """What is left of the difference: decisions, mostly."""
        if self.net is None or self.new is None or self.returned is None:
            return None
        return self.net - self.new - self.returned + (self.gone or 0)


def flows(ends: Sequence[datetime], step: timedelta, counts: Mapping[datetime, Counts], began: datetime) -> list[Flow]:
    """A flow of the length `step` (a day or a week) to each of `ends`. `counts` are those of the censuses that there
    are; before `began`, when the first instance reported, nobody was active."""
    made = [_flow(end - step, end, NAMES[step], counts, began) for end in ends]
    # The newest closings may be about to be taken.
    while made and made[-1].active is None:
        made.pop()
    return made


def _flow(
    start: datetime, end: datetime, names: tuple[str, str, str], counts: Mapping[datetime, Counts], began: datetime
) -> Flow:
    there = counts.get(end, {})
    before = counts.get(start, {"active": 0} if start < began else {}).get("active")
    new, returned, gone = (there.get(name) for name in names)
    return Flow(start, end, before, there.get("active"), new, returned, gone)


def together(made: Sequence[Flow], size: int) -> list[Flow]:
    """As many flows as lie side by side, `size` of them made one; the newest one is whole, the oldest may not be."""
    return [_sum(made[max(0, end - size) : end]) for end in reversed(range(len(made), 0, -size))]


def _sum(parts: Sequence[Flow]) -> Flow:
    first, last = parts[0], parts[-1]
    new, returned, gone = (_total([getattr(part, name) for part in parts]) for name in ("new", "returned", "gone"))
    return Flow(first.start, last.end, first.before, last.active, new, returned, gone)


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


class Measure(IntEnum):
    """When somebody is still there: the places in what a census says of a cohort."""

    ACTIVE = 1
    REPORTED = 2


@dataclass(frozen=True)
class Stay:
    """Of `size` instances of an age in whole weeks, `there` are still there; None if that is not known."""

    age: int
    size: int
    there: int | None

    @property
    def share(self) -> float | None:
        return None if self.there is None or not self.size else self.there / self.size


@dataclass(frozen=True)
class Cohort:
    """Those that first reported in the week from Monday `week`: how many they are now, and what of them stayed until
    each age, from one week on. None where there is no census."""

    week: date
    size: int
    stays: list[Stay | None]


def cohorts(censuses: Mapping[datetime, Cohorts], last: datetime, weeks: int, measure: Measure) -> list[Cohort]:
    """The newest `weeks` cohorts that are a week old at the Monday `last`, oldest first; those that nobody is in left
    out."""
    made = []
    for age in range(weeks, 0, -1):
        week = (last - WEEK * (age + 1)).date()
        stays = [_stay(censuses.get(last - WEEK * (age - past)), week, past, measure) for past in range(1, age + 1)]
        size = next((stay.size for stay in reversed(stays) if stay), 0)
        if size:
            made.append(Cohort(week, size, stays))
    return made


def _stay(census: Cohorts | None, week: date, age: int, measure: Measure) -> Stay | None:
    counts = (census or {}).get(week.isoformat())
    return Stay(age, counts[0] or 0, _count(counts, measure)) if counts else None


def _count(counts: Sequence[int | None], measure: Measure) -> int | None:
    """Older censuses have not counted who reported."""
    return counts[measure] if len(counts) > measure else None


@dataclass(frozen=True)
class Survival:
    """The share of those who came that is still there at an age in whole weeks, and how many have been seen at it."""

    age: int
    size: int
    share: float


def curve(censuses: Mapping[datetime, Cohorts], measure: Measure) -> list[Survival]:
    """Which share stays until each age, from 0 weeks on, as it went at these Mondays.

    The product-limit estimator (Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations", 1958) on
    the counts of cohorts instead of single lives: from one week to the next the chance to stay is taken of all cohorts
    that were seen at both ages, and the chances are multiplied. So a cohort counts for as long as it has been seen and
    bends nothing afterwards (right censoring); one that came before these Mondays counts from the age that it had then
    (left truncation). Unlike there, some come back: a week's chance may be above 1, the share never is; and where all
    had left, it is the plain share of those that are back.

    Ends where fewer than FEWEST are left to say something, unless there never were as many.
    """
    seen = _by_age(censuses, measure)
    if 0 not in seen:
        return []
    made = [Survival(0, _size(seen[0]), sum(there for _, there in seen[0].values()) / _size(seen[0]))]
    # To an age that nobody was seen at, or only others than at the one before, no chance leads.
    while seen.get(age := len(made), {}).keys() & seen[age - 1].keys():
        made.append(Survival(age, _size(seen[age]), _share(seen[age], seen[age - 1], made[-1].share)))
    enough = min(FEWEST, max(survival.size for survival in made))
    while made[-1].size < enough:
        made.pop()
    return made


_Seen = dict[str, tuple[int, int]]  # Of each cohort at one age, by its week: how many it was, and how many were there.


def _by_age(censuses: Mapping[datetime, Cohorts], measure: Measure) -> dict[int, _Seen]:
    seen: dict[int, _Seen] = defaultdict(dict)
    for at, by_week in censuses.items():
        for week, counts in by_week.items():
            age, size, there = age_of(week, at), counts[0], _count(counts, measure)
            if age >= 0 and size and there is not None:
                seen[age][week] = size, there
    return seen


def _size(seen: _Seen) -> int:
    return sum(size for size, _ in seen.values())


def _share(now: _Seen, before: _Seen, share_before: float) -> float:
    """`share_before`, times the chance to stay of those cohorts that were seen both times."""
    both = now.keys() & before.keys()
    there = sum(now[week][1] for week in both)
    # A cohort that has become smaller, because some are not counted any more, was so before as well.
    had = sum(before[week][1] * now[week][0] / before[week][0] for week in both)
    if not had:
        return there / sum(now[week][0] for week in both)
    return min(1.0, share_before * there / had)


def age_of(week: str, at: datetime) -> int:
    """How many whole weeks the week from this Monday is over; below 0 if it is not."""
    monday = datetime.combine(date.fromisoformat(week), datetime.min.time(), UTC)
    return (at - monday) // WEEK - 1


def until(made: Sequence[Survival], age: int) -> Survival | None:
    """What stays until this age, None if nobody is as old."""
    return next((survival for survival in made if survival.age == age), None)


def half(made: Sequence[Survival]) -> Survival | None:
    """The first age that no more than half have stayed to, the median of the time that they stay; None if more than
    half are still there at the greatest age known."""
    return next((survival for survival in made if survival.share <= 0.5), None)
