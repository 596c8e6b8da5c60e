"""Public keys: what instances sign with."""

from __future__ import annotations

import hashlib

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from instances.querysets import PublicKeyQuerySet


class PublicKey(models.Model):
    """An Ed25519 key of an instance. At most one is current; those it had before stay listed."""

    instance = models.ForeignKey("Instance", models.CASCADE, verbose_name=_("instance"), related_name="keys")
    hex = models.CharField(_("key"), max_length=64, validators=[RegexValidator(r"\A[0-9a-f]{64}\Z")], editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    retired_at = models.DateTimeField(_("retired at"), null=True, editable=False)

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
        verbose_name = _("public key")
        verbose_name_plural = _("public keys")

    def __str__(self) -> str:
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """The first half of the key's SHA-256, in groups of four, to be compared by eye."""
        digest = hashlib.sha256(bytes.fromhex(self.hex)).hexdigest()
        return " ".join(digest[i : i + 4] for i in range(0, 32, 4))
