"""The versions that a fleet runs."""

from __future__ import annotations

from instances.models import Application
from metrics import versions
from metrics.census import Census


def newest_share(census: Census, application: Application) -> tuple[str, float] | None:
    """The newest version of the fleet, and which share of it (0 to 1) runs that. None if there is none to be told."""
    dimension = census.dimensions.get("app_version")
    if dimension is None:
        return None
    newest = versions.newest(dimension.counts, dimension.total, [application.latest_version])
    return (newest, versions.same(dimension.counts, newest) / dimension.total) if newest else None
