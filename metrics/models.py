"""Snapshots: what instances signed. Censuses: what has been counted from them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from instances.models import Application, Instance
from instances.models.applications import ONE_LINE
from instances.personal import Kind as Personal
from metrics.census import Census
from metrics.fields import SentJSONField
from metrics.keys import Metric
from metrics.querysets import (
    ClosedCensusQuerySet,
    KeyFlagQuerySet,
    MetricSettingQuerySet,
    ReleaseQuerySet,
    SnapshotQuerySet,
)
from metrics.screening import COLLISION, LONG_KEY, LONG_TEXT, LONGEST_PATH, MANY_KEYS
from metrics.units import CURRENCIES, Aggregation, Unit


class Snapshot(models.Model):
    """What one instance signed at one time, as it was sent."""

    # The instance leads, so that the table can be distributed by it. docs/architecture.md has the figures.
    pk = models.CompositePrimaryKey("instance", "timestamp")
    instance = models.ForeignKey(Instance, models.CASCADE, related_name="snapshots", db_index=False)
    timestamp = models.DateTimeField(help_text="By the instance's clock, to the microsecond.")
    app_version = models.CharField(max_length=100, blank=True)
    metrics = SentJSONField()

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["instance", "timestamp"]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.timestamp:%Y-%m-%d %H:%M:%S}"


class ClosedCensus(models.Model):
    """The census at the end of an hour (kept for 30 days) or of a day (kept for ever)."""

    pk = models.CompositePrimaryKey("application", "at")
    application = models.ForeignKey(Application, models.CASCADE, related_name="closed_censuses", db_index=False)
    at = models.DateTimeField()
    document = models.JSONField()

    objects = ClosedCensusQuerySet.as_manager()

    class Meta:
        ordering = ["application", "at"]

    def __str__(self) -> str:
        return f"{self.application_id} {self.at:%Y-%m-%d %H:%M}"


class PresentCensus(models.Model):
    """The newest census of a large fleet, and who is taking the next one."""

    application = models.OneToOneField(Application, models.CASCADE, primary_key=True, related_name="present_census")
    at = models.DateTimeField(null=True)
    document = models.JSONField(null=True)
    taken_until = models.DateTimeField(null=True, help_text="Until then somebody is taking it anew.")

    def __str__(self) -> str:
        return f"{self.application_id} {self.at:%Y-%m-%d %H:%M:%S}" if self.at else str(self.application_id)

    @property
    def census(self) -> Census | None:
        """The census, or None if the first one is still being taken."""
        return Census.from_document(self.at, self.document) if self.at and self.document else None


class Rebuild(models.Model):
    """A rebuild_census that has not come to its end: where to go on."""

    application = models.OneToOneField(Application, models.CASCADE, primary_key=True)
    start = models.DateTimeField()
    end = models.DateTimeField()
    done_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.application_id}: {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"


class Thinning(models.Model):
    """How far snapshots have been thinned (metrics.retention) to one a day, and to one a month."""

    DAYS = "days"
    MONTHS = "months"

    name = models.CharField(max_length=10, unique=True)
    until = models.DateTimeField(null=True, help_text="Up to here it is done; from the beginning if there is none.")

    def __str__(self) -> str:
        return f"{self.name} until {self.until:%Y-%m-%d}" if self.until else self.name


class Release(models.Model):
    """That a version of an application was released, and when: as a maintainer says, or else as its fleet shows."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="releases")
    version = models.CharField(max_length=100, validators=[ONE_LINE])
    released_at = models.DateTimeField(
        null=True, help_text="None if nobody knows: it was there when counting began, or came after a newer one."
    )
    by_hand = models.BooleanField(default=False, help_text="Whether a maintainer has said when.")
    hidden = models.BooleanField(default=False, help_text="Whether a maintainer has said that it was none.")

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["application", "version"], name="one_release_per_version")]
        ordering = ["application", "released_at"]

    def __str__(self) -> str:
        return self.version


class MetricSetting(models.Model):
    """What an application's maintainers say of one key, where the rule by its name is not what they want."""

    class Kind(models.TextChoices):
        BUSINESS = "business", _("Business")
        SYSTEM = "system", _("System")

    UNITS = [
        (Unit.NUMBER.value, _("Plain number")),
        (
            _("Size"),
            [
                (Unit.BYTES.value, _("Bytes")),
                (Unit.KILOBYTES.value, _("Kilobytes")),
                (Unit.MEGABYTES.value, _("Megabytes")),
                (Unit.GIGABYTES.value, _("Gigabytes")),
                (Unit.TERABYTES.value, _("Terabytes")),
            ],
        ),
        (
            pgettext_lazy("unit", "Time"),
            [
                (Unit.MILLISECONDS.value, _("Milliseconds")),
                (Unit.SECONDS.value, _("Seconds")),
                (Unit.MINUTES.value, _("Minutes")),
                (Unit.HOURS.value, _("Hours")),
                (Unit.DAYS.value, _("Days")),
            ],
        ),
        (_("Share"), [(Unit.PERCENT.value, _("Percent, 0 to 100")), (Unit.RATIO.value, _("Ratio, 0 to 1"))]),
        (_("Currency"), [(unit.value, unit.value) for unit in CURRENCIES]),
    ]
    AGGREGATIONS = [
        (Aggregation.SUM.value, _("Sum")),
        (Aggregation.MEAN.value, _("Mean")),
        (Aggregation.MEDIAN.value, _("Median")),
        (Aggregation.MAXIMUM.value, _("Maximum")),
        (Aggregation.MINIMUM.value, _("Minimum")),
    ]
    # All that is said of a key; with nothing in any of them the key's name decides again.
    SAID = ["label", "description", "unit", "aggregation", "kind", "order", "hidden"]

    application = models.ForeignKey(
        Application, models.CASCADE, verbose_name=_("application"), related_name="metric_settings"
    )
    key = models.CharField(
        _("key"), max_length=500, help_text=_("As it is reported; nested ones with dots, such as db.size_mb.")
    )
    label = models.CharField(_("label"), max_length=100, blank=True)
    description = models.CharField(_("description"), max_length=500, blank=True)
    unit = models.CharField(_("unit"), max_length=20, choices=UNITS, blank=True, help_text=_("What it is sent in."))
    aggregation = models.CharField(
        _("aggregation"),
        max_length=10,
        choices=AGGREGATIONS,
        blank=True,
        help_text=_("How the values of all instances become the one number that is shown."),
    )
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=Kind,
        blank=True,
        help_text=_("Without a choice a key that begins with sys_ or app_ is system, any other business."),
    )
    order = models.PositiveSmallIntegerField(
        _("order"),
        null=True,
        blank=True,
        help_text=_("Those with a number come first, the lowest before all; the others by name."),
    )
    hidden = models.BooleanField(
        _("hidden"), default=False, help_text=_("Shown on no page, badge or export. It is still stored.")
    )

    objects = MetricSettingQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["application", "key"], name="one_setting_per_key")]
        ordering = ["key"]
        verbose_name = _("metric setting")
        verbose_name_plural = _("metric settings")

    def __str__(self) -> str:
        return self.key

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, so that it may as well not be there."""
        said = (self.label, self.description, self.unit, self.aggregation, self.kind, self.hidden)
        return self.order is None and not any(said)

    @property
    def metric(self) -> Metric:
        """The metric as this has it: what is left empty is as its name says."""
        named = Metric.named(self.key)
        return Metric(
            key=self.key,
            label=self.label or named.label,
            # A unit or aggregation that some later version of the server knows is none to this one.
            unit=Unit(self.unit) if self.unit in set(Unit) else named.unit,
            aggregation=Aggregation(self.aggregation) if self.aggregation in set(Aggregation) else named.aggregation,
            is_system=self.kind == self.Kind.SYSTEM if self.kind else named.is_system,
            description=self.description,
            hidden=self.hidden,
            order=self.order,
        )


class KeyFlag(models.Model):
    """That something under a key was removed, or left out of the count, and why. What it was is written nowhere."""

    KINDS = [
        (Personal.EMAIL.value, _("e-mail address")),
        (Personal.URL.value, _("password in an address")),
        (Personal.HOME.value, _("path of a user's folder")),
        (Personal.SECRET.value, _("token or secret")),
        (Personal.MAC.value, _("hardware address")),
        (Personal.IP.value, _("IP address")),
        (Personal.PHONE.value, _("phone number")),
        (Personal.HOST.value, _("host name")),
        (Personal.USER.value, _("user name")),
        (COLLISION, _("same key once its personal part was removed")),
        (LONG_KEY, _("key too long")),
        (LONG_TEXT, _("text too long")),
        (MANY_KEYS, _("too many keys")),
    ]

    application = models.ForeignKey(
        Application, models.CASCADE, verbose_name=_("application"), related_name="key_flags"
    )
    # Empty where it is about a whole snapshot.
    key = models.CharField(_("key"), max_length=LONGEST_PATH, blank=True)
    kind = models.CharField(_("why"), max_length=20, choices=KINDS)
    first_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_at = models.DateTimeField(_("last seen"), default=timezone.now)
    allowed_at = models.DateTimeField(
        _("allowed"), null=True, help_text=_("Since then what stands under the key is kept.")
    )

    objects = KeyFlagQuerySet.as_manager()

    class Meta:
        verbose_name = _("flagged key")
        verbose_name_plural = _("flagged keys")
        constraints = [models.UniqueConstraint(fields=["application", "key", "kind"], name="one_flag_per_key_and_kind")]
        ordering = ["key", "kind"]

    def __str__(self) -> str:
        return f"{self.key or gettext('a whole snapshot')}: {self.get_kind_display()}"

    @property
    def is_personal(self) -> bool:
        """Whether something was removed, which the maintainers may allow; everything else is only left out."""
        return self.kind in {kind.value for kind in Personal}
