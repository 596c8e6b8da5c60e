"""The versions that a fleet runs."""

from __future__ import annotations

from collections.abc import Sequence

from instances.models import Application
from metrics import versions
from metrics.census import Census, Dimension
from metrics.models import Release


def newest_share(census: Census, application: Application) -> tuple[str, float] | None:
    """The newest version of the fleet, and which share of it (0 to 1) runs that. None if there is none to be told.

    One query, for the application's releases; none where they have been prefetched.
    """
    dimension = census.dimensions.get("app_version")
    if dimension is None:
        return None
    newest = newest_version(dimension, application, list(application.releases.all()))
    return (newest, versions.same(dimension.counts, newest) / dimension.total) if newest else None


def newest_version(dimension: Dimension, application: Application, releases: Sequence[Release]) -> str | None:
    """The newest by what instances run and maintainers say: as released, as told to the instances, or as none."""
    hidden = {versions.rank(release.version) for release in releases if release.hidden}
    counts = {text: count for text, count in dimension.counts.items() if versions.rank(text) not in hidden}
    said = [release.version for release in releases if release.by_hand and not release.hidden]
    return versions.newest(counts, dimension.total, [application.latest_version, *said])
