"""What the server has to remember for a while to keep its promises, and its regular work."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from instances.exceptions import Replayed
from instances.models.applications import Application
from instances.models.instances import Instance


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

    name = models.CharField(_("name"), max_length=50, primary_key=True)
    due_at = models.DateTimeField(_("due at"), default=timezone.now)
    holder = models.CharField(_("holder"), max_length=100, blank=True)
    lease_until = models.DateTimeField(
        _("lease until"), null=True, help_text=_("Until then nobody but its holder may start it.")
    )
    last_run_at = models.DateTimeField(_("last run at"), null=True, help_text=_("When it last ended well."))
    last_error = models.CharField(
        _("last error"), max_length=500, blank=True, help_text=_("Why it last failed, if it did since.")
    )

    class Meta:
        ordering = ["name"]
        verbose_name = _("piece of regular work")
        verbose_name_plural = _("regular work")

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
