"""How one instance is: in a word, and what that means for the count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from instances.models import Event, Instance, of_exclusion
from metrics.census import ESTABLISHED_AFTER

TITLES: dict[str, str | Promise] = {
    "waiting": _("Waiting for approval"),
    "pending": _("Pending"),
    "revoked": _("Revoked"),
    "excluded": _("Excluded"),
    "active": _("Active"),
    "silent": _("Silent"),
}


@dataclass(frozen=True)
class Condition:
    """`why` is what a maintainer has said about it, "" for nothing."""

    name: str
    title: str
    meaning: str
    why: str = ""


def condition(instance: Instance, events: list[Event], now: datetime) -> Condition:
    """`events` are its own, in the order of time."""
    name = _name(instance, now)
    title = str(TITLES[name])
    if name == "excluded":
        title += f": {instance.get_exclusion_display()}"
    return Condition(name, title, _meaning(name, instance, now), _why(name, events))


def _name(instance: Instance, now: datetime) -> str:
    if instance.is_waiting:
        return "waiting"
    if instance.state != Instance.State.ACTIVE:
        return instance.state
    if instance.exclusion:
        return "excluded"
    last = instance.last_report_at
    return "active" if last is not None and last >= instance.application.active_since(now) else "silent"


def _meaning(name: str, instance: Instance, now: datetime) -> str:
    match name:
        case "waiting":
            return gettext("It counts nowhere until a maintainer approves it. What it reports is kept.")
        case "pending":
            return gettext("It has registered, but has not signed anything yet. It counts nowhere until it does.")
        case "revoked":
            return gettext("A maintainer has turned it away: what it signs is refused, and it counts nowhere.")
        case "excluded":
            return _rule(instance)
        case "active":
            return f"{_counts_until(instance)} {_age(instance, now)}"
    return _silence(instance, now)


def _rule(instance: Instance) -> str:
    match instance.exclusion:
        case Instance.Exclusion.EPHEMERAL:
            return gettext(
                "Not counted, by the rule for short-lived ones: it reported for less than 24 hours and has been silent "
                "for more than 48. It counts again once it has reported across 24 hours."
            )
        case Instance.Exclusion.TEST:
            return gettext(
                "Not counted, by the rule for tests: it says that its environment is “%(environment)s”, which the "
                "application lists as one of them."
            ) % {"environment": instance.environment}
    return gettext("Not counted, as a maintainer has decided. It keeps reporting.")


def _counts_until(instance: Instance) -> str:
    assert instance.last_report_at is not None  # Whoever is active has reported.
    until = instance.last_report_at + timedelta(days=instance.application.active_days)
    return gettext("It counts, and will until %(day)s even if it never reports again.") % {
        "day": date_format(timezone.localtime(until), "SHORT_DATE_FORMAT")
    }


def _age(instance: Instance, now: datetime) -> str:
    assert instance.first_report_at is not None
    assert instance.last_report_at is not None
    if instance.last_report_at - instance.first_report_at >= ESTABLISHED_AFTER:
        return gettext("Established: it has reported across 24 hours or more.")
    return gettext("New: it becomes established once it has reported across 24 hours.")


def _silence(instance: Instance, now: datetime) -> str:
    if instance.last_report_at is None:
        return gettext("It has signed in, but has never reported. It counts from its first report on.")
    days = instance.application.active_days
    return ngettext(
        "Not counted: it has not reported for more than %(days)d day. It counts again at its next report.",
        "Not counted: it has not reported for more than %(days)d days. It counts again at its next report.",
        days,
    ) % {"days": days}


def _why(name: str, events: list[Event]) -> str:
    kind = {"revoked": Event.Kind.REVOKED, "excluded": Event.Kind.EXCLUDED}.get(name)
    last = next((event for event in reversed(events) if event.kind == kind), None)
    if last is None:
        return ""
    return of_exclusion(last.detail)[1] if name == "excluded" else last.detail
