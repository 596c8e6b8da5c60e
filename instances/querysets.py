"""The questions that are asked of applications, instances and keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from instances.enrolment import EnrolmentToken  # noqa: F401 - for the quoted type arguments
    from instances.models import Application, Event, Instance, PublicKey  # noqa: F401


def sees_everything(user: AbstractBaseUser | AnonymousUser) -> bool:
    return bool(user.is_active and getattr(user, "is_superuser", False))


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the user's teams; all of them for a superuser."""
        if sees_everything(user):
            return self
        return self.filter(team__user=user.pk) if user.is_active and user.pk else self.none()

    def larger_than(self, instances: int) -> Self:
        """Those with more instances than that."""
        return self.annotate(size=models.Count("instances")).filter(size__gt=instances)

    def unconfirmed(self) -> Self:
        """Those that were made on first sight, and that no person has confirmed since."""
        return self.filter(is_confirmed=False)

    def never_used(self) -> Self:
        """Unconfirmed ones of no team, without an instance, that never had one that signed anything."""
        return self.unconfirmed().filter(team=None, was_used=False, instances=None)


class InstanceQuerySet(models.QuerySet["Instance"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the applications of the user's teams; all of them for a superuser."""
        if sees_everything(user):
            return self
        return self.filter(application__team__user=user.pk) if user.is_active and user.pk else self.none()

    def confirmed(self) -> Self:
        """Those that have proved to hold their key and wait for nobody. A pending instance counts nowhere."""
        return self.exclude(state=self.model.State.PENDING)

    def waiting(self) -> Self:
        """Those that a maintainer has to approve before they count."""
        return self.filter(state=self.model.State.PENDING, awaits_approval=True)

    def never_signed_since(self, moment: datetime) -> Self:
        """Those that registered before `moment`, have signed nothing, and about which nobody has decided anything."""
        pending = self.filter(state=self.model.State.PENDING, activated_at=None, registered_at__lt=moment)
        from instances.models import Event  # At the top it would be a circle.

        return pending.exclude(events__kind__in=Event.DECISIONS)

    def reporting_since(self, moment: datetime) -> Self:
        """Those that have not been revoked and whose newest snapshot is not older than `moment`."""
        return self.filter(state=self.model.State.ACTIVE, last_report_at__gte=moment)

    def silent_since(self, moment: datetime) -> Self:
        """Those that would count, had they sent anything since `moment`."""
        overdue = models.Q(last_report_at=None) | models.Q(last_report_at__lt=moment)
        return self.filter(overdue, state=self.model.State.ACTIVE).counted()

    def reported_after(self, moment: datetime) -> Self:
        return self.filter(last_report_at__gt=moment)

    def new_since(self, moment: datetime) -> Self:
        """Those that first reported after `moment`."""
        return self.filter(first_report_at__gt=moment)

    def returned_since(self, moment: datetime) -> Self:
        """Those that reported again after `moment`, having been silent."""
        return self.filter(returned_at__gt=moment)

    def reported_across(self, span: timedelta) -> Self:
        """Those between whose first and newest report that much time or more has passed."""
        return self.filter(last_report_at__gte=models.F("first_report_at") + span)

    def first_report_at(self) -> datetime | None:
        """When the first of them first reported."""
        return self.aggregate(first=models.Min("first_report_at"))["first"]  # type: ignore[no-any-return]

    def counted(self) -> Self:
        return self.filter(exclusion="")

    def excluded(self) -> Self:
        """Those that would be counted but for a reason against it."""
        return self.exclude(exclusion="").exclude(state=self.model.State.REVOKED)


class EventQuerySet(models.QuerySet["Event"]):
    def of(self, application: Application) -> Self:
        """Those of the application's instances, erased ones included, newest first."""
        return self.filter(application=application).order_by("-at", "-pk")

    def decisions(self, application: Application, after: datetime | None = None) -> Self:
        """What was decided about the application's instances, in order; only after a moment if one is given."""
        decisions = self.filter(application=application, kind__in=self.model.DECISIONS)
        return decisions.filter(at__gt=after) if after else decisions

    def passed(self, before: datetime) -> Self:
        """Those older than that which need not be kept."""
        return self.filter(kind__in=self.model.PASSING, at__lt=before)


class EnrolmentTokenQuerySet(models.QuerySet["EnrolmentToken"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the user's teams' applications; all of them for a superuser."""
        if sees_everything(user):
            return self
        return self.filter(application__team__user=user.pk) if user.is_active and user.pk else self.none()

    def valid(self) -> Self:
        """Those that let an instance in: neither revoked nor expired."""
        now = timezone.now()
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now), revoked_at=None)

    def of(self, slug: str) -> Self:
        return self.filter(application__slug=slug)


class PublicKeyQuerySet(models.QuerySet["PublicKey"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of the instances of the user's teams' applications; all of them for a superuser."""
        if sees_everything(user):
            return self
        return self.filter(instance__application__team__user=user.pk) if user.is_active and user.pk else self.none()

    def current(self) -> Self:
        return self.filter(retired_at=None)

    def current_of(self, instance_id: UUID) -> PublicKey | None:
        """The key that the instance signs with now, its instance and application loaded with it."""
        return self.current().select_related("instance__application").filter(instance=instance_id).first()
