"""Applications, their instances, and the keys that instances sign with."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import IntegrityError, models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.text import capfirst

from instances.enrolment import EnrolmentToken
from instances.exceptions import (
    EnrolmentRequired,
    NotAdmitted,
    RegistrationClosed,
    Replayed,
    TooManyApplications,
    UnknownApplication,
)
from instances.querysets import ApplicationQuerySet, EventQuerySet, InstanceQuerySet, PublicKeyQuerySet
from instances.slugs import MAX_LENGTH, slug_for

ESTABLISHED_AFTER = timedelta(hours=24)
BY_ITSELF = "by itself"
# Some rotate often; what they had long ago is of no use to anybody.
RETIRED_KEYS_KEPT = 100
ONE_LINE = RegexValidator(
    r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z", "Write one line of plain text, without tabs and line breaks."
)


class Application(models.Model):
    """A product whose installations are counted."""

    class Registration(models.TextChoices):
        OPEN = "open", "Open: everybody"
        APPROVAL = "approval", "Approval: a maintainer lets each instance in"
        TOKEN = "token", "Token: whoever has an enrolment token"
        CLOSED = "closed", "Closed: nobody"

    slug = models.SlugField(
        max_length=MAX_LENGTH,
        unique=True,
        help_text="In the address of its page and badges. Made of the name that its instances send.",
    )
    name = models.CharField(max_length=100)
    team = models.ForeignKey(
        Group,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="applications",
        help_text="The team whose members see and manage it. Without one, superusers alone do.",
    )
    active_days = models.PositiveSmallIntegerField(
        "active window (days)",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="An instance counts as active for so many days after its newest snapshot.",
    )
    report_minutes = models.PositiveIntegerField(
        "reporting interval (minutes)",
        default=60,
        validators=[MinValueValidator(1)],
        help_text="How often its instances are meant to report.",
    )
    excludes_ephemeral = models.BooleanField(
        "leave out short-lived instances",
        default=True,
        help_text="An instance that reported for less than 24 hours and has been silent for more than 48, as those of "
        "tests and trials are, is not counted. It is again once it has reported across 24 hours, or when this is off.",
    )
    test_environments = models.CharField(
        max_length=500,
        blank=True,
        help_text="Separated by commas, such as: test, staging, ci. Instances that report one of these environments "
        "are not counted, for as long as it stands here. Upper and lower case are the same. Empty: all are counted.",
    )
    publishes_badges = models.BooleanField(
        "publish badges", default=True, help_text="Anybody who knows the address can then see these figures."
    )
    latest_version = models.CharField(
        max_length=100,
        blank=True,
        validators=[ONE_LINE],
        help_text="Told to every instance in the answer to each snapshot, so that it can say if it is an old one.",
    )
    notice = models.CharField(
        max_length=500,
        blank=True,
        validators=[ONE_LINE],
        help_text="Told to every instance in the same way: plain text for those who run it.",
    )
    registration = models.CharField(
        max_length=10,
        choices=Registration,
        blank=True,
        help_text="Which new instances may register. Those that are known already go on, whatever stands here.",
    )
    is_confirmed = models.BooleanField(
        "confirmed",
        default=True,
        editable=False,
        help_text="Whether a person has made it or seen to it since it was made on first sight.",
    )
    was_used = models.BooleanField(
        default=False, editable=False, help_text="Whether an instance that had signed something has left it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        indexes = [
            # Read whenever an unknown application registers (how many of these are there?), and to forget them.
            models.Index(fields=["created_at"], condition=models.Q(is_confirmed=False), name="unconfirmed_applications")
        ]
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("dashboard:application", args=[self.slug])

    @classmethod
    def named(cls, name: str) -> Application:
        """The application that instances call `name`, created on first sight."""
        # Two first registrations at once: the unique slug lets one create it, and get_or_create finds it for the other.
        made_as = {"name": name, "is_confirmed": False}
        return cls.objects.get_or_create(slug=slug_for(name), defaults=made_as)[0]

    @classmethod
    def judge(cls, name: str, token: EnrolmentToken | None) -> Application | None:
        """The application that instances call `name`, None if it is still to be made. Raises NotAdmitted where it
        takes no new instance in. `token` is a valid one of this application."""
        application = cls.objects.filter(slug=slug_for(name)).first()
        if application is not None:
            check(application.policy, token)
            return application
        if settings.UNKNOWN_APPLICATIONS == "refuse":
            raise UnknownApplication
        check(settings.REGISTRATION, token)
        # Counted and then made, so those that ask at the same moment may all pass: a few more than the bound.
        if cls.objects.unconfirmed().count() >= settings.MAX_UNCONFIRMED_APPLICATIONS:
            raise TooManyApplications
        return None

    @classmethod
    def admitting(cls, name: str, token: EnrolmentToken | None) -> Application:
        """The application that instances call `name`, created on first sight. Raises as `judge` does."""
        application = cls.judge(name, token)
        if application is None:
            application = cls.named(name)
            # Somebody may have made it at this very moment, with a policy of its own.
            check(application.policy, token)
        return application

    @property
    def policy(self) -> str:
        """Who may register: what it says itself, else what the site says."""
        return self.registration or settings.REGISTRATION

    def get_policy_display(self) -> str:
        """The policy in a word, without its explanation."""
        return Application.Registration(self.policy).label.partition(":")[0]

    def lets_wait(self, token: EnrolmentToken | None) -> bool:
        """Whether a new instance has to be approved."""
        return self.policy == self.Registration.APPROVAL and token is None

    def confirm(self) -> None:
        """A person knows it: it counts against no bound any more, and is not forgotten."""
        if not self.is_confirmed:
            self.is_confirmed = True
            Application.objects.filter(pk=self.pk).update(is_confirmed=True)

    def keep(self) -> None:
        """An instance that has signed leaves it: it is not forgotten as one that nobody ever used."""
        Application.objects.filter(pk=self.pk, was_used=False, is_confirmed=False).update(was_used=True)

    def erase(self) -> None:
        """Deletes it with its instances and all that is theirs."""
        with transaction.atomic():
            # Locked first, for the reason that Instance.erase gives.
            list(self.instances.select_for_update().values_list("pk", flat=True))
            self.delete()

    def active_since(self, at: datetime) -> datetime:
        """The oldest time that a newest snapshot may have for its instance to be active at `at`."""
        return at - timedelta(days=self.active_days)


def check(policy: str, token: EnrolmentToken | None) -> None:
    """Raises NotAdmitted where this policy takes no new instance in."""
    if policy == Application.Registration.CLOSED:
        raise RegistrationClosed
    if policy == Application.Registration.TOKEN and token is None:
        raise EnrolmentRequired


class Instance(models.Model):
    """One installation of an application: what it is, how it is, and its latest metrics."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        ACTIVE = "active", "Active"
        REVOKED = "revoked", "Revoked"

    class Exclusion(models.TextChoices):
        EPHEMERAL = "ephemeral", "Ephemeral"
        TEST = "test", "Test"
        MANUAL = "manual", "By hand"

    # What an instance says of itself, by the names that the protocol and this model share.
    DESCRIPTION = ("app_version", "deployment_mode", "environment", "os_arch")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(Application, models.CASCADE, related_name="instances")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    exclusion = models.CharField(
        "excluded as", max_length=20, choices=Exclusion, blank=True, help_text="Why it is not counted, if it is not."
    )
    awaits_approval = models.BooleanField(
        "waits for approval",
        default=False,
        editable=False,
        help_text="It stays pending, whatever it signs, until a maintainer approves it.",
    )
    rules_apply = models.BooleanField(
        default=True, editable=False, help_text="Whether rules may exclude it: not since somebody counted it again."
    )

    app_version = models.CharField("version", max_length=100, blank=True)
    deployment_mode = models.CharField(max_length=100, blank=True)
    environment = models.CharField(max_length=100, blank=True)
    os_arch = models.CharField("system", max_length=100, blank=True)
    claims = models.JSONField(
        null=True,
        editable=False,
        help_text="What an unsigned registration has said of it since; holds once the instance signs an activation.",
    )

    refused_by = models.CharField(
        max_length=100,
        blank=True,
        editable=False,
        help_text="The application that it says to belong to since, and that has not taken it in.",
    )

    registered_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    excluded_at = models.DateTimeField(null=True, editable=False)
    first_report_at = models.DateTimeField(null=True, editable=False, help_text="Its oldest snapshot's timestamp.")
    last_report_at = models.DateTimeField(null=True, editable=False, help_text="Its newest snapshot's timestamp.")
    last_seen_at = models.DateTimeField(
        null=True, editable=False, help_text="When a new snapshot last arrived, by the server's clock."
    )
    returned_at = models.DateTimeField(
        null=True, editable=False, help_text="When it last reported again after it had not for the active window."
    )
    reported_version = models.CharField(
        max_length=100, blank=True, editable=False, help_text="The version that its newest snapshot was sent by."
    )
    wrong_clock_at = models.DateTimeField(
        null=True, editable=False, help_text="When it last sent a timestamp that is out of range."
    )
    metrics = models.JSONField(
        default=dict, editable=False, help_text="The newest snapshot's numbers, strings and booleans by flattened path."
    )

    objects = InstanceQuerySet.as_manager()

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
    def is_established(self) -> bool:
        """Has reported across 24 hours or more."""
        if self.first_report_at is None or self.last_report_at is None:
            return False
        return self.last_report_at - self.first_report_at >= ESTABLISHED_AFTER

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

    def activate(self) -> str:
        """The instance has signed: what was claimed in its name is confirmed, and it is active unless it waits for
        approval. Returns its state.

        One that has been erased at this very moment is taken for a revoked one.
        """
        signed = self.state == self.State.ACTIVE or (self.is_waiting and self.activated_at)
        if signed and self.claims is None:
            return self.state
        with transaction.atomic():
            # Locked, so that neither a revocation nor another activation of this moment is overwritten.
            instance = Instance.objects.select_for_update().filter(pk=self.pk).first()
            if instance is None or instance.state == self.State.REVOKED:
                return self.State.REVOKED
            changes = instance._settle(instance.claims) if instance.claims else []
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
        if claims.get("refused"):
            raise NotAdmitted  # When it asked. It asks again at its next start.
        application = Application.admitting(claims["app_name"], token)
        # Locked, so that it is not forgotten as an empty one at this very moment; or else it is made again.
        locked = Application.objects.select_for_update().filter(pk=application.pk).first()
        if self.activated_at:
            self.application.keep()
        before, self.application = self.application, locked or Application.named(claims["app_name"])
        self.events.update(application=self.application)  # Its history goes with it, to who is in charge of it now.
        self._wait(self.application.lets_wait(token), "by moving to another application")
        return f"Application: {said(before.name)} → {said(self.application.name)}"

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

    def approve(self) -> None:
        """Lets it in, if it waits: it counts from now on if it has ever signed anything, or else once it does."""
        with transaction.atomic():
            # Locked, so that a first signature of this very moment is seen.
            instance = Instance.objects.waiting().select_for_update().filter(pk=self.pk).first()
            if instance is None:
                return
            self.state = self.State.ACTIVE if instance.activated_at else self.State.PENDING
            self._decide(Event.Kind.APPROVED, timezone.now(), state=self.state, awaits_approval=False)
            self.application.confirm()

    def revoke(self) -> None:
        """Nothing that it signs is accepted any more, and it counts nowhere."""
        now = timezone.now()
        self._decide(Event.Kind.REVOKED, now, state=self.State.REVOKED, revoked_at=now)

    def restore(self) -> None:
        """Takes a revocation back."""
        counts = self.activated_at and not self.awaits_approval
        state = self.State.ACTIVE if counts else self.State.PENDING
        self._decide(Event.Kind.RESTORED, timezone.now(), state=state, revoked_at=None)

    def exclude(self, reason: str) -> None:
        """It keeps reporting, but is not counted, for the reason given (one of Exclusion)."""
        now = timezone.now()
        reason = self.Exclusion(reason)
        self._decide(Event.Kind.EXCLUDED, now, detail=reason, exclusion=reason, excluded_at=now)

    def include(self, *, by_rule: bool = False) -> None:
        """Takes an exclusion back. When a person does so it sticks: no rule excludes the instance any more."""
        rules_apply = self.rules_apply and by_rule
        self._decide(Event.Kind.INCLUDED, timezone.now(), exclusion="", excluded_at=None, rules_apply=rules_apply)

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
            self.note(Event.Kind.ACTIVATED)

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


class Event(models.Model):
    """One line in a fleet's history: what happened to one of its instances, and when. Never who or where from.

    What maintainers did they did by name: that is in the audit log.
    """

    class Kind(models.TextChoices):
        REGISTERED = "registered", "Registered"
        ACTIVATED = "activated", "Activated"
        CHANGED = "changed", "Changed"
        ROTATED = "rotated", "New key"
        WRONG_CLOCK = "wrong_clock", "Wrong clock"
        CONFLICT = "conflict", "Conflict"
        REVOKED = "revoked", "Revoked"
        RESTORED = "restored", "Restored"
        EXCLUDED = "excluded", "Excluded"
        INCLUDED = "included", "Counted again"
        WAITING = "waiting", "Waiting for approval"
        APPROVED = "approved", "Approved"
        ERASED = "erased", "Erased"

    # What maintainers and rules decide: censuses of past times are taken by it, so it stays as long as its instance.
    DECISIONS = (Kind.REVOKED, Kind.RESTORED, Kind.EXCLUDED, Kind.INCLUDED, Kind.WAITING, Kind.APPROVED)
    # What an instance, or anybody in its name, can cause as often as it likes: so many lines of each in 24 hours.
    MOST_A_DAY = {Kind.CHANGED: 10, Kind.ROTATED: 10, Kind.WRONG_CLOCK: 1, Kind.CONFLICT: 3}
    # And so many of all of an application's instances that erase themselves.
    MOST_ERASED_A_DAY = 100
    # What is forgotten after settings.KEEP_DAILY. The rest is bounded by the number of instances, or by people.
    PASSING = (*MOST_A_DAY, Kind.ERASED)

    application = models.ForeignKey(Application, models.CASCADE, related_name="events", db_index=False)
    # Without one for what has been erased: that line must not tell which it was.
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20, choices=Kind)
    detail = models.CharField(max_length=250, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            # The history of an application, newest first.
            models.Index(fields=["application", "at", "id"], name="events_in_order"),
            # The same for one kind, and the decisions that a replay reads.
            models.Index(fields=["application", "kind", "at", "id"], name="events_of_a_kind"),
        ]
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.detail}".strip()

    @property
    def short_id(self) -> str:
        return str(self.instance_id)[:8] if self.instance_id else ""

    @property
    def words(self) -> str:
        """The detail for people: the reason of an exclusion by its name."""
        names = dict(Instance.Exclusion.choices)
        return str(names.get(self.detail, self.detail)) if self.kind == self.Kind.EXCLUDED else self.detail

    @classmethod
    def note_erasure(cls, application: int, by: str) -> None:
        """Files that one of the application's instances was erased. By whom, in words, and not which."""
        today = cls.objects.filter(
            application=application, kind=cls.Kind.ERASED, at__gt=timezone.now() - timedelta(days=1)
        )
        # Registering and forgetting in a loop must not fill the table; what maintainers do is always worth a line.
        if by.startswith(BY_ITSELF) and today.count() >= cls.MOST_ERASED_A_DAY:
            return
        cls.objects.create(application_id=application, kind=cls.Kind.ERASED, detail=by)


class PublicKey(models.Model):
    """An Ed25519 key of an instance. At most one is current; those it had before stay listed."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="keys")
    hex = models.CharField("key", max_length=64, validators=[RegexValidator(r"\A[0-9a-f]{64}\Z")], editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    objects = PublicKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["instance"], condition=models.Q(retired_at=None), name="one_current_key_per_instance"
            ),
            # What has been retired does not come back.
            models.UniqueConstraint(fields=["instance", "hex"], name="each_key_once_per_instance"),
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """The first half of the key's SHA-256, in groups of four, to be compared by eye."""
        digest = hashlib.sha256(bytes.fromhex(self.hex)).hexdigest()
        return " ".join(digest[i : i + 4] for i in range(0, 32, 4))


class SpentBody(models.Model):
    """A signed body that has been accepted and is not accepted again, for as long as its timestamp would let it.

    By its hash alone and bound to no instance: it outlives one that is erased and registers anew with the same key.
    """

    digest = models.CharField(max_length=64, primary_key=True)  # The body's SHA-256.
    expires_at = models.DateTimeField(db_index=True)  # Past ones are swept by this index.

    def __str__(self) -> str:
        return self.digest

    @classmethod
    def spend(cls, body: bytes, expires_at: datetime) -> None:
        """Raises Replayed if it is spent already. Taken back if the caller's transaction is."""
        try:
            with transaction.atomic():
                cls.objects.create(digest=hashlib.sha256(body).hexdigest(), expires_at=expires_at)
        except IntegrityError as error:
            raise Replayed from error


class TurnedAway(models.Model):
    """The id of an instance that was revoked and then had itself erased: it cannot lift the revocation that way.

    A keyed hash, so that the id itself is gone.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    application = models.ForeignKey(Application, models.CASCADE, related_name="turned_away")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest

    @staticmethod
    def digest_of(instance_id: uuid.UUID) -> str:
        return salted_hmac("instances.TurnedAway", str(instance_id), algorithm="sha256").hexdigest()

    @classmethod
    def remember(cls, instance: Instance) -> None:
        cls.objects.get_or_create(
            digest=cls.digest_of(instance.pk), defaults={"application_id": instance.application_id}
        )

    @classmethod
    def includes(cls, instance_id: uuid.UUID) -> bool:
        return cls.objects.filter(digest=cls.digest_of(instance_id)).exists()


class RateBucket(models.Model):
    """What a limit needs to remember of one client: nothing that says who it is, and only for a short time."""

    key = models.CharField(max_length=64, primary_key=True)  # A salted hash; see throttling.
    arrival = models.FloatField(db_index=True)  # Seconds since the epoch; past ones are swept by this index.

    def __str__(self) -> str:
        return self.key


class Job(models.Model):
    """A piece of regular work (instances.jobs): when it is due next, and which worker has it in hand."""

    name = models.CharField(max_length=50, primary_key=True)
    due_at = models.DateTimeField(default=timezone.now)
    holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, help_text="Until then nobody but its holder may start it.")
    last_run_at = models.DateTimeField(null=True, help_text="When it last ended well.")
    last_error = models.CharField(max_length=500, blank=True, help_text="Why it last failed, if it did since.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, name: str, holder: str, now: datetime, lease: timedelta) -> bool:
        """Whether the job is due and is now `holder`'s. One statement, so that of two workers one is told yes."""
        # A holder finds its own lease only if it lost the database before it could say how the job ended.
        free = models.Q(lease_until=None) | models.Q(lease_until__lte=now) | models.Q(holder=holder)
        due = cls.objects.filter(free, name=name, due_at__lte=now)
        return due.update(holder=holder, lease_until=now + lease) == 1

    @classmethod
    def finish(cls, name: str, holder: str, *, due_at: datetime, ran_at: datetime | None, error: str = "") -> None:
        """Gives the job back, unless its lease has passed to another worker. `ran_at` is None when it failed."""
        job = cls.objects.filter(name=name, holder=holder)
        ran = {} if ran_at is None else {"last_run_at": ran_at}
        job.update(holder="", lease_until=None, due_at=due_at, last_error=error[:500], **ran)
