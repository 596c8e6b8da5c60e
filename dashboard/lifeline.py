"""An installation's life as stretches of time: versions, silences, and what was decided about it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

# A life of more versions is drawn with the oldest of them as one.
MAX_BANDS = 30


@dataclass(frozen=True)
class Sighting:
    """One report: when, and by which version it was sent."""

    at: datetime
    version: str


@dataclass(frozen=True)
class Band:
    """Reports in a row of one version. `until` is where the next one's begin, or the last report of all."""

    version: str
    first: datetime
    last: datetime
    until: datetime
    versions: int = 1  # More than one where the oldest are drawn as one, whose `version` is "".


@dataclass(frozen=True)
class Stretch:
    """From when until when something was so; None if it still is."""

    kind: str
    start: datetime
    end: datetime | None
    detail: str = ""


@dataclass(frozen=True)
class Decision:
    """What an event has decided: which kinds of stretches it ends, and which one it begins, if any."""

    at: datetime
    ends: str
    begins: bool
    detail: str = ""


def bands(sightings: Sequence[Sighting], at_most: int = MAX_BANDS) -> list[Band]:
    """The versions in the order of time, without those that only reports which arrived late seem to show."""
    runs = _without_late([list(run) for _, run in groupby(sightings, key=lambda sighting: sighting.version)])
    starts = [run[0].at for run in runs[1:]] + [runs[-1][-1].at] if runs else []
    found = [Band(run[0].version, run[0].at, run[-1].at, until) for run, until in zip(runs, starts, strict=True)]
    if len(found) <= at_most:
        return found
    old, new = found[: 1 - at_most], found[1 - at_most :]
    versions = len({band.version for band in old})
    return [Band("", old[0].first, old[-1].last, old[-1].until, versions), *new]


def _without_late(runs: list[list[Sighting]]) -> list[list[Sighting]]:
    """A report is filed under the version that its installation had when it arrived. One that arrives late, after an
    upgrade, stands among older ones with the new version's name: a single one between two runs of one version, with
    the same name again after them. It is counted to those around it."""
    kept: list[list[Sighting]] = []
    index = 0
    while index < len(runs):
        run = runs[index]
        if kept and len(run) == 1 and index + 2 < len(runs):
            following, after = runs[index + 1], runs[index + 2]
            if kept[-1][0].version == following[0].version and run[0].version == after[0].version:
                kept[-1] = kept[-1] + following
                index += 2
                continue
        kept.append(run)
        index += 1
    return kept


def silences(
    times: Sequence[datetime], window: timedelta, blur: Callable[[datetime], timedelta], now: datetime
) -> Iterator[Stretch]:
    """Where nothing was reported for longer than the active window. `blur` says for how long before a report of that
    time there may have been others that are no longer kept."""
    for before, after in pairwise(times):
        if after - before > window + blur(after):
            yield Stretch("silent", before, after)
    if times and now - times[-1] > window:
        yield Stretch("silent", times[-1], None)


def stretches(decisions: Iterable[Decision]) -> list[Stretch]:
    """What was so from when until when, by decisions in the order of time. What is decided twice begins once."""
    found: list[Stretch] = []
    begun: dict[str, Decision] = {}
    for decision in decisions:
        before = begun.get(decision.ends)
        if decision.begins and before is not None and before.detail == decision.detail:
            continue
        if before is not None:
            found.append(Stretch(decision.ends, before.at, decision.at, before.detail))
            del begun[decision.ends]
        if decision.begins:
            begun[decision.ends] = decision
    found.extend(Stretch(kind, decision.at, None, decision.detail) for kind, decision in begun.items())
    return sorted(found, key=lambda stretch: stretch.start)


@dataclass(frozen=True)
class Axis:
    """Where a time stands in the picture, in percent of its width."""

    start: datetime
    end: datetime

    def place(self, at: datetime) -> float:
        length = self.end - self.start
        if not length:
            return 0.0
        return round(min(max((at - self.start) / length, 0.0), 1.0) * 100, 3)

    def width(self, start: datetime, end: datetime) -> float:
        return round(self.place(end) - self.place(start), 3)

    def ticks(self, number: int) -> list[datetime]:
        """So many times or fewer, evenly apart, none too near the right edge for its label."""
        length = self.end - self.start
        if number < 1 or not length:
            return [self.start]
        return [self.start + length * tick / number for tick in range(number)]
