"""What the instance table can show of an instance, a column each."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from metrics.keys import Metric

METRIC = "m."  # Before a metric's key; no column of an instance's own begins with it.


@dataclass(frozen=True)
class Column:
    name: str
    title: Any  # Of an own column translated when it is shown; of a metric's its key.
    is_time: bool = False
    metric: Metric | None = None
    is_text: bool = False  # Of a metric: whether it is mostly reported as text.

    @property
    def descending(self) -> str:
        return f"-{self.name}"

    @property
    def is_metric(self) -> bool:
        return self.metric is not None

    @property
    def label(self) -> str:
        """What stands above it, in the reader's language."""
        return self.metric.label if self.metric else str(self.title)

    @property
    def hint(self) -> str:
        """What its label leaves unsaid: a metric's key, and what a maintainer has written of it."""
        if self.metric is None:
            return ""
        return f"{self.metric.key}: {self.metric.description}" if self.metric.description else self.metric.key

    @property
    def unit(self) -> str:
        return self.metric.unit if self.metric else ""

    @property
    def is_number(self) -> bool:
        return self.is_metric and not self.is_text

    @property
    def key(self) -> str:
        return self.name.removeprefix(METRIC)


OWN_COLUMNS = [
    Column("id", gettext_lazy("Instance")),
    Column("app_version", gettext_lazy("Version")),
    Column("environment", gettext_lazy("Environment")),
    Column("os_arch", gettext_lazy("System")),
    Column("deployment_mode", gettext_lazy("Deployment")),
    Column("last_report_at", gettext_lazy("Last report"), is_time=True),
]
# What can be shown besides.
MORE_COLUMNS = [
    Column("first_report_at", gettext_lazy("First report"), is_time=True),
    Column("registered_at", gettext_lazy("Registered"), is_time=True),
    Column("state", gettext_lazy("State")),
    Column("exclusion", gettext_lazy("Excluded as")),
    Column("established", gettext_lazy("Established")),
]
# Without a choice so many metrics have a column, the first by their order: five hundred are no table any more.
METRIC_COLUMNS = 8


def of_metrics(metrics: Iterable[Metric], texts: Container[str]) -> list[Column]:
    return [Column(METRIC + metric.key, metric.key, metric=metric, is_text=metric.key in texts) for metric in metrics]
