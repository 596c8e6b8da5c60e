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


def curve(censuses: Mapping[datetime, Cohorts], measure: Measure) -> list[Stay]:
    """What stays until each age, from 0 weeks on: all cohorts that reached the age at one of these Mondays, pooled.

    Who is too young for an age is neither in its size nor among those there, so that the present's end of the data
    (right censoring) bends nothing; who came before these Mondays counts from the age that they find it at. That is the
    period life table of demography (Preston, Heuveline and Guillot, "Demography", 2001, chapter 3), with the
    survivors counted at each age instead of multiplied up from the chances of each week, as by the product-limit
    estimator (Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations", 1958): that one lets nobody
    come back, and here some do. The price is that a share may rise where older cohorts stayed better than younger ones.

    Ends where fewer than FEWEST are left to say something, unless there never were as many.
    """
    sizes: dict[int, int] = defaultdict(int)
    there: dict[int, int] = defaultdict(int)
    for at, by_week in censuses.items():
        for week, counts in by_week.items():
            age = age_of(week, at)
            seen = _count(counts, measure)
            if age >= 0 and seen is not None:
                sizes[age] += counts[0] or 0
                there[age] += seen
    made = [Stay(age, sizes[age], there[age]) for age in sorted(sizes)]
    enough = min(FEWEST, max(sizes.values(), default=0))
    while made and made[-1].size < enough:
        made.pop()
    return made


def age_of(week: str, at: datetime) -> int:
    """How many whole weeks the week from this Monday is over; below 0 if it is not."""
    monday = datetime.combine(date.fromisoformat(week), datetime.min.time(), UTC)
    return (at - monday) // WEEK - 1


def until(made: Sequence[Stay], age: int) -> Stay | None:
    """What stays until this age, None if nobody is as old."""
    return next((stay for stay in made if stay.age == age), None)


def half(made: Sequence[Stay]) -> Stay | None:
    """The first age that no more than half have stayed to, the median of the time that they stay; None if more than
    half are still there at the greatest age known."""
    return next((stay for stay in made if stay.share is not None and stay.share <= 0.5), None)
