"""What needs a look, of one application: each rule looks at its facts and either keeps silent or says in plain words
what is the matter, what to do about it, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext

from dashboard.numbers import exact
from metrics.facts import Facts
from metrics.usual import Lost, is_far_below

# Two missed reports and some jitter: one alone happens to everybody.
MISSED_REPORTS = 3
# Where instances report every minute, an update of the server or the network is not worth an alarm.
LEAST_PATIENCE = timedelta(minutes=15)
# Of a fleet of fewer somebody may just have switched off what they tried: no alarm, and after a while no news.
LEAST_FLEET = 3
OLD_NEWS = timedelta(days=7)
# So many metrics are named where several are lost, and so much of each.
NAMED_KEYS = 3
LONGEST_NAMED = 40


class Urgency(IntEnum):
    """Whether numbers are being lost, something is wrong, or somebody waits for a decision."""

    DECIDE = 1
    CHECK = 2
    URGENT = 3

    @property
    def words(self) -> str:
        names = {
            Urgency.DECIDE: gettext("To decide"),
            Urgency.CHECK: gettext("Check"),
            Urgency.URGENT: gettext("Urgent"),
        }
        return names[self]


@dataclass(frozen=True)
class Link:
    """Where to go; `permission` is what it takes to do anything there."""

    label: str
    url: str
    permission: str = ""


@dataclass(frozen=True)
class Concern:
    """One thing that needs a look. With a `permission` it is the affair of nobody else."""

    rule: str
    urgency: Urgency
    what: str
    do: str
    links: tuple[Link, ...] = ()
    permission: str = ""

    @property
    def is_urgent(self) -> bool:
        return self.urgency == Urgency.URGENT


def concerns(facts: Facts) -> list[Concern]:
    """What needs a look of this application, the most urgent first."""
    found = [concern for rule in RULES if (concern := rule(facts))]
    return sorted(found, key=lambda concern: -concern.urgency)


def stopped_at(facts: Facts) -> datetime | None:
    """When the last report came in, if no further ones do of a fleet that should be sending them."""
    seen, is_small = facts.headcount.last_seen_at, facts.headcount.active < LEAST_FLEET
    if seen is None or not facts.headcount.active:
        return None
    # Somebody has tried it, once or for an hour: nothing was going that could have stopped.
    if is_small and not facts.headcount.established:
        return None
    patience = max(LEAST_PATIENCE, MISSED_REPORTS * timedelta(minutes=facts.application.report_minutes))
    return seen if facts.at - seen > patience else None


def stopped(facts: Facts) -> Concern | None:
    seen = stopped_at(facts)
    is_small = facts.headcount.active < LEAST_FLEET
    if seen is None or (is_small and facts.at - seen > OLD_NEWS):
        return None
    return Concern(
        "stopped",
        Urgency.CHECK if is_small else Urgency.URGENT,
        gettext("Reports have stopped: none has arrived for %(span)s.") % {"span": timesince(seen, facts.at, depth=1)},
        gettext(
            "Look whether instances still reach this server by its address, through its proxy and with its certificate."
            " If the last ones were switched off on purpose, nothing is wrong."
        ),
        (_instances(facts, gettext("Who reported last")),),
    )


def fewer_reports(facts: Facts) -> Concern | None:
    now, before = facts.headcount.reporting, facts.usual_reporting
    if stopped_at(facts) or before is None or not is_far_below(now, before):
        return None
    what = ngettext(
        "%(now)s instance has reported in the last 24 hours; on this day of the week it is usually %(usual)s.",
        "%(now)s instances have reported in the last 24 hours; on this day of the week it is usually %(usual)s.",
        now,
    )
    return Concern(
        "fewer_reports",
        Urgency.URGENT,
        what % {"now": exact(now), "usual": exact(round(before))},
        gettext("See what those have in common that are missing: a version, a system, a network, a day off."),
        (_instances(facts, gettext("The instances")),),
    )


def fewer_active(facts: Facts) -> Concern | None:
    now, before = facts.headcount.active, facts.usual_active
    if stopped_at(facts) or fewer_reports(facts) or before is None or not is_far_below(now, before):
        return None
    what = ngettext(
        "%(now)s instance is active; in the last weeks it was usually %(usual)s.",
        "%(now)s instances are active; in the last weeks it was usually %(usual)s.",
        now,
    )
    return Concern(
        "fewer_active",
        Urgency.URGENT,
        what % {"now": exact(now), "usual": exact(round(before))},
        gettext("Many have left the active window or the count. The history says what was excluded or revoked."),
        (
            Link(gettext("Who comes and goes"), _address(facts, "dashboard:lifecycle")),
            Link(gettext("History"), _address(facts, "dashboard:history")),
        ),
    )


def lost_metrics(facts: Facts) -> Concern | None:
    if not facts.lost:
        return None
    count = len(facts.lost)
    what = ngettext(
        "%(count)s metric comes from far fewer instances than a week ago: %(keys)s.",
        "%(count)s metrics come from far fewer instances than a week ago: %(keys)s.",
        count,
    )
    keys = ", ".join(_fall(one) for one in facts.lost[:NAMED_KEYS]) + (", …" if count > NAMED_KEYS else "")
    settings = reverse("admin:instances_application_change", args=[facts.application.pk])
    return Concern(
        "lost_metrics",
        Urgency.CHECK,
        what % {"count": exact(count), "keys": keys},
        _what_to_do_about_lost(facts.release),
        (
            Link(
                gettext("Its history"), f"{_address(facts, 'dashboard:metric')}?{urlencode({'key': facts.lost[0].key})}"
            ),
            Link(gettext("Versions"), _address(facts, "dashboard:versions")),
            Link(gettext("Settings"), settings, "instances.change_application"),
        ),
    )


def _what_to_do_about_lost(release: str) -> str:
    if release:
        return gettext(
            "%(version)s was released meanwhile. If it renamed or dropped that on purpose, hide the old key in the"
            " settings. Otherwise look at the code that sends it."
        ) % {"version": _named(release)}
    return gettext(
        "If a release renamed or dropped it on purpose, hide the old key in the settings. Otherwise look at the code"
        " that sends it."
    )


def removed_data(facts: Facts) -> Concern | None:
    count, example = facts.removed
    if not count:
        return None
    what = ngettext(
        "Personal data is sent under %(count)s key, and removed before it is stored: %(example)s.",
        "Personal data is sent under %(count)s keys, and removed before it is stored, such as %(example)s.",
        count,
    )
    return Concern(
        "removed_data",
        Urgency.CHECK,
        what % {"count": exact(count), "example": _named(example)},
        gettext("Have the application send a count or a category instead. If it is nothing personal, allow the key."),
        (Link(gettext("The keys"), f"{facts.application.get_absolute_url()}#flags"),),
    )


def uncounted_keys(facts: Facts) -> Concern | None:
    if not (facts.left_out or facts.uncounted.keys):
        return None
    return Concern(
        "uncounted_keys",
        Urgency.CHECK,
        _what_is_uncounted(facts),
        gettext("Send a few fixed keys with counts: none with an id, a name or a date in it, and no long texts."),
        (Link(gettext("The keys"), f"{facts.application.get_absolute_url()}#flags"),),
    )


def _what_is_uncounted(facts: Facts) -> str:
    if facts.left_out:
        what = ngettext(
            "Instances send too many different keys: %(count)s is not counted.",
            "Instances send too many different keys: %(count)s are not counted.",
            facts.left_out,
        )
        return what % {"count": exact(facts.left_out)}
    if not facts.uncounted.example:
        return gettext("Instances send snapshots with too many keys, and not all of them are counted.")
    what = ngettext(
        "What is sent under %(count)s key is too long, or too much, to be counted: %(example)s.",
        "What is sent under %(count)s keys is too long, or too much, to be counted, such as %(example)s.",
        facts.uncounted.keys,
    )
    return what % {"count": exact(facts.uncounted.keys), "example": _named(facts.uncounted.example)}


def conflicts(facts: Facts) -> Concern | None:
    if not facts.conflicts:
        return None
    what = ngettext(
        "In the last 7 days %(count)s instance was registered again with another key, which was refused.",
        "In the last 7 days %(count)s instances were registered again with another key, which was refused.",
        facts.conflicts,
    )
    return Concern(
        "conflicts",
        Urgency.CHECK,
        what % {"count": exact(facts.conflicts)},
        gettext(
            "As a rule it was restored or copied without its key: erase it here, and it can register anew. If it was"
            " not, somebody tries to pass for it, in vain."
        ),
        (Link(gettext("Which ones"), f"{_address(facts, 'dashboard:history')}?kind=conflict"),),
    )


def wrong_clocks(facts: Facts) -> Concern | None:
    count = facts.headcount.wrong_clocks
    if not count:
        return None
    what = ngettext(
        "The clock of %(count)s instance is wrong, and its reports are refused.",
        "The clocks of %(count)s instances are wrong, and their reports are refused.",
        count,
    )
    return Concern(
        "wrong_clocks",
        Urgency.CHECK,
        what % {"count": exact(count)},
        gettext(
            "Whoever runs them has to set the clock, by NTP at best. A client that makes up timestamps needs a fix."
        ),
        (Link(gettext("Which ones"), f"{_address(facts, 'dashboard:history')}?kind=wrong_clock"),),
    )


def no_token(facts: Facts) -> Concern | None:
    if not facts.lacks_token:
        return None
    make = f"{reverse('admin:instances_enrolmenttoken_add')}?application={facts.application.pk}"
    return Concern(
        "no_token",
        Urgency.CHECK,
        gettext("Nobody can register: it takes an enrolment token, and there is no valid one."),
        gettext("Its maintainers make one, and give it to whoever sets up an installation."),
        (Link(gettext("Make a token"), make, "instances.add_enrolmenttoken"),),
    )


def waiting(facts: Facts) -> Concern | None:
    count = facts.headcount.waiting
    if not count:
        return None
    what = ngettext(
        "%(count)s instance waits for approval, and counts nowhere until then.",
        "%(count)s instances wait for approval, and count nowhere until then.",
        count,
    )
    query = f"?application__id__exact={facts.application.pk}&awaits_approval__exact=1&state__exact=pending"
    approve = reverse("admin:instances_instance_changelist") + query
    return Concern(
        "waiting",
        Urgency.DECIDE,
        what % {"count": exact(count)},
        gettext("Approve those that you know, and revoke the others."),
        (
            Link(gettext("Look at them"), f"{facts.application.get_absolute_url()}?state=waiting#instances"),
            Link(gettext("Approve them"), approve, "instances.change_instance"),
        ),
    )


def unconfirmed(facts: Facts) -> Concern | None:
    if facts.application.is_confirmed:
        return None
    settings = reverse("admin:instances_application_change", args=[facts.application.pk])
    return Concern(
        "unconfirmed",
        Urgency.DECIDE,
        gettext("It came up by itself, when an instance registered under this name."),
        gettext("If you know it, look through its settings and save them; otherwise have it deleted."),
        (Link(gettext("Settings"), settings, "instances.change_application"),),
        permission="instances.change_application",
    )


RULES: list[Callable[[Facts], Concern | None]] = [
    stopped,
    fewer_reports,
    fewer_active,
    no_token,
    lost_metrics,
    removed_data,
    uncounted_keys,
    conflicts,
    wrong_clocks,
    waiting,
    unconfirmed,
]


def _address(facts: Facts, view: str) -> str:
    return reverse(view, args=[facts.application.slug])


def _instances(facts: Facts, label: str) -> Link:
    return Link(label, f"{facts.application.get_absolute_url()}#instances")


def _fall(one: Lost) -> str:
    return f"{_named(one.key)} ({exact(one.before)} → {exact(one.now)})"


def _named(key: str) -> str:
    """A key within a sentence: cut where it is long, and isolated, so that no mark in it turns the sentence around."""
    shown = key if len(key) <= LONGEST_NAMED else f"{key[: LONGEST_NAMED - 1]}…"
    return f"\u2068{shown}\u2069"
