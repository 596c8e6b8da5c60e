"""The census by its definition: all snapshots and all events there are, read from the beginning for each time anew.

Slow, plain, and without a line of the product's own counting.
"""

import itertools
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from instances.models import Application, Event, Instance
from metrics.figures import histogram
from metrics.models import Snapshot

DESCRIBED = ("environment", "os_arch", "deployment_mode")


def leaves(metrics: Any, path: str = "") -> dict[str, Any]:
    """The numbers, texts and booleans of nested metrics by their dotted paths."""
    found: dict[str, Any] = {}
    for key, value in metrics.items():
        if isinstance(value, dict):
            found.update(leaves(value, f"{path}{key}."))
        elif isinstance(value, int | float | str):
            found[path + key] = value
    return found


def waits_at(one: Instance, at: datetime) -> bool:
    """Whether it waited for approval: as the last event said, or else before the first, or else as it does now."""
    kinds = ("waiting", "approved")
    turns = list(Event.objects.filter(instance=one, kind__in=kinds).order_by("at", "pk"))
    past = [event for event in turns if event.at <= at]
    if past:
        return past[-1].kind == "waiting"
    return turns[0].kind == "approved" if turns else one.awaits_approval


def quiet_after(application: Application) -> timedelta:
    """Three reporting intervals, two days at least, and no more than the active window, after which it is gone."""
    minutes = max(2 * 24 * 60, 3 * application.report_minutes)
    return timedelta(minutes=min(minutes, application.active_days * 24 * 60))


def census_by_hand(application: Application, at: datetime) -> dict[str, Any]:
    """What the document of the census at `at` must hold."""
    window = timedelta(days=application.active_days)
    numbers: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    cohorts: dict[str, list[int]] = {}
    fleet: list[dict[str, Any]] = []
    for one in Instance.objects.filter(application=application):
        snapshots = [row for row in Snapshot.objects.filter(instance=one) if row.timestamp <= at]
        snapshots.sort(key=lambda row: row.timestamp)
        decisions = [event for event in Event.objects.filter(instance=one).order_by("at", "pk") if event.at <= at]
        revocations = [event.kind for event in decisions if event.kind in ("revoked", "restored")]
        exclusions = [event for event in decisions if event.kind in ("excluded", "included")]
        is_waiting = waits_at(one, at)
        is_revoked = revocations[-1:] == ["revoked"]
        exclusion = exclusions[-1].detail if exclusions and exclusions[-1].kind == "excluded" else ""
        has_signed = snapshots or (one.activated_at is not None and one.activated_at <= at)
        is_proven = is_revoked or (has_signed and not is_waiting)
        if not is_proven and one.registered_at > at:
            continue
        numbers["registered"] += 1
        if not is_proven:
            numbers["pending"] += 1
            continue
        if is_revoked:
            numbers["revoked"] += 1
            continue
        is_active = bool(snapshots) and at - snapshots[-1].timestamp <= window
        numbers["active_raw"] += is_active
        if exclusion:
            excluded[exclusion] += 1
            continue
        numbers["active" if is_active else "silent"] += 1
        if snapshots:
            day = snapshots[0].timestamp.astimezone(UTC).date()
            cohort = cohorts.setdefault(str(day - timedelta(days=day.weekday())), [0, 0, 0])
            cohort[0] += 1
            cohort[1] += is_active
            cohort[2] += at - snapshots[-1].timestamp < timedelta(days=7)
        if not is_active:
            for name, span in (("gone_in_day", timedelta(days=1)), ("gone", timedelta(days=7))):
                numbers[name] += bool(snapshots) and at - span - snapshots[-1].timestamp <= window
            continue
        first, last = snapshots[0].timestamp, snapshots[-1].timestamp
        times = [row.timestamp for row in snapshots]
        comebacks = [late for early, late in itertools.pairwise(times) if late - early > window]
        numbers["established"] += last - first >= timedelta(hours=24)
        numbers["new"] += at - first < timedelta(days=7)
        numbers["reporting"] += at - last < timedelta(days=1)
        numbers["heard"] += at - last < timedelta(hours=1)
        numbers["returned"] += any(at - back < timedelta(days=7) for back in comebacks)
        numbers["new_in_day"] += at - first < timedelta(days=1)
        numbers["returned_in_day"] += any(at - back < timedelta(days=1) for back in comebacks)
        quiet_for = at - last - quiet_after(application)
        numbers["quiet"] += quiet_for > timedelta(0)
        numbers["newly_quiet"] += timedelta(0) < quiet_for <= timedelta(days=7)
        said = {name: getattr(one, name) for name in DESCRIBED}
        fleet.append(
            {"said": {**said, "app_version": snapshots[-1].app_version}, "sent": leaves(snapshots[-1].metrics)}
        )
    names = ["registered", "pending", "active", "active_raw", "established", "new", "returned"]
    names += ["reporting", "silent", "revoked", "quiet", "newly_quiet", "gone"]
    names += ["new_in_day", "returned_in_day", "gone_in_day", "heard"]
    return {
        "instances": {**{name: numbers[name] for name in names}, "excluded": dict(excluded)},
        "cohorts": cohorts,
        "left_out": 0,
        **_what_they_report(fleet),
    }


def _what_they_report(fleet: list[dict[str, Any]]) -> dict[str, Any]:
    metrics, strays, dimensions = {}, {}, {}
    for name in ("app_version", *DESCRIBED):
        dimensions[name] = Counter(one["said"][name] for one in fleet)
    for key in {key for one in fleet for key in one["sent"]}:
        sent = [one["sent"][key] for one in fleet if key in one["sent"]]
        numeric = [value for value in sent if not isinstance(value, str | bool)]
        texts = Counter({True: "true", False: "false"}.get(v, v) for v in sent if isinstance(v, str | bool))
        if numeric:
            metrics[key] = _figures(numeric)
            if texts:
                strays[key] = texts.total()
        if texts.total() > len(numeric) and key not in dimensions:
            dimensions[key] = texts
    # Where all say nothing there is nothing to tell apart.
    told = {name: counts for name, counts in dimensions.items() if set(counts) - {""}}
    return {
        "metrics": metrics,
        "strays": strays,
        "dimensions": {name: {"counts": dict(c), "folded": 0, "values": len(c)} for name, c in told.items()},
    }


def _figures(values: list[Any]) -> dict[str, Any]:
    exact = sum((Fraction(value) for value in values), Fraction())
    cuts = statistics.quantiles(
        [Fraction(v) for v in values] * (2 if len(values) == 1 else 1), n=20, method="inclusive"
    )
    return {
        "reporters": len(values),
        "zeros": sum(value == 0 for value in values),
        "sum": int(exact) if all(isinstance(value, int) for value in values) else float(exact),
        "mean": float(exact / len(values)),
        "min": min(values),
        "max": max(values),
        **{f"p{percent}": float(cuts[percent // 5 - 1]) for percent in (5, 25, 75, 95)},
        "median": float(cuts[9]),
        # Where bins begin is for test_figures to say; here, that they are those of these values.
        "histogram": histogram(sorted(values)),
    }


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """A document to compare: what is a mean or lies between two values is rounded, as doubles differ in their ends."""
    rounded = ("mean", "median", "p5", "p25", "p75", "p95")
    metrics = {
        key: {name: float(f"{value:.12g}") if name in rounded else value for name, value in figures.items()}
        for key, figures in document["metrics"].items()
    }
    return {**document, "metrics": metrics}
