"""What a metric's key says of it, and what an application's maintainers say otherwise. Pure.

docs/architecture.md has the rules that go by the name, under "What a key means".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from metrics.census import DESCRIPTION
from metrics.figures import Figures, Number
from metrics.units import CURRENCIES, SHARES, SIZES, TIMES, Aggregation, Unit

SYSTEM_PREFIXES = ("sys_", "app_")

ABBREVIATIONS = {
    *(
        "ai",
        "api",
        "cpu",
        "csv",
        "db",
        "gb",
        "gpu",
        "html",
        "http",
        "https",
        "id",
        "io",
        "ip",
        "jwt",
        "kb",
        "ldap",
        "llm",
    ),
    *(
        "mb",
        "mfa",
        "os",
        "pdf",
        "ram",
        "rss",
        "saml",
        "smtp",
        "sql",
        "ssh",
        "ssl",
        "sso",
        "tb",
        "tls",
        "ui",
        "url",
        "vm",
    ),
}

# A key that ends with one of these words, after another one, is sent in that unit.
UNIT_WORDS = {
    **{unit.value: unit for unit in (*SIZES, *TIMES, *SHARES)},
    "kb": Unit.KILOBYTES,
    "mb": Unit.MEGABYTES,
    "gb": Unit.GIGABYTES,
    "tb": Unit.TERABYTES,
    "ms": Unit.MILLISECONDS,
    "millis": Unit.MILLISECONDS,
    "s": Unit.SECONDS,
    "sec": Unit.SECONDS,
    "secs": Unit.SECONDS,
    "mins": Unit.MINUTES,  # "min" is more often a minimum.
    "h": Unit.HOURS,
    "hrs": Unit.HOURS,
    "pct": Unit.PERCENT,
    "percentage": Unit.PERCENT,
    "fraction": Unit.RATIO,
    # Other currencies' codes are too often words, or parts of names.
    "eur": Unit.EUR,
    "usd": Unit.USD,
    "gbp": Unit.GBP,
    "chf": Unit.CHF,
    "jpy": Unit.JPY,
}
# The number itself says these, so the label need not: "Storage: 6.5 GB".
SAID_BY_THE_NUMBER = {*SIZES, *TIMES, Unit.PERCENT, *CURRENCIES}

# Words of what one installation is like, which of a whole fleet adds up to nothing.
TYPICAL = {"avg", "average", "mean", "median", "percentile", "per", "min", "minimum", "lowest", "smallest", "shortest"}
# And those that say so at the end alone: "api_version" is one, "version_downloads" are not.
TYPICAL_AT_THE_END = {
    *("age", "latency", "load", "port", "rate", "ratio", "score", "temperature", "uptime", "version", "year"),
}
LARGEST = {"max", "maximum", "peak", "highest", "largest", "longest"}
# A span of time is what one installation is like as well, unless it is counted up.
COUNTED_UP = {"total", "sum", "count"}
# What may follow the unit: "response_ms_p95", "cpu_seconds_total".
STATISTICS = {"avg", "average", "mean", "median", "min", "max", "peak", "total", "sum"}

_PERCENTILE = re.compile(r"p\d{2,3}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"([0-9]+)")


def is_system(key: str) -> bool:
    """Whether, by its key, a metric is about the machine or the process rather than about the product."""
    return key.startswith(SYSTEM_PREFIXES)


def label(key: str) -> str:
    """A title for a key: "documents_created" becomes "Documents created", "sys_cpu_cores" "CPU cores"."""
    if key in DESCRIPTION:
        return DESCRIPTION[key]
    bare = key.split("_", 1)[1] if is_system(key) else key
    body, separator, last = bare.rpartition("_")
    # What is left has to be a word of the same part: "db.size_mb" may lose its unit, "db.mb" is called by it.
    if separator and body.rpartition(".")[2] and UNIT_WORDS.get(last.lower()) == unit_of(key) in SAID_BY_THE_NUMBER:
        bare = body
    words = bare.replace("_", " ").replace(".", " › ").split()
    words = [word.upper() if word.lower() in ABBREVIATIONS else word for word in words]
    title = " ".join(words)
    return title[:1].upper() + title[1:] or "(empty key)"


def words_of(key: str) -> list[str]:
    """The words of a key in lower case: "db.queryTime_p95" is db, query, time, p95."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub("_", key))]


def unit_of(key: str) -> Unit:
    """What a metric is sent in, by its key."""
    return _stem_and_unit(words_of(key))[1]


def _stem_and_unit(words: list[str]) -> tuple[list[str], Unit]:
    """The words before the one that names the unit, and the unit."""
    # "storage_bytes_per_user" is in bytes; "requests_per_ms" is not in milliseconds.
    words = words[: words.index("per")] if "per" in words else words
    while len(words) > 1 and (words[-1] in STATISTICS or _PERCENTILE.fullmatch(words[-1])):
        words = words[:-1]
    *stem, last = words or [""]
    # "logins_last_30_days" is a number of logins. Alone, "h" may be anything, and "hours" are hours.
    is_unit = last in UNIT_WORDS and (stem[-1] != "last" and not stem[-1].isdigit() if stem else len(last) > 4)
    return (stem, UNIT_WORDS[last]) if is_unit else (words, Unit.NUMBER)


def aggregation_of(key: str) -> Aggregation:
    """Which figure of a metric is the one to show, by its key."""
    words = words_of(key)
    if LARGEST.intersection(words):
        return Aggregation.MAXIMUM
    if TYPICAL.intersection(words) or any(_PERCENTILE.fullmatch(word) for word in words):
        return Aggregation.MEDIAN
    stem, unit = _stem_and_unit(words)
    if unit in SHARES or (unit in TIMES and not COUNTED_UP.intersection(words)):
        return Aggregation.MEDIAN
    # "sys_load_1" and "load15" are loads.
    ending = next((word for part in reversed(stem) if (word := part.rstrip("0123456789"))), "")
    return Aggregation.MEDIAN if ending in TYPICAL_AT_THE_END else Aggregation.SUM


def natural(key: str) -> tuple[object, ...]:
    """What keys are sorted by, so that per_user_2 comes before per_user_10."""
    # Compared by length and then as text, because a key may hold more digits than Python makes an integer of.
    parts = _DIGITS.split(key)
    numbers = [part.lstrip("0") for part in parts]
    return tuple((len(numbers[place]), numbers[place]) if place % 2 else part for place, part in enumerate(parts)), key


@dataclass(frozen=True)
class Metric:
    """One key of an application: what it is called, what its numbers are in, and how they become one."""

    key: str
    label: str
    unit: Unit
    aggregation: Aggregation
    is_system: bool
    description: str = ""
    hidden: bool = False
    order: int | None = None

    @classmethod
    def named(cls, key: str) -> Self:
        """What the name alone says."""
        return cls(key, label(key), unit_of(key), aggregation_of(key), is_system(key))

    @property
    def is_sum(self) -> bool:
        return self.aggregation == Aggregation.SUM

    def value(self, figures: Figures) -> Number:
        """The one number of the metric, of those that a census has."""
        number: Number = figures[self.aggregation.figure]  # type: ignore[literal-required]
        return number

    @property
    def place(self) -> tuple[object, ...]:
        """What metrics are sorted by: those that have been given an order, then all others by their names."""
        return (self.order is None, self.order or 0, natural(self.key))


_named = lru_cache(maxsize=4096)(Metric.named)


@dataclass(frozen=True)
class OfMetric:
    """What is about one metric goes by its key and label."""

    metric: Metric

    @property
    def key(self) -> str:
        return self.metric.key

    @property
    def label(self) -> str:
        return self.metric.label


class Metrics:
    """An application's metrics, by their keys: as its maintainers say, and by the name where they say nothing."""

    def __init__(self, said: Iterable[Metric] = ()) -> None:
        self._said = {metric.key: metric for metric in said}

    def __getitem__(self, key: str) -> Metric:
        return self._said.get(key) or _named(key)

    def hides(self, key: str) -> bool:
        return key in self._said and self._said[key].hidden

    def grouped(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """Business keys, then system keys, each in its order, none that is hidden."""
        shown = sorted((metric for key in keys if not (metric := self[key]).hidden), key=lambda metric: metric.place)
        return (
            [metric.key for metric in shown if not metric.is_system],
            [metric.key for metric in shown if metric.is_system],
        )

    def ordered(self, keys: Iterable[str]) -> list[str]:
        """The order in which keys stand wherever they stand in one row; none that is hidden."""
        business, system = self.grouped(keys)
        return business + system

    def figures(self, keys: Iterable[str]) -> dict[str, str]:
        """By key, which of a census's figures is the metric's one number."""
        return {key: self[key].aggregation.figure for key in keys}
