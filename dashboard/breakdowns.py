"""The fleet by a dimension: how many instances say what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from django.utils.text import slugify
from django.utils.translation import gettext, ngettext

from dashboard.sheets import Sheet
from metrics.census import DESCRIPTION, Census, Dimension
from metrics.keys import Metric, Metrics, OfMetric

# So many values stand open; the others are behind a fold.
BREAKDOWN_ROWS = 6
# So many dimensions are looked through at a glance; the rest would push the table out of sight.
BREAKDOWNS_SHOWN = 9


def readable(value: str) -> str:
    """A value as people see it, were it nothing but spaces."""
    if value and not value.strip():
        return f"“{value}”"
    return value or gettext("(not said)")


@dataclass(frozen=True)
class Share:
    """One bar of a breakdown: `share` is of the fleet, 0 to 1. An empty value is that of those who do not say."""

    value: str
    count: int
    share: float
    values: int = 1  # How many values are in it: more than one where they are folded.

    @property
    def label(self) -> str:
        if self.is_folded:
            return ngettext("%(number)s other", "%(number)s others", self.values) % {"number": self.values}
        return readable(self.value)

    @property
    def is_said(self) -> bool:
        return bool(self.value) or self.is_folded

    @property
    def is_folded(self) -> bool:
        return False


class Folded(Share):
    """Several values, of which no single one can be asked for."""

    @property
    def is_folded(self) -> bool:
        return True


@dataclass(frozen=True)
class Breakdown(OfMetric):
    """`top` are the most frequent values, `more` all others that the census tells apart, `rest` what it does not."""

    top: list[Share]
    more: list[Share] = field(default_factory=list)
    rest: Folded | None = None

    @property
    def others(self) -> Folded | None:
        """All that is not at the top, as one bar."""
        hidden = [*self.more, *filter(None, [self.rest])]
        if not hidden:
            return None
        values = sum(share.values for share in hidden)
        return Folded("", sum(share.count for share in hidden), sum(share.share for share in hidden), values)

    @property
    def every(self) -> list[Share]:
        """All that is known, value by value."""
        return [*self.top, *self.more, *filter(None, [self.rest])]

    @property
    def name(self) -> str:
        """Its address among what can be taken away; of a key that can be none, with what tells it from others."""
        slug = slugify(self.key.replace("_", "-"))
        is_plain = slug == self.key or self.key in DESCRIPTION
        return f"by-{slug}" if is_plain else f"by-{slug[:40]}-{crc32(self.key.encode()):08x}"

    @property
    def sheet(self) -> Sheet:
        """One row for each value. What is folded is one row too, so that the sum is the fleet."""
        columns = [gettext("Value"), gettext("Instances"), gettext("Share")]
        rows = [[share.label, share.count, share.share] for share in self.every]
        return Sheet(self.name, gettext("Instances by %(label)s") % {"label": self.label}, columns, rows)


def breakdown(metric: Metric, dimension: Dimension, unsaid: int = 0) -> Breakdown:
    """The dimension's values, the most frequent first. `unsaid` instances are in no count of it, as they report nothing
    under this key."""
    counts = {**dimension.counts, "": dimension.counts.get("", 0) + unsaid}
    total = dimension.total + unsaid
    values = dimension.values + ("" not in dimension.counts)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shares = [Share(value, count, count / total) for value, count in ranked if count]
    values -= not counts[""]
    shown = len(shares) if values <= BREAKDOWN_ROWS else BREAKDOWN_ROWS - 1
    folded = dimension.folded
    rest = Folded("", folded, folded / total, values - len(shares)) if folded else None
    return Breakdown(metric, shares[:shown], shares[shown:], rest)


def breakdowns(census: Census, catalogue: Metrics) -> list[Breakdown]:
    """What the instances say of themselves first, then what they report as text."""
    dimensions = census.dimensions
    reported = catalogue.ordered(dimensions.keys() - DESCRIPTION.keys())
    return [
        breakdown(catalogue[key], dimensions[key], _unsaid(census, key)) for key in [*_described(dimensions), *reported]
    ]


def _described(dimensions: Iterable[str]) -> list[str]:
    return [key for key in DESCRIPTION if key in set(dimensions)]


def _unsaid(census: Census, key: str) -> int:
    """How many active instances report nothing at all under the key."""
    numbers = census.figures[key]["reporters"] if key in census.figures else 0
    # Whatever instances say of themselves is counted for each of them, be it nothing.
    return census.active - census.dimensions[key].total - (0 if key in DESCRIPTION else numbers)
