"""What the detail of an event says, in the reader's language.

Details are filed in English, so that a history reads the same however long it is kept and whoever exports it. What the
server itself has put into words is known by its shape and translated here; what instances said of themselves is not.
"""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

NOT_SAID = "(not said)"

_WORDS: dict[str, Promise] = {
    "by itself": _("by itself"),
    "by itself, while it was revoked": _("by itself, while it was revoked"),
    "by a maintainer": _("by a maintainer"),
    "by an enrolment token": _("by an enrolment token"),
    "by moving to another application": _("by moving to another application"),
    NOT_SAID: _("(not said)"),
    "Version": _("Version"),
    "Deployment mode": _("Deployment mode"),
    "Environment": _("Environment"),
    "System": _("System"),
    "Application": _("Application"),
}
_SHAPES: list[tuple[re.Pattern[str], Promise]] = [
    (re.compile(r"it sent (?P<time>[\d: -]+) UTC"), _("it sent %(time)s UTC")),
    (re.compile(r"(?P<new>[0-9a-f ]+), in place of (?P<old>[0-9a-f ]+)"), _("%(new)s, in place of %(old)s")),
    (
        re.compile(r"somebody registered its id with the key (?P<key>[0-9a-f ]+)"),
        _("somebody registered its id with the key %(key)s"),
    ),
]
# "Version: 1.0 → 1.1". What stands after the colon is the instance's own.
_FIELD = re.compile(r"(?P<name>Version|Deployment mode|Environment|System|Application): (?P<values>.*)", re.DOTALL)


def in_words(detail: str) -> str:
    """The detail in the language of the page; as it was filed if it has none of the known shapes."""
    if detail in _WORDS:
        return str(_WORDS[detail])
    for shape, message in _SHAPES:
        if found := shape.fullmatch(detail):
            return str(message) % found.groupdict()
    if found := _FIELD.fullmatch(detail):
        values = " → ".join(
            str(_WORDS[NOT_SAID]) if value == NOT_SAID else value for value in found["values"].split(" → ")
        )
        return gettext("%(name)s: %(values)s") % {"name": _WORDS[found["name"]], "values": values}
    return detail
