"""What needs a look, of everything that somebody sees: by application, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from dashboard.concerns import Concern, Link, Urgency, concerns
from dashboard.numbers import exact
from instances.jobs import failing, why_late
from instances.models import Application
from metrics.facts import Facts
from metrics.facts import facts as gather

# So many groups stand open; the rest would push the numbers out of sight.
GROUPS_SHOWN = 5
# So many applications that came up by themselves are listed each; of more the admin has a list.
UNCONFIRMED_LISTED = 1

# In the place of a permission, for what is of no team.
SUPERUSER = "superuser"
# What an application's own page lists key by key.
ON_ITS_PAGE = {"removed_data", "uncounted_keys"}

User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True)
class Group:
    """What needs a look of one application, or of the site where there is none."""

    application: Application | None
    concerns: list[Concern]

    @property
    def urgency(self) -> Urgency:
        return self.concerns[0].urgency


@dataclass(frozen=True)
class Attention:
    """`groups` in order."""

    groups: list[Group]

    @property
    def count(self) -> int:
        return sum(len(group.concerns) for group in self.groups)

    @property
    def shown(self) -> list[Group]:
        return self.groups[:GROUPS_SHOWN]

    @property
    def folded(self) -> list[Group]:
        return self.groups[GROUPS_SHOWN:]


def of_application(application: Application, user: User, at: datetime) -> Attention:
    """For its own page, which has something to say of the site as well only where every page has; and of flagged keys,
    with what can be done about each."""
    facts = gather([application], at)[application.pk]
    found = _seen_by(user, [concern for concern in concerns(facts) if concern.rule not in ON_ITS_PAGE])
    return Attention([Group(application, found)] if found else [])


def of_all(facts: Iterable[Facts], user: User, at: datetime) -> Attention:
    """For the overview: of the site, and of all these applications."""
    groups = [Group(one.application, _seen_by(user, concerns(one))) for one in facts]
    new = [group.application for group in groups for concern in group.concerns if concern.rule == "unconfirmed"]
    site = _site(user, at)
    if len(new) > min(UNCONFIRMED_LISTED, settings.MAX_UNCONFIRMED_APPLICATIONS - 1):
        site.append(_unconfirmed(len(new)))
        groups = [_without(group, "unconfirmed") for group in groups]
    filled = [group for group in [Group(None, _sorted(_seen_by(user, site))), *groups] if group.concerns]
    # Python's sorting keeps the order of equals, so that the site stands first among them.
    return Attention(sorted(filled, key=lambda group: -group.urgency))


def _site(user: User, at: datetime) -> list[Concern]:
    found = []
    if late := why_late(at):
        found.append(_late(late))
    if failed := failing(at):
        found.append(_failing(failed))
    return found


def _late(why: str) -> Concern:
    what, _, do = why.partition(". ")
    return Concern("late", Urgency.URGENT, f"{what}.", do, (_jobs(),))


def _failing(failed: list[tuple[str, str]]) -> Concern:
    what = ngettext(
        "%(count)s piece of regular work fails each time: %(name)s (%(error)s).",
        "%(count)s pieces of regular work fail each time, such as %(name)s (%(error)s).",
        len(failed),
    )
    name, error = failed[0]
    return Concern(
        "failing",
        Urgency.URGENT,
        what % {"count": exact(len(failed)), "name": name, "error": error},
        gettext("The worker's log says where it fails. Until then what depends on it gets old, or is never deleted."),
        (_jobs(),),
        permission=SUPERUSER,
    )


def _unconfirmed(count: int) -> Concern:
    what = ngettext(
        "%(count)s application came up by itself, when an instance registered under its name.",
        "%(count)s applications came up by themselves, when instances registered under their names.",
        count,
    )
    do = gettext("Confirm those that you know, and have the others deleted.")
    if count >= settings.MAX_UNCONFIRMED_APPLICATIONS:
        do = gettext("No further ones are taken in. Confirm those that you know, and have the others deleted.")
    url = f"{reverse('admin:instances_application_changelist')}?is_confirmed__exact=0"
    links = (Link(gettext("The list"), url),)
    return Concern("unconfirmed", Urgency.DECIDE, what % {"count": exact(count)}, do, links)


def _jobs() -> Link:
    return Link(gettext("Regular work"), reverse("admin:instances_job_changelist"), SUPERUSER)


def _seen_by(user: User, found: list[Concern]) -> list[Concern]:
    """What the user may know of, with the links that lead the user anywhere."""
    return [
        replace(concern, links=tuple(link for link in concern.links if _may(user, link.permission)))
        for concern in found
        if _may(user, concern.permission)
    ]


def _may(user: User, permission: str) -> bool:
    if permission == SUPERUSER:
        return bool(user.is_active and getattr(user, "is_superuser", False))
    return not permission or bool(user.has_perm(permission))  # type: ignore[union-attr]


def _without(group: Group, rule: str) -> Group:
    return Group(group.application, [concern for concern in group.concerns if concern.rule != rule])


def _sorted(found: list[Concern]) -> list[Concern]:
    return sorted(found, key=lambda concern: -concern.urgency)
