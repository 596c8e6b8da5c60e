"""What a maintainer may decide about one instance, and what is asked before it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.audit import Line
from instances.models import Instance
from instances.models.applications import ONE_LINE
from instances.personal import kind_of

Text = str | Promise
LONGEST_REASON = 200
CHANGE, DELETE = "instances.change_instance", "instances.delete_instance"


@dataclass(frozen=True)
class Decision:
    """`run` takes the instance and the reason that was given, "" for none. `done` goes into the audit log as it is, and
    translated to who has decided."""

    name: str
    title: Text
    consequences: list[Text]
    permission: str
    applies: Callable[[Instance], bool]
    run: Callable[[Instance, str], object]
    done: Line
    danger: bool = False

    @property
    def erases(self) -> bool:
        return self.permission == DELETE


DECISIONS = {
    decision.name: decision
    for decision in (
        Decision(
            "approve",
            _("Approve"),
            [
                _("It counts from now on, once it has signed anything."),
                _("For the time before it stays on file as one that waited."),
            ],
            CHANGE,
            lambda instance: instance.is_waiting,
            Instance.approve,
            Line.APPROVED,
        ),
        Decision(
            "include",
            _("Count it again"),
            [
                _("It is part of the fleet's numbers again, from now on."),
                _("No rule excludes it any more, as you have decided otherwise."),
            ],
            CHANGE,
            lambda instance: bool(instance.exclusion),
            Instance.include,
            Line.INCLUDED,
        ),
        Decision(
            "exclude",
            _("Exclude from the count"),
            [
                _("No number of the fleet counts it from now on. Past numbers stay as they are."),
                _("It keeps reporting, and can be looked at here."),
                _("It can be taken back at any time."),
            ],
            CHANGE,
            lambda instance: not instance.exclusion,
            lambda instance, why: instance.exclude(Instance.Exclusion.MANUAL, why),
            Line.EXCLUDED,
        ),
        Decision(
            "restore",
            _("Restore"),
            [_("What it signs is accepted again, and it counts as soon as it reports.")],
            CHANGE,
            lambda instance: instance.state == Instance.State.REVOKED,
            Instance.restore,
            Line.RESTORED,
        ),
        Decision(
            "revoke",
            _("Revoke"),
            [
                _("Nothing that it signs is accepted any more: its reports are refused, and its operator is told so."),
                _("No number counts it from now on. What it has reported so far stays."),
                _("It can be taken back at any time; what was refused meanwhile is lost."),
            ],
            CHANGE,
            lambda instance: instance.state != Instance.State.REVOKED,
            Instance.revoke,
            Line.REVOKED,
            danger=True,
        ),
        Decision(
            "erase",
            _("Erase"),
            [
                _("All of its snapshots, its keys and its history are deleted."),
                _("Numbers of the past, which name no instance, stay as they are."),
                _("If its software still runs, it registers anew at its next start. To keep it out, revoke it."),
                _("It cannot be taken back."),
            ],
            DELETE,
            lambda instance: True,
            lambda instance, why: instance.erase(),  # The line that is left must not tell which it was: a reason might.
            Line.ERASED,
            danger=True,
        ),
    )
}


def offered(instance: Instance, user: AbstractBaseUser | AnonymousUser) -> list[Decision]:
    """Those that make sense now, and that the user may take."""
    decisions = [decision for decision in DECISIONS.values() if decision.applies(instance)]
    return [decision for decision in decisions if user.has_perm(decision.permission)]  # type: ignore[union-attr]


class DecisionForm(forms.Form):
    """Why, and of an erasure also that it is meant."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        required=False,
        validators=[ONE_LINE],
        widget=forms.TextInput(attrs={"class": "shm-input", "autocomplete": "off", "maxlength": LONGEST_REASON}),
    )

    def __init__(self, decision: Decision, instance: Instance, data: Any = None) -> None:
        super().__init__(data)
        self.instance = instance
        self.fields["reason"].help_text = (
            _("Optional, for those who come after you. It goes into the audit log alone: nothing else is left of it.")
            if decision.erases
            else _(
                "Optional, for those who come after you. It goes into the audit log and into the history of the "
                "instance, which its operator can ask for. No names or addresses, please."
            )
        )
        if decision.erases:
            self.fields["confirmation"] = forms.CharField(
                label=_("The first eight characters of its id"),
                help_text=_("To make sure that it is this one: %(id)s") % {"id": instance.short_id},
                error_messages={"required": self._not_this()},
                widget=forms.TextInput(
                    attrs={"class": "shm-input shm-mono", "autocomplete": "off", "spellcheck": "false"}
                ),
            )

    def _not_this(self) -> str:
        return gettext("Nothing was erased. Type %(id)s here to erase this instance.") % {"id": self.instance.short_id}

    def clean_reason(self) -> str:
        reason: str = " ".join(self.cleaned_data["reason"].split())
        # Whatever is kept of an instance is free of personal data, and so is what people write about it.
        kind = kind_of(reason)
        if kind is not None:
            raise ValidationError(
                gettext("This looks as if it held personal data (%(kind)s), which no history keeps. Leave that out.")
                % {"kind": kind.words}
            )
        return reason

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"].strip().lower()
        # The whole id is as good, for who has copied it.
        if typed not in (self.instance.short_id, str(self.instance.pk)):
            raise ValidationError(self._not_this())
        return typed
