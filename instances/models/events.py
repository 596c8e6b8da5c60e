"""Events: the history of instances, line by line."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from instances import telling
from instances.models.applications import Application
from instances.querysets import EventQuerySet

BY_ITSELF = "by itself"
# Between the reason of an exclusion and why, in the detail of its event.
WHY = ": "


def exclusion_detail(reason: str, why: str) -> str:
    return f"{reason}{WHY}{why}" if why else reason


def of_exclusion(detail: str) -> tuple[str, str]:
    """The reason of an exclusion (one of Instance.Exclusion) out of its event's detail, and why; "" if nobody said."""
    reason, _, why = detail.partition(WHY)
    return reason, why


class Event(models.Model):
    """One line in a fleet's history: what happened to one of its instances, and when. Never who or where from.

    What maintainers did they did by name: that is in the audit log.
    """

    class Kind(models.TextChoices):
        REGISTERED = "registered", _("Registered")
        ACTIVATED = "activated", _("Activated")
        CHANGED = "changed", _("Changed")
        ROTATED = "rotated", _("New key")
        WRONG_CLOCK = "wrong_clock", _("Wrong clock")
        CONFLICT = "conflict", _("Conflict")
        REVOKED = "revoked", _("Revoked")
        RESTORED = "restored", _("Restored")
        EXCLUDED = "excluded", _("Excluded")
        INCLUDED = "included", _("Counted again")
        WAITING = "waiting", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        ERASED = "erased", _("Erased")

    # What maintainers and rules decide: censuses of past times are taken by it, so it stays as long as its instance.
    DECISIONS = (Kind.REVOKED, Kind.RESTORED, Kind.EXCLUDED, Kind.INCLUDED, Kind.WAITING, Kind.APPROVED)
    # What an instance, or anybody in its name, can cause as often as it likes: so many lines of each in 24 hours.
    MOST_A_DAY = {Kind.CHANGED: 10, Kind.ROTATED: 10, Kind.WRONG_CLOCK: 1, Kind.CONFLICT: 3}
    # An instance that moves to where it has to be approved, and back, causes decisions. As past counts are taken by
    # them none may be left out: after so many in 24 hours it stays where it is.
    MOST_MOVES_A_DAY = 10
    # And so many of all of an application's instances that erase themselves.
    MOST_ERASED_A_DAY = 100
    # What is forgotten after settings.KEEP_DAILY. The rest is bounded by the number of instances, or by people.
    PASSING = (*MOST_A_DAY, Kind.ERASED)

    application = models.ForeignKey(Application, models.CASCADE, related_name="events", db_index=False)
    # Without one for what has been erased: that line must not tell which it was.
    instance = models.ForeignKey("Instance", models.CASCADE, null=True, related_name="events")
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
        """The detail for people: in their language, and of an exclusion its reason by name and why, if anybody said."""
        from instances.models.instances import Instance  # At the top it would be a circle.

        if self.kind != self.Kind.EXCLUDED:
            return telling.in_words(self.detail)
        reason, why = of_exclusion(self.detail)
        name = str(dict(Instance.Exclusion.choices).get(reason, reason))
        return f"{name}: {why}" if why else name

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
