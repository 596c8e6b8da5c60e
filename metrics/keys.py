"""What a metric's key alone says of it, and what a maintainer says otherwise. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM_PREFIXES = ("sys_", "app_")


def is_system(key: str) -> bool:
    """Whether, by its key, a metric is about the machine or the process rather than about the product."""
    return key.startswith(SYSTEM_PREFIXES)


@dataclass(frozen=True)
class Overrides:
    """An application's keys that its maintainers have put elsewhere than the rule does."""

    business: frozenset[str] = frozenset()
    system: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def grouped(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """Business keys, then system keys, each in alphabetical order, none that is hidden."""
        shown = sorted(key for key in keys if key not in self.hidden)
        system = {key for key in shown if key in self.system or (is_system(key) and key not in self.business)}
        return [key for key in shown if key not in system], [key for key in shown if key in system]

    def ordered(self, keys: Iterable[str]) -> list[str]:
        """The order in which keys stand wherever they stand in one row."""
        business, system = self.grouped(keys)
        return business + system
