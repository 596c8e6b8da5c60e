"""Applications: what is tracked, and who may join."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import OperationalError, models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from psycopg.errors import LockNotAvailable

from instances.enrolment import EnrolmentToken
from instances.exceptions import (
    EnrolmentRequired,
    RegistrationClosed,
    TooManyApplications,
    UnknownApplication,
)
from instances.querysets import ApplicationQuerySet
from instances.slugs import MAX_LENGTH, slug_for

ONE_LINE = RegexValidator(
    r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z", _("Write one line of plain text, without tabs and line breaks.")
)

# An instance that has missed so many reports is quiet, but none that has reported in the last two days.
QUIET_INTERVALS = 3
QUIET_AFTER = timedelta(hours=48)


class Application(models.Model):
    """A product whose installations are counted."""

    class Registration(models.TextChoices):
        OPEN = "open", _("Open: everybody")
        APPROVAL = "approval", _("Approval: a maintainer lets each instance in")
        TOKEN = "token", _("Token: whoever has an enrolment token")
        CLOSED = "closed", _("Closed: nobody")

    slug = models.SlugField(
        _("slug"),
        max_length=MAX_LENGTH,
        unique=True,
        help_text=_("In the address of its page and badges. Made of the name that its instances send."),
    )
    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey(
        Group,
        models.SET_NULL,
        verbose_name=_("team"),
        null=True,
        blank=True,
        related_name="applications",
        help_text=_("The team whose members see and manage it. Without one, superusers alone do."),
    )
    active_days = models.PositiveSmallIntegerField(
        _("active window (days)"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("An instance counts as active for so many days after its newest snapshot."),
    )
    report_minutes = models.PositiveIntegerField(
        _("reporting interval (minutes)"),
        default=60,
        validators=[MinValueValidator(1)],
        help_text=_("How often its instances are meant to report."),
    )
    excludes_ephemeral = models.BooleanField(
        _("leave out short-lived instances"),
        default=True,
        help_text=_(
            "An instance that reported for less than 24 hours and has been silent for more than 48, as "
            "those of tests and trials are, is not counted. It is again once it has reported across 24 hours, or when "
            "this is off."
        ),
    )
    test_environments = models.CharField(
        _("test environments"),
        max_length=500,
        blank=True,
        help_text=_(
            "Separated by commas, such as: test, staging, ci. Instances that report one of these environments "
            "are not counted, for as long as it stands here. Upper and lower case are the same. Empty: all are counted."
        ),
    )
    publishes_badges = models.BooleanField(
        _("publish badges"), default=True, help_text=_("Anybody who knows the address can then see these figures.")
    )
    latest_version = models.CharField(
        _("latest version"),
        max_length=100,
        blank=True,
        validators=[ONE_LINE],
        help_text=_("Told to every instance in the answer to each snapshot, so that it can say if it is an old one."),
    )
    notice = models.CharField(
        _("notice"),
        max_length=500,
        blank=True,
        validators=[ONE_LINE],
        help_text=_("Told to every instance in the same way: plain text for those who run it."),
    )
    registration = models.CharField(
        _("registration"),
        max_length=10,
        choices=Registration,
        blank=True,
        help_text=_("Which new instances may register. Those that are known already go on, whatever stands here."),
    )
    is_confirmed = models.BooleanField(
        _("confirmed"),
        default=True,
        editable=False,
        help_text=_("Whether a person has made it or seen to it since it was made on first sight."),
    )
    was_used = models.BooleanField(
        default=False, editable=False, help_text=_("Whether an instance that had signed something has left it.")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        indexes = [
            # Read whenever an unknown application registers (how many of these are there?), and to forget them.
            models.Index(fields=["created_at"], condition=models.Q(is_confirmed=False), name="unconfirmed_applications")
        ]
        ordering = ["name", "pk"]
        verbose_name = _("application")
        verbose_name_plural = _("applications")

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
        return str(Application.Registration(self.policy).label).partition(":")[0]

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
        while not self._erase():
            pass  # At once: the first thing that it does is to wait for whoever was in the way.

    def _erase(self) -> bool:
        """Whether it is done: not if an instance came in meanwhile that somebody is busy with."""
        try:
            with transaction.atomic():
                # Locked first, for the reason that Instance.erase gives; before the application, as by all who lock
                # both, and in one order, so that two who do this cannot wait for each other.
                list(self._locked_instances().order_by("pk"))
                # From here on none comes in: one that registers waits, and then finds that there is no application.
                list(Application.objects.select_for_update().filter(pk=self.pk).values_list("pk", flat=True))
                # Those that came in between. Nobody is waited for now that the application is locked, because they
                # may wait for it; what is locked here is given back instead.
                list(self._locked_instances(nowait=True))
                self.delete()
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                return False
            raise
        return True

    def _locked_instances(self, *, nowait: bool = False) -> models.QuerySet[Any, Any]:
        return self.instances.select_for_update(nowait=nowait).values_list("pk", flat=True)

    def active_since(self, at: datetime) -> datetime:
        """The oldest time that a newest snapshot may have for its instance to be active at `at`."""
        return at - timedelta(days=self.active_days)

    def quiet_since(self, at: datetime) -> datetime:
        """The oldest time that a newest snapshot may have for its instance not to be quiet at `at`."""
        return at - self.quiet_after

    @property
    def quiet_after(self) -> timedelta:
        """How long an instance has to be without a report to be quiet: a night or a short outage is not enough. After
        the active window it is no longer quiet but gone, so that with a short one nobody is ever quiet."""
        missed = QUIET_INTERVALS * timedelta(minutes=self.report_minutes)
        return min(max(QUIET_AFTER, missed), timedelta(days=self.active_days))


def check(policy: str, token: EnrolmentToken | None) -> None:
    """Raises NotAdmitted where this policy takes no new instance in."""
    if policy == Application.Registration.CLOSED:
        raise RegistrationClosed
    if policy == Application.Registration.TOKEN and token is None:
        raise EnrolmentRequired
