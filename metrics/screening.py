"""What is taken out of a snapshot before anything of it is kept: whatever looks like personal data. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from instances.personal import kind_of, without_personal_parts
from metrics import bounds
from metrics.flatten import flatten

# Keys and texts found harmless are remembered, so that a fleet that says the same every hour is looked at once. What
# looks personal is never kept, not even here.
_REMEMBERED = 10_000
_LONGEST_REMEMBERED = 100
_harmless_keys: set[str] = set()
_harmless_texts: set[tuple[str, str]] = set()

# A longer path is cut where it is named.
LONGEST_PATH = 200

# What a finding is of besides a kind of personal data.
COLLISION, LONG_KEY, LONG_TEXT, MANY_KEYS = "collision", "long_key", "long_text", "many_keys"


class Finding(NamedTuple):
    """Something that was removed or left out: under which flattened key (never holds what was removed), and why."""

    key: str
    kind: str


class Screened(NamedTuple):
    metrics: dict[str, Any]
    findings: list[Finding]


def screen(metrics: dict[str, Any], allowed: Collection[str] = ()) -> Screened:
    """The metrics with a marker in the place of each text, and each part of a key, that looks like personal data.

    The very same object if there is nothing of the kind. `allowed` are paths, as findings name them, under which all is
    kept. Where two keys become one by their markers, the first one sent stays and the other is a finding too.
    """
    if not _has_personal(metrics):
        return Screened(metrics, [])
    screening = _Screening(allowed)
    clean = screening.object(metrics, "")
    # Allowed ones are no findings, but with them it is the snapshot as it was sent.
    return Screened(clean if screening.findings else metrics, screening.findings)


def findings_of(metrics: dict[str, Any]) -> list[Finding]:
    """What would be removed from a snapshot, and what would not be counted."""
    clean, findings = screen(metrics)
    return findings + left_out(clean)


def left_out(metrics: dict[str, Any]) -> list[Finding]:
    """What of a snapshot is stored, but beyond the bounds of what is counted."""
    if bounds.are_kept(metrics):
        return []
    findings = []
    counted = 0
    for path, value in flatten(metrics).items():
        if not isinstance(value, (int, float, str)):
            continue
        if bounds.is_counted(path, value):
            counted += 1
        else:
            findings.append(Finding(named(path), LONG_KEY if len(path) > bounds.MAX_KEY_LENGTH else LONG_TEXT))
    # They have no one name: another snapshot leaves out others.
    return [*findings, Finding("", MANY_KEYS)] if counted > bounds.MAX_KEYS else findings


def named(path: str) -> str:
    """The path as findings and flags name it: bounded."""
    return path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH - 1]}…"


def _has_personal(value: dict[str, Any]) -> bool:
    for key, item in value.items():
        if key not in _harmless_keys and _is_personal_key(key):
            return True
        kind = item.__class__
        if kind is int or kind is float:
            continue
        if kind is str:
            if (key, item) not in _harmless_texts and _is_personal(key, item):
                return True
        elif (kind is dict and _has_personal(item)) or (kind is list and _has_personal_item(key, item)):
            return True
    return False


def _has_personal_item(key: str, items: list[Any]) -> bool:
    for item in items:
        if isinstance(item, str):
            if _is_personal(key, item):
                return True
        elif (isinstance(item, dict) and _has_personal(item)) or (
            isinstance(item, list) and _has_personal_item(key, item)
        ):
            return True
    return False


def _is_personal_key(key: str) -> bool:
    if without_personal_parts(key) is not None:
        return True
    if len(key) <= _LONGEST_REMEMBERED:
        _remember(_harmless_keys, key)
    return False


def _is_personal(key: str, text: str) -> bool:
    if kind_of(text, key) is not None:
        return True
    if len(key) + len(text) <= _LONGEST_REMEMBERED:
        _remember(_harmless_texts, (key, text))
    return False


def _remember(harmless: set[Any], item: Any) -> None:
    # Emptied and not trimmed: what is usual is back at the next report.
    if len(harmless) >= _REMEMBERED:
        harmless.clear()
    harmless.add(item)


class _Screening:
    """One snapshot's way through. The wire format bounds how deep it nests."""

    def __init__(self, allowed: Collection[str]) -> None:
        self.allowed = allowed
        self.findings: list[Finding] = []

    def object(self, value: dict[str, Any], prefix: str) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for key, item in value.items():
            found = without_personal_parts(key)
            shown = found[0] if found else key
            path = prefix + shown
            kept = key
            if found and named(path) not in self.allowed:
                self.findings.append(Finding(named(path), found[1].value))
                kept = shown
            if kept in clean:
                self.findings.append(Finding(named(path), COLLISION))
                continue
            clean[kept] = self.value(item, key, path)
        return clean

    def value(self, item: Any, key: str, path: str) -> Any:
        if isinstance(item, str):
            kind = kind_of(item, key)
            if kind is None or named(path) in self.allowed:
                return item
            self.findings.append(Finding(named(path), kind.value))
            return kind.marker
        if isinstance(item, dict):
            return self.object(item, f"{path}.")
        if isinstance(item, list):
            return [self.value(element, key, path) for element in item]
        return item
