"""Instances: what each is, how it is, and all that can become of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from instances.enrolment import EnrolmentToken
from instances.exceptions import NotAdmitted
from instances.models.applications import Application
from instances.models.events import Event, exclusion_detail
from instances.models.keys import PublicKey
from instances.querysets import InstanceQuerySet
from instances.slugs import slug_for

# Some rotate often; what they had long ago is of no use to anybody.
RETIRED_KEYS_KEPT = 100


class Instance(models.Model):
    """One installation of an application: what it is, how it is, and its latest metrics."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACTIVE = "active", _("Active")
        REVOKED = "revoked", _("Revoked")

    class Exclusion(models.TextChoices):
        EPHEMERAL = "ephemeral", _("Ephemeral")
        TEST = "test", _("Test")
        MANUAL = "manual", _("By hand")

    # What an instance says of itself, by the names that the protocol and this model share.
    DESCRIPTION = ("app_version", "deployment_mode", "environment", "os_arch")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application, models.CASCADE, verbose_name=_("application"), related_name="instances"
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    exclusion = models.CharField(
        _("excluded as"),
        max_length=20,
        choices=Exclusion,
        blank=True,
        help_text=_("Why it is not counted, if it is not."),
    )
    awaits_approval = models.BooleanField(
        _("waits for approval"),
        default=False,
        editable=False,
        help_text=_("It stays pending, whatever it signs, until a maintainer approves it."),
    )
    rules_apply = models.BooleanField(
        default=True, editable=False, help_text=_("Whether rules may exclude it: not since somebody counted it again.")
    )

    app_version = models.CharField(_("version"), max_length=100, blank=True)
    deployment_mode = models.CharField(_("deployment mode"), max_length=100, blank=True)
    environment = models.CharField(_("environment"), max_length=100, blank=True)
    os_arch = models.CharField(_("system"), max_length=100, blank=True)
    claims = models.JSONField(
        null=True,
        editable=False,
        help_text=_("What an unsigned registration has said of it since; holds once the instance signs an activation."),
    )

    refused_by = models.CharField(
        _("refused by"),
        max_length=100,
        blank=True,
        editable=False,
        help_text=_("The application that it says to belong to since, and that has not taken it in."),
    )

    registered_at = models.DateTimeField(_("registered at"), default=timezone.now, editable=False)
    activated_at = models.DateTimeField(_("activated at"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)
    excluded_at = models.DateTimeField(_("excluded at"), null=True, editable=False)
    first_report_at = models.DateTimeField(
        _("first report at"), null=True, editable=False, help_text=_("Its oldest snapshot's timestamp.")
    )
    last_report_at = models.DateTimeField(
        _("last report at"), null=True, editable=False, help_text=_("Its newest snapshot's timestamp.")
    )
    last_seen_at = models.DateTimeField(
        _("last seen at"),
        null=True,
        editable=False,
        help_text=_("When a new snapshot last arrived, by the server's clock."),
    )
    returned_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When it last reported again after it had not for the active window.")
    )
    reported_version = models.CharField(
        max_length=100, blank=True, editable=False, help_text=_("The version that its newest snapshot was sent by.")
    )
    wrong_clock_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When it last sent a timestamp that is out of range.")
    )
    metrics = models.JSONField(
        default=dict,
        editable=False,
        help_text=_("The newest snapshot's numbers, strings and booleans by flattened path."),
    )

    objects = InstanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")

    # Deliberately no index on what a snapshot changes: without one PostgreSQL updates the row in place (HOT), and a
    # page reads all rows of its application anyway.

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("dashboard:instance", args=[self.pk])

    @property
    def short_id(self) -> str:
        return str(self.pk)[:8]

    @property
    def current_key(self) -> PublicKey | None:
        return self.keys.current().first()

    @property
    def is_waiting(self) -> bool:
        """Whether a maintainer has to approve it before it counts."""
        return self.awaits_approval and self.state == self.State.PENDING

    def claim(self, application_name: str, description: dict[str, str], token: EnrolmentToken | None = None) -> None:
        """Keeps what an unsigned registration says of the instance, until the instance itself confirms it.

        Of a valid enrolment token it keeps which one that was; of an application that does not take it in, that it
        is to stay where it is. Neither is the stranger's affair who may have sent it: no refusal is raised.
        """
        claims: dict[str, Any] = {"app_name": application_name, **description}
        moves = slug_for(application_name) != self.application.slug
        if token and (moves or self.awaits_approval):
            claims["token"] = token.pk
        if moves and not _is_admitted(application_name, token):
            claims["refused"] = True
        # What a refusal has left behind has to be taken back as well.
        known = {name: getattr(self, name) for name in self.DESCRIPTION}
        nothing_new = description == known and not (moves or self.refused_by or "token" in claims)
        wanted = None if nothing_new else claims
        if wanted != self.claims:
            self._write(claims=wanted)

    def activate(self, *, confirms: bool = True) -> str:
        """The instance has signed: it is active unless it waits for approval, and what was claimed in its name holds,
        if it `confirms` that. Returns its state.

        One that has been erased at this very moment is taken for a revoked one.
        """
        signed = self.state == self.State.ACTIVE or (self.is_waiting and self.activated_at)
        if signed and (self.claims is None or not confirms):
            return self.state
        with transaction.atomic():
            # Locked, so that neither a revocation nor another activation of this moment is overwritten.
            instance = Instance.objects.select_for_update().filter(pk=self.pk).first()
            if instance is None or instance.state == self.State.REVOKED:
                return self.State.REVOKED
            changes = instance._settle(instance.claims) if instance.claims and confirms else []
            instance.prove(timezone.now())
            instance.save(
                update_fields=[
                    "application",
                    "state",
                    "awaits_approval",
                    "activated_at",
                    "claims",
                    "refused_by",
                    *self.DESCRIPTION,
                ]
            )
            for change in changes:
                instance.note(Event.Kind.CHANGED, change)
        return instance.state

    def prove(self, now: datetime) -> None:
        """It has signed something, so it is active, unless it waits for approval. The caller locks and saves."""
        if self.activated_at is None:
            self.activated_at = now
            self.note_activation()
        self.state = self.State.PENDING if self.awaits_approval else self.State.ACTIVE

    def _settle(self, claims: dict[str, Any]) -> list[str]:
        """It is as was claimed, so far as the application that was named takes it in. The caller locks and saves.

        Returns what that changes, in words: "Version: 1.0 → 1.1".
        """
        changes = self._describe(claims)
        self.claims, self.refused_by = None, ""
        slug = slug_for(claims["app_name"])
        # Asked for again: it may have been revoked since, and the application's policy may be another one.
        token = EnrolmentToken.objects.valid().of(slug).filter(pk=claims.get("token", 0)).first()
        try:
            if slug != self.application.slug:
                changes.append(self._move(claims, token))
            elif self.awaits_approval and token:
                self._wait(False, "by an enrolment token")
            else:
                return changes
        except NotAdmitted:
            self.refused_by = claims["app_name"]
        else:
            if token:
                token.count_use()
        return changes

    def _describe(self, claims: dict[str, Any]) -> list[str]:
        names = {field.name: capfirst(str(field.verbose_name)) for field in self._meta.local_fields}
        changes = []
        for name in self.DESCRIPTION:
            if (before := getattr(self, name)) != claims[name]:
                changes.append(f"{names[name]}: {said(before)} → {said(claims[name])}")
                setattr(self, name, claims[name])
        return changes

    def _move(self, claims: dict[str, Any], token: EnrolmentToken | None) -> str:
        # Refused when it asked. It asks again at its next start.
        if claims.get("refused") or self._moves_too_often():
            raise NotAdmitted
        before, self.application = self.application, self._lock_with(claims["app_name"], token)
        if self.activated_at:
            before.keep()
        self.events.update(application=self.application)  # Its history goes with it, to who is in charge of it now.
        self._wait(self.application.lets_wait(token), "by moving to another application")
        return f"Application: {said(before.name)} → {said(self.application.name)}"

    def _lock_with(self, name: str, token: EnrolmentToken | None) -> Application:
        """The application that instances call `name`, created on first sight, locked together with its own."""
        while True:
            wanted = Application.admitting(name, token)
            # Locked, so that the new one is not forgotten as an empty one at this very moment; and both in one order,
            # so that two that change places cannot wait for each other.
            with transaction.atomic():
                both = Application.objects.filter(pk__in=[self.application_id, wanted.pk]).order_by("pk")
                locked = {application.pk: application for application in both.select_for_update(no_key=True)}
                if wanted.pk in locked:
                    return locked[wanted.pk]
                # It has just been erased. Its own is given back before another is made: whoever makes that at the
                # same moment may wait for it.
                transaction.set_rollback(True)

    def _moves_too_often(self) -> bool:
        moves = self.events.filter(kind__in=(Event.Kind.WAITING, Event.Kind.APPROVED))
        return moves.filter(at__gt=timezone.now() - timedelta(days=1)).count() >= Event.MOST_MOVES_A_DAY

    def _wait(self, waits: bool, detail: str) -> None:
        """Begins or ends its waiting for approval, which the count of a past time has to know."""
        if waits != self.awaits_approval:
            self.awaits_approval = waits
            kind = Event.Kind.WAITING if waits else Event.Kind.APPROVED
            Event.objects.create(application=self.application, instance=self, kind=kind, detail=detail)

    def rotate(self, public_key: str) -> bool:
        """Puts a new key (64 lower-case hex digits) in the current one's place. Called with its row locked.

        Returns False, and changes nothing, when it is one that the instance has or has had.
        """
        if self.keys.filter(hex=public_key).exists():
            return False
        now = timezone.now()
        retired = self.current_key
        self.keys.current().update(retired_at=now)
        key = self.keys.create(hex=public_key, created_at=now)
        kept = self.keys.exclude(retired_at=None).order_by("-retired_at", "-pk")[:RETIRED_KEYS_KEPT]
        self.keys.exclude(retired_at=None).exclude(pk__in=[old.pk for old in kept]).delete()
        self.note(Event.Kind.ROTATED, f"{key.fingerprint}, in place of {retired.fingerprint if retired else 'none'}")
        return True

    # What people decide may come with a text that says why, for those who come after them: into the event it goes.

    def approve(self, why: str = "") -> None:
        """Lets it in, if it waits: it counts from now on if it has ever signed anything, or else once it does."""
        with transaction.atomic():
            # Locked, so that a first signature of this very moment is seen.
            instance = Instance.objects.waiting().select_for_update().filter(pk=self.pk).first()
            if instance is None:
                return
            self.state = self.State.ACTIVE if instance.activated_at else self.State.PENDING
            self._decide(Event.Kind.APPROVED, timezone.now(), why, state=self.state, awaits_approval=False)
            self.application.confirm()

    def revoke(self, why: str = "") -> None:
        """Nothing that it signs is accepted any more, and it counts nowhere."""
        now = timezone.now()
        self._decide(Event.Kind.REVOKED, now, why, state=self.State.REVOKED, revoked_at=now)

    def restore(self, why: str = "") -> None:
        """Takes a revocation back."""
        counts = self.activated_at and not self.awaits_approval
        state = self.State.ACTIVE if counts else self.State.PENDING
        self._decide(Event.Kind.RESTORED, timezone.now(), why, state=state, revoked_at=None)

    def exclude(self, reason: str, why: str = "") -> None:
        """It keeps reporting, but is not counted, for the reason given (one of Exclusion)."""
        now = timezone.now()
        reason = self.Exclusion(reason)
        detail = exclusion_detail(reason, why)
        self._decide(Event.Kind.EXCLUDED, now, detail, exclusion=reason, excluded_at=now)

    def include(self, why: str = "", *, by_rule: bool = False) -> None:
        """Takes an exclusion back. When a person does so it sticks: no rule excludes the instance any more."""
        rules_apply = self.rules_apply and by_rule
        self._decide(Event.Kind.INCLUDED, timezone.now(), why, exclusion="", excluded_at=None, rules_apply=rules_apply)

    def _decide(self, kind: str, at: datetime, detail: str = "", **fields: Any) -> None:
        """Writes what was decided, and the event by which the count of a past time knows of it."""
        with transaction.atomic():
            self._write(**fields)
            self.note(kind, detail, at)

    def erase(self, by: str = "by a maintainer") -> None:
        """Deletes it with its keys, events and snapshots. One line in its application's history says that it was."""
        with transaction.atomic():
            # Locked first: a snapshot that arrives meanwhile waits and then finds nothing to belong to, instead of
            # slipping in between the deletion of the snapshots and that of the instance.
            erased = Instance.objects.select_for_update().filter(pk=self.pk).first()
            if erased and erased.activated_at:
                self.application.keep()
            self.delete()
            if erased is not None:
                Event.note_erasure(erased.application_id, by)

    def mark_wrong_clock(self, said_to_be: datetime | None = None) -> None:
        """It has sent a timestamp that is out of range: the one given."""
        self._write(wrong_clock_at=timezone.now())
        self.note(
            Event.Kind.WRONG_CLOCK, f"it sent {said_to_be.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if said_to_be else ""
        )

    def note(self, kind: str, detail: str = "", at: datetime | None = None) -> None:
        """Files one line of its history, unless there are as many of the kind today as are worth keeping."""
        most = Event.MOST_A_DAY.get(Event.Kind(kind))
        if most is not None:
            today = self.events.filter(kind=kind, at__gt=timezone.now() - timedelta(days=1))
            # Two at once may both find a place for one, and one line too many is kept: no harm.
            if today.count() >= most:
                return
        with transaction.atomic():
            # Locked, so that it can neither be erased nor change its application before the line is filed.
            mine = Instance.objects.select_for_update().filter(pk=self.pk)
            for application in mine.values_list("application", flat=True):
                Event.objects.create(
                    application_id=application, instance=self, kind=kind, detail=detail, at=at or timezone.now()
                )

    def note_activation(self) -> None:
        """Files that it has proved to hold its key, once. Called with its row locked, so that two do not."""
        if not self.events.filter(kind=Event.Kind.ACTIVATED).exists():
            # Of the application that it is in by now: its row, which `note` asks, may still say the one before.
            Event.objects.create(application_id=self.application_id, instance=self, kind=Event.Kind.ACTIVATED)

    def _write(self, **values: Any) -> None:
        """Like save(update_fields=...), but no error when the instance has been erased at this very moment."""
        for name, value in values.items():
            setattr(self, name, value)
        Instance.objects.filter(pk=self.pk).update(**values)


def said(value: str) -> str:
    """What an instance says of itself, in one line."""
    return " ".join(value.split()) or "(not said)"


def _is_admitted(application_name: str, token: EnrolmentToken | None) -> bool:
    try:
        Application.judge(application_name, token)
    except NotAdmitted:
        return False
    return True
