"""Hours and days as they are closed, and the periods that charts show. Pure; all of it in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MICROSECOND = timedelta(microseconds=1)


def hour(moment: datetime) -> datetime:
    """The last full hour, in UTC: daylight saving neither doubles nor skips one."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def midnight(moment: datetime) -> datetime:
    return hour(moment).replace(hour=0)


def monday(moment: datetime) -> datetime:
    """The last midnight that began a week."""
    day = midnight(moment)
    return day - DAY * day.weekday()


def evenly(times: list[datetime], at_most: int) -> list[datetime]:
    """So many of these times, the same number of them apart; the last one is always among them."""
    stride = -(-len(times) // at_most) or 1
    return times[::-1][::stride][::-1]


def edges(start: datetime, end: datetime, stretches: int) -> list[datetime]:
    """The bounds of so many stretches of equal length, the first of which begins just before `start`, so that it is in
    it; fewer where these would be shorter than a microsecond."""
    start -= MICROSECOND
    number = max(1, min(stretches, (end - start) // MICROSECOND))
    return [start + (end - start) * place / number for place in range(number + 1)] if start < end else []


@dataclass(frozen=True)
class Period:
    """A span that charts show: `steps` buckets, or None for as many as there are, of one hour or one day each."""

    name: str
    title: str
    step: timedelta
    steps: int | None

    def closings(self, now: datetime, first: datetime) -> list[datetime]:
        """The ends of the buckets that are over by `now`, oldest first, none from before `first`. UTC."""
        last = midnight(now) if self.step == DAY else hour(now)
        steps = max(0, (last - first) // self.step + 1)
        if self.steps is not None:
            steps = min(steps, self.steps)
        return [last - self.step * back for back in reversed(range(steps))]


PERIODS = {
    period.name: period
    for period in (
        Period("24h", "24 hours", HOUR, 24),
        Period("7d", "7 days", HOUR, 7 * 24),
        Period("30d", "30 days", DAY, 30),
        Period("3m", "3 months", DAY, 91),
        Period("1y", "1 year", DAY, 365),
        Period("all", "All", DAY, None),
    )
}
