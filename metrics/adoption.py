"""How a fleet moves from version to version: what its censuses, one after another, say of that. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from metrics.census import Dimension
from metrics.periods import DAY
from metrics.versions import Rank, is_prerelease, is_version, rank, real_count

# A version was released when it was first seen in the days before a real part of the fleet ran it; one instance that
# ran it long before, of a developer perhaps, sets no date.
NOTICED_WITHIN = 7 * DAY


class Seen(NamedTuple):
    """Which versions a fleet ran at one time: what its census says."""

    at: datetime
    versions: Dimension


# Oldest first.
History = Sequence[Seen]


def first_seen(history: History) -> dict[str, datetime]:
    """The first census that knows of each version. What the first of all knows of may be older than any of them."""
    seen: dict[str, datetime] = {}
    for at, versions in history:
        for version in versions.counts:
            seen.setdefault(version, at)
    return seen


def released(history: History, ignored: Collection[Rank] = ()) -> dict[str, datetime | None]:
    """The versions that a real part of the fleet came to run, and when the first instances did: never later than
    that, and at most a day before it or as long as there is between two censuses. None where it cannot be known: the
    version was there at the first census, or came after a newer one, as when an old one is installed again.

    `ignored` are versions that were none: they hold nothing up.
    """
    found: dict[str, datetime | None] = {}
    highest: Rank = rank("")  # Of releases: a pre-release does not make an old one of the release that follows it.
    for index, (_, versions) in enumerate(history):
        needed = real_count(versions.total)
        real = [
            version
            for version, count in versions.counts.items()
            if count >= needed and version not in found and is_version(version)
        ]
        ranks = {version: own for version in real if (own := rank(version)) not in ignored}
        for version in ranks:
            found[version] = _appeared(history[: index + 1], version) if ranks[version] > highest else None
        # Only now: of those that came together each is as new as the others.
        highest = max([highest, *(own for version, own in ranks.items() if not is_prerelease(version))])
    return found


def _appeared(history: History, version: str) -> datetime | None:
    """The time before a version came up that became real at the end of this history."""
    since = history[-1].at - NOTICED_WITHIN
    index = len(history) - 1
    while index > 0 and history[index - 1].at >= since and version in history[index - 1].versions.counts:
        index -= 1
    return max(history[index - 1].at, history[index].at - DAY) if index else None


def reached(history: History, versions: Iterable[str], shares: Sequence[float]) -> dict[str, list[datetime | None]]:
    """For each version and each share (0 to 1): the first census in which so much of the fleet ran that version or a
    newer one.

    The census's own time, and nothing interpolated between two: a fleet moves in steps, so a time in between would be
    invented. None if it has not come to that yet.
    """
    places = _places(history, versions)
    times: dict[str, list[datetime | None]] = {version: [None] * len(shares) for version in places.tracked}
    # The higher share and the newer version cannot be reached without the lower and the older: those left are few.
    left = {(version, index) for version in times for index in range(len(shares))}
    for at, dimension in history:
        if not left or not dimension.total:
            continue
        covered = places.covered(dimension)
        for version, index in list(left):
            if covered[version] >= shares[index] * dimension.total:
                times[version][index] = at
                left.remove((version, index))
    return times


class _Places:
    """The order of all texts of a history as numbers, so that it is worked out once and not at each census."""

    def __init__(self, texts: set[str], tracked: list[str]) -> None:
        ranks = {text: rank(text) for text in texts.union(tracked)}
        places = {value: place for place, value in enumerate(sorted(set(ranks.values()), reverse=True))}
        self.place = {text: places[value] for text, value in ranks.items()}
        self.tracked = sorted(tracked, key=self.place.__getitem__)

    def covered(self, dimension: Dimension) -> dict[str, int]:
        """How many run each tracked version or a newer one."""
        counts = sorted((self.place[text], count) for text, count in dimension.counts.items())
        covered: dict[str, int] = {}
        total = index = 0
        for version in self.tracked:
            while index < len(counts) and counts[index][0] <= self.place[version]:
                total += counts[index][1]
                index += 1
            covered[version] = total
        return covered


def _places(history: History, versions: Iterable[str]) -> _Places:
    return _Places({text for _, dimension in history for text in dimension.counts}, list(dict.fromkeys(versions)))


def covered(dimension: Dimension, versions: Iterable[str]) -> dict[str, int]:
    """How many run each of these versions or a newer one. Those whose version was folded away run none of them."""
    return _Places(set(dimension.counts), list(dict.fromkeys(versions))).covered(dimension)


def most_run(history: History, at_most: int) -> list[str]:
    """The versions that had the largest share of the fleet at any time, in no order to be relied on."""
    peaks: dict[str, float] = {}
    for _, dimension in history:
        for version, count in dimension.counts.items() if dimension.total else ():
            peaks[version] = max(peaks.get(version, 0.0), count / dimension.total)
    return sorted(filter(is_version, peaks), key=lambda version: (-peaks[version], version))[:at_most]


class Superseded(NamedTuple):
    """How old a version is by what came after it."""

    releases: int
    since: datetime | None  # None: it is not known when the first of them came.


def superseded(version: str, releases: dict[str, datetime | None]) -> Superseded:
    """By how many of these releases, and since when; two texts of one release are one."""
    own = rank(version)
    newer: dict[Rank, list[datetime | None]] = {}
    for other, at in releases.items():
        if (its := rank(other)) > own:
            newer.setdefault(its, []).append(at)
    known = [at for times in newer.values() for at in times if at is not None]
    return Superseded(len(newer), min(known, default=None))


def lingers(standing: Superseded, now: datetime, releases: int, age: timedelta) -> bool:
    """Whether a version is old: so many releases behind, or superseded for so long."""
    return standing.releases >= releases or (standing.since is not None and now - standing.since >= age)
