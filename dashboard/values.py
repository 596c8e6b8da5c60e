"""One value of an instance's newest snapshot: what became of it, and how it is among the fleet's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.charts import Series
from dashboard.ranks import Place, Rank
from dashboard.reports import TextChange, as_text, changed
from metrics.flatten import is_number
from metrics.keys import OfMetric

PLACES: dict[Place, str | Promise] = {
    Place.SAME: _("as all others"),
    Place.LOWEST: _("the lowest"),
    Place.BELOW_5: _("below the 5th percentile"),
    Place.BELOW_25: _("in the lowest quarter"),
    Place.MIDDLE: _("in the middle half"),
    Place.ABOVE_75: _("in the highest quarter"),
    Place.ABOVE_95: _("above the 95th percentile"),
    Place.HIGHEST: _("the highest"),
}


@dataclass(frozen=True)
class Value(OfMetric):
    """One leaf of the snapshot."""

    value: Any
    series: Series | None = None
    before: Any = None  # At the beginning of the period.
    rank: Rank | None = None
    share: float | None = None  # Of the fleet, so much says the same.
    changes: list[TextChange] | None = None
    alone: str = ""  # The address at which it alone is drawn, and that which adds it or takes it off.
    toggled: str = ""
    is_chosen: bool = False

    @property
    def is_number(self) -> bool:
        return is_number(self.value)

    @property
    def text(self) -> str:
        return as_text(self.value)

    @property
    def change(self) -> str:
        return changed(self.before, self.value)

    @property
    def place(self) -> str:
        return str(PLACES[self.rank.place]) if self.rank else ""


def plain(value: Any) -> Any:
    """As a cell holds it: anything that is neither text, boolean nor number as JSON."""
    return value if value is None or isinstance(value, (str, bool)) or is_number(value) else as_text(value)
