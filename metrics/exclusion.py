"""Rules that leave instances out of the count, and count them again when their reason is gone.

What a person has decided stands: rules touch neither an exclusion by hand nor an instance that was counted again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import F, Q, QuerySet

from instances.models import Instance
from metrics.census import ESTABLISHED_AFTER

SILENT_FOR = timedelta(hours=48)
# One whose whole life is shorter never became established. One that has never reported has no life.
SHORT_LIVED = Q(last_report_at__lt=F("first_report_at") + ESTABLISHED_AFTER)
NO_LIST = Q(application__test_environments="")


def apply_rules(now: datetime) -> str | None:
    """Regular work: excludes those that a rule means, and counts those again that it means no more.

    Safe to be done twice at once: each is locked and looked at again before it is decided.
    """
    # Counted again first: whom one rule lets go, the other may mean.
    included = _each(_excluded_as_ephemeral(), _include) + _each(_excluded_as_test(), _include, _is_unlisted)
    tests = _each(_counted().exclude(NO_LIST), _exclude_as_test, _is_listed)
    ephemeral = _each(_ephemeral(now), _exclude_as_ephemeral)
    if not (included or tests or ephemeral):
        return None
    return f"{ephemeral} instances are excluded as ephemeral, {tests} as test; {included} are counted again"


@lru_cache
def listed(environments: str) -> frozenset[str]:
    """The environments of an application's list, for a comparison that ignores case."""
    return frozenset(word.strip().casefold() for word in environments.split(",")) - {""}


def _is_listed(environment: str, environments: str) -> bool:
    return environment.strip().casefold() in listed(environments)


def _is_unlisted(environment: str, environments: str) -> bool:
    return not _is_listed(environment, environments)


def _counted() -> QuerySet[Instance]:
    """Those that a rule may exclude."""
    return Instance.objects.filter(state=Instance.State.ACTIVE, rules_apply=True).counted()


def _ephemeral(now: datetime) -> QuerySet[Instance]:
    silent = _counted().filter(SHORT_LIVED, last_report_at__lt=now - SILENT_FOR)
    return silent.filter(application__excludes_ephemeral=True)


def _excluded_as_ephemeral() -> QuerySet[Instance]:
    """Those that are excluded and are not short-lived any more, or whose application has switched the rule off."""
    excluded = Instance.objects.filter(exclusion=Instance.Exclusion.EPHEMERAL)
    return excluded.filter(~SHORT_LIVED | Q(application__excludes_ephemeral=False))


def _excluded_as_test() -> QuerySet[Instance]:
    return Instance.objects.filter(exclusion=Instance.Exclusion.TEST)


def _include(instance: Instance) -> None:
    instance.include(by_rule=True)


def _exclude_as_test(instance: Instance) -> None:
    instance.exclude(Instance.Exclusion.TEST)


def _exclude_as_ephemeral(instance: Instance) -> None:
    instance.exclude(Instance.Exclusion.EPHEMERAL)


def _each(
    candidates: QuerySet[Instance],
    decide: Callable[[Instance], None],
    holds: Callable[[str, str], bool] = lambda environment, environments: True,
) -> int:
    """Decides about each for whose environment and application's list it holds. Returns how many these were."""
    # Environments are compared here and not by the database: SQLite knows upper and lower case of ASCII alone.
    rows = candidates.values_list("pk", "environment", "application__test_environments").iterator(chunk_size=2000)
    decided = 0
    for pk in [pk for pk, *listing in rows if holds(*listing)]:
        with transaction.atomic():
            # Locked and asked again: it may have reported or been decided about by a person since it was found.
            locked = candidates.select_related("application").select_for_update(of=("self",)).filter(pk=pk).first()
            if locked is not None and holds(locked.environment, locked.application.test_environments):
                decide(locked)
                decided += 1
    return decided
