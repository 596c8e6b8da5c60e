"""Version texts: which is newer, which are the same, and which of a fleet's is the newest. Pure.

Versions are whatever clients send, so the order takes every text and never fails. It is semver's (pre-releases below
their release, build metadata of no weight), with what people write besides: a "v" in front, any number of numbers,
dates, 1.4rc2, 1.4.0-2 by a packager, 1.4.0-5-gabc1234 by `git describe`. The packaging library knows Python's versions
alone: it refuses 2.0.0-nightly.5 and 1.4.0-ubuntu, and texts that are no version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

# A word or number of a text, made comparable: numbers below words, words by what they mean, then by their letters.
Part = tuple[int, int, str]
# Whether it is a version at all, its numbers, before (0), at (1) or after (2) their release, and the parts that follow.
Rank = tuple[int, tuple[int, ...], int, tuple[Part, ...]]

LONGEST = 200  # Only so many characters are looked at.

# A date in ISO 8601: its hyphens begin no pre-release.
DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?(?!\d)", re.ASCII)
VERSION = re.compile(r"(?:(?:version|release|v)[ ._/-]?)?(\d+(?:\.\d+)*)(.*)", re.ASCII | re.DOTALL)
# What may follow the numbers without anything in between, as in 1.4rc2; otherwise it is a hash or a word.
ATTACHED = re.compile(r"(?:a|b|c|rc|pre|preview|alpha|beta|dev|post|p|pl|sp|r)[.-]?\d*(?![a-z])", re.ASCII)
SEPARATORS = tuple(".-_~+ (")
DESCRIBED = re.compile(r"-?\d+-g[0-9a-f]{4,40}", re.ASCII)
PARTS = re.compile(r"\d+|[^\W\d_]+", re.ASCII)

# Before everything else that leads to a release.
EARLY = {"dev", "nightly", "snapshot", "canary", "unstable", "git"}
SAME_WORDS = {"a": "alpha", "b": "beta", "c": "rc", "pre": "rc", "preview": "rc"}
# A repair of a release that is out.
AFTER = {"post", "patch", "p", "pl", "sp", "hotfix", "fix", "r", "rev", "update", "build"}
# Says where a release is for or that it is one, and nothing of when it came.
EDITION = {
    "alpine", "amd64", "arm64", "ce", "community", "debian", "docker", "ee", "enterprise", "final", "ga", "linux",
    "lts", "release", "slim", "stable", "ubuntu",
}  # fmt: skip


def rank(version: str) -> Rank:
    """Where a version stands: newer ones compare greater, those that are the same release are equal.

    Texts that are no version (a branch, a hash, nothing) stand below all that are.
    """
    text = DATE.sub(_dotted, version[:LONGEST].strip().lower(), count=1)
    match = VERSION.fullmatch(text)
    if match is None or not _may_follow(*match.groups()):
        return (0, (), 1, tuple(map(_part, PARTS.findall(text))))
    numbers = [int(number) for number in match[1].split(".")]
    # 1.4 and 1.4.0 are the same.
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return (1, tuple(numbers), *_stage(match[2].partition("+")[0]))


def is_version(text: str) -> bool:
    """Whether the text has a place in the order of versions."""
    return rank(text)[0] == 1


def is_prerelease(text: str) -> bool:
    return rank(text)[2] == 0


def precision(version: str) -> int:
    """How many numbers it takes to name the release: 1 for 2.0.0, 2 for 2.1, 3 for 2.1.4. The fewer, the larger a
    step it was."""
    return len(rank(version)[1])


def order(version: str) -> tuple[Rank, tuple[Part, ...], str]:
    """A key to sort by, which is the same for no two texts."""
    return (rank(version), tuple(map(_part, PARTS.findall(version[:LONGEST].lower()))), version)


def newest_first(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=order, reverse=True)


def real_count(total: int) -> int:
    """So many of a fleet must run a version for it to be one that was released, rather than one that somebody claims:
    one in a hundred and at least three, fewer in fleets of a handful."""
    return max(-(-total // 100), min(3, 1 + total // 4))


def newest(counts: Mapping[str, int], total: int, released: Collection[str] = ()) -> str | None:
    """The newest version of a fleet of `total`: one that its maintainers say is released, or that a real part runs.

    A pre-release is the newest only where there is no release, or where it was said to be released. None if no text
    is a version, or those that are have too few instances even together.
    """
    said = {version for version in released if version}
    needed = real_count(total)
    real = {version for version, count in counts.items() if count >= needed and is_version(version)}
    if not real:
        # All over the place: the newest that a real part of the fleet is at or beyond.
        there = filter(is_version, newest_first(counts))
        real = {version for version in there if at_least(counts, version) >= needed}
    final = {version for version in real if not is_prerelease(version)}
    candidates = {version for version in said if is_version(version)} | (final or (set() if said else real))
    # Of those that are the same, the text that most instances send.
    return max(candidates or said, key=lambda version: (rank(version), counts.get(version, 0), version), default=None)


def same(counts: Mapping[str, int], version: str) -> int:
    """How many run this version, however they write it: v1.4.0 is 1.4 and 1.4.0+build.7."""
    wanted = rank(version)
    if not wanted[0]:
        return counts.get(version, 0)
    return sum(count for other, count in counts.items() if rank(other) == wanted)


def at_least(counts: Mapping[str, int], version: str) -> int:
    """How many run this version or a newer one."""
    wanted = rank(version)
    return sum(count for other, count in counts.items() if rank(other) >= wanted)


def _dotted(match: re.Match[str]) -> str:
    return ".".join(part for part in match.groups() if part)


def _may_follow(numbers: str, rest: str) -> bool:
    """Whether what stands after the numbers leaves them a version: 1.4rc2 and 1.4-rc2 do, 3f2a9c1 does not."""
    return not rest or rest.startswith(SEPARATORS) or ("." in numbers and ATTACHED.match(rest) is not None)


def _stage(rest: str) -> tuple[int, tuple[Part, ...]]:
    """Before, at or after the release, and what is compared within that."""
    words = PARTS.findall(rest)
    if not words or (words[0] in EDITION and all(word in EDITION or word.isdigit() for word in words)):
        return 1, ()
    # A number alone is a packager's: 1.4.0-2. With more behind it semver has it: 1.4.0-0.3.7.
    if words[0] in AFTER or (len(words) == 1 and words[0].isdigit()) or DESCRIBED.fullmatch(rest):
        return 2, tuple(map(_part, words))
    return 0, tuple(_part(SAME_WORDS.get(word, word)) for word in words if word not in EDITION)


def _part(word: str) -> Part:
    if word.isdigit():
        return (0, int(word), "")
    return (1, word not in EARLY, word)
