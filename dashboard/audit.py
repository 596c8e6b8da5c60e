"""The audit log: every line that the site itself files, which of them a stored one is, and how it is told to people.

Lines are filed in English, as all that is kept, and told in the language of who reads them. What Django's admin files
of its own forms is told by Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.utils.translation import gettext, gettext_noop

from metrics.models import MetricSetting

# What a decision was taken for stands after its line, in the words of who has taken it.
REASON = gettext_noop("%(line)s Reason: %(reason)s")
BY_ITS_NAME = gettext_noop("as by its name")


class Line(StrEnum):
    """One that is not here cannot be filed."""

    APPROVED = gettext_noop("Approved: it counts once it has signed anything.")
    INCLUDED = gettext_noop("Included: it is counted again.")
    EXCLUDED = gettext_noop("Excluded: it keeps reporting, but is not counted.")
    RESTORED = gettext_noop("Restored: its snapshots are accepted again.")
    REVOKED = gettext_noop("Revoked: nothing it signs is accepted any more.")
    ERASED = gettext_noop("Erased, with all its snapshots and keys.")

    # Of several at once.
    SHORT_APPROVED = gettext_noop("Approved")
    SHORT_INCLUDED = gettext_noop("Included")
    SHORT_EXCLUDED = gettext_noop("Excluded")
    SHORT_RESTORED = gettext_noop("Restored")
    SHORT_REVOKED = gettext_noop("Revoked")
    CONFIRMED = gettext_noop("Confirmed")

    KEY_KEPT = gettext_noop("What is sent under %(key)s is kept from now on.")
    KEY_CHECKED = gettext_noop("What is sent under %(key)s is checked from now on.")

    METRIC_SETTINGS = gettext_noop("Metric settings: %(changes)s.")

    RELEASED = gettext_noop("%(version)s was released on %(date)s UTC.")
    RELEASE_HIDDEN = gettext_noop("Release %(version)s: hide.")
    RELEASE_SHOWN = gettext_noop("Release %(version)s: show.")
    RELEASE_RESET = gettext_noop("Release %(version)s: reset.")

    VIEW_SAVED = gettext_noop("The view “%(name)s” is saved.")
    VIEW_REPLACED = gettext_noop("The view “%(name)s” is replaced by this one.")
    VIEW_RENAMED = gettext_noop("The view “%(before)s” is called “%(name)s” now.")
    VIEW_DELETED = gettext_noop("The view “%(name)s” is deleted.")
    VIEW_IS_DEFAULT = gettext_noop("The page begins with the view “%(name)s”.")
    VIEW_IS_NO_DEFAULT = gettext_noop("The page does not begin with “%(name)s” any more.")

    TWO_FACTOR_SET_UP = gettext_noop("Set up two-factor sign-in.")
    TWO_FACTOR_OFF = gettext_noop("Turned off two-factor sign-in.")
    CODES_RENEWED = gettext_noop("Made new recovery codes.")
    RECOVERY_CODE_USED = gettext_noop("Signed in with a recovery code.")
    PASSWORD_CHANGED = gettext_noop("Changed their password.")

    def told(self, **names: str) -> str:
        """In the language of who is told. Texts without names may have percent signs, and none is a placeholder."""
        return gettext(self.value) % names


def note(
    by: Any,
    objects: Iterable[Model],
    line: Line,
    names: Mapping[str, str] = MappingProxyType({}),
    *,
    reason: str = "",
    flag: int = CHANGE,
) -> None:
    """Files the line for each of the objects, in English. `by` is who did it: a user that is signed in."""
    text = line.value % dict(names)
    filed = REASON % {"line": text, "reason": reason} if reason else text
    for each in objects:
        LogEntry.objects.log_actions(int(by.pk or 0), [each], flag, filed, single_object=True)


def in_words(filed: str) -> str:
    """A stored line in the language of the page; as it is, if the site has never filed such a one."""
    whole, _, reason = filed.partition(" Reason: ")
    if reason and whole in _of_decisions():
        return gettext(REASON) % {"line": gettext(whole), "reason": reason}
    for line in Line:
        if found := _pattern(line).fullmatch(filed):
            names = found.groupdict()
            if line is Line.METRIC_SETTINGS:
                names["changes"] = _changes_in_words(names["changes"])
            return line.told(**names)
    return filed


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """What was filed by a text, whatever its placeholders were."""
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)), re.DOTALL)


@cache
def _of_decisions() -> set[str]:
    return {line.value for line in Line if "%" not in line.value}


def _changes_in_words(changes: str) -> str:
    """Of "documents (label, unit), app_users (hidden)" what is in parentheses. The keys are the application's own."""
    fields = MetricSetting.SAID
    named = {name: str(MetricSetting._meta.get_field(name).verbose_name) for name in fields}  # type: ignore[union-attr]
    known = "|".join(fields)
    in_parentheses = re.compile(rf" \(({BY_ITS_NAME}|(?:{known})(?:, (?:{known}))*)\)(?=, |$)")

    def told(found: re.Match[str]) -> str:
        names = [gettext(BY_ITS_NAME)] if found[1] == BY_ITS_NAME else [named[name] for name in found[1].split(", ")]
        return f" ({', '.join(names)})"

    return in_parentheses.sub(told, changes)
