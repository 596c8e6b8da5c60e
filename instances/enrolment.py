"""Enrolment tokens: what lets an instance into an application that takes in no strangers."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from instances.querysets import EnrolmentTokenQuerySet

# So that whoever finds one, and the tools that look for secrets in repositories, know what it is.
PREFIX = "shm-enrol-"


def digest_of(token: str) -> str:
    """Tokens are random, 256 bits of them, so one plain hash keeps them as safe as a slow one would."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class EnrolmentToken(models.Model):
    """A secret that maintainers hand to operators. Only its digest is kept, so it is shown once and never again."""

    application = models.ForeignKey(
        "instances.Application", models.CASCADE, verbose_name=_("application"), related_name="enrolment_tokens"
    )
    name = models.CharField(
        _("name"), max_length=100, help_text=_("Who gets it, or what for. Its holders do not see this.")
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(
        _("expires"),
        null=True,
        blank=True,
        help_text=_("It lets nobody in from then on. Empty: it is valid until revoked."),
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    # To the day and no finer: it is meant to show which tokens nobody needs any more, and not when somebody works.
    last_used_on = models.DateField(_("last used"), null=True, editable=False)
    uses = models.PositiveIntegerField(
        _("uses"), default=0, editable=False, help_text=_("How many instances it has let in.")
    )

    objects = EnrolmentTokenQuerySet.as_manager()

    class Meta:
        constraints = [
            # Also what makes nothing of a form that is sent again by reloading the page that shows the token.
            models.UniqueConstraint(
                fields=["application", "name"],
                name="one_token_per_name",
                violation_error_message=_("There is an enrolment token of this name already. Choose another name."),
            )
        ]
        ordering = ["-created_at", "-pk"]
        verbose_name = _("enrolment token")
        verbose_name_plural = _("enrolment tokens")

    def __str__(self) -> str:
        return self.name

    def renew(self) -> str:
        """Gives it a new secret, which is returned and kept nowhere. The caller saves the token."""
        secret = PREFIX + secrets.token_urlsafe(32)
        self.digest = digest_of(secret)
        return secret

    def condition(self, now: datetime) -> str:
        """In one word: valid, expired or revoked."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "valid"

    def revoke(self) -> None:
        """It lets nobody in any more; whom it has let in stays."""
        self.revoked_at = self.revoked_at or timezone.now()
        self.save(update_fields=["revoked_at"])

    def count_use(self) -> None:
        """It has let one more in."""
        used = EnrolmentToken.objects.filter(pk=self.pk)
        used.update(uses=models.F("uses") + 1, last_used_on=timezone.now().astimezone(UTC).date())
