"""What people keep of the pages for themselves and for each other."""

from __future__ import annotations

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from dashboard.querysets import SavedViewQuerySet
from instances.models import Application
from instances.models.applications import ONE_LINE


class TooManyViews(Exception):
    """Nobody finds anything among so many."""


class SavedView(models.Model):
    """What somebody asked the instance table for, by a name: their own, or of all who see the application."""

    # So many of one application for each person, and so many for all.
    MOST = 50
    LONGEST_QUERY = 4000

    application = models.ForeignKey(Application, models.CASCADE, related_name="saved_views")
    # Without one it is everybody's, and stays when whoever has saved it leaves.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="saved_views")
    name = models.CharField(gettext_lazy("name"), max_length=60, validators=[ONE_LINE])
    query = models.CharField(max_length=LONGEST_QUERY, blank=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "owner", "name"], name="one_view_per_owner_and_name"),
            models.UniqueConstraint(
                fields=["application", "name"], condition=models.Q(owner=None), name="one_view_for_all_per_name"
            ),
            models.UniqueConstraint(
                fields=["application", "owner"],
                condition=models.Q(is_default=True),
                name="one_default_view_per_owner",
            ),
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(is_default=True, owner=None),
                name="one_default_view_for_all",
            ),
        ]
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        # A view of everything says so, because an address that asks for nothing shows the default view.
        return f"{self.application.get_absolute_url()}?{self.query or 'state=all'}#instances"

    @property
    def is_for_all(self) -> bool:
        return self.owner_id is None

    @classmethod
    def keep(cls, application: Application, owner_id: int | None, name: str, query: str) -> bool:
        """Saves a view, in the place of the one that is called so already. Returns whether there was one. Raises
        TooManyViews."""
        among = cls.objects.of(application).filter(owner=owner_id)
        if among.filter(name=name).update(query=query):
            return True
        # Counted and then made, so two at the same moment may both pass: one more than the bound.
        if among.count() >= cls.MOST:
            raise TooManyViews
        cls.objects.create(application=application, owner_id=owner_id, name=name, query=query)
        return False

    def make_default(self, *, is_default: bool = True) -> None:
        """The view that the page shows when nothing is asked for; its owner's alone, or everybody's who has none."""
        among = SavedView.objects.filter(application=self.application_id, owner=self.owner_id)
        with transaction.atomic():
            # Locked, so that of two who choose at once the second finds what the first has chosen.
            list(among.select_for_update().order_by("pk").values_list("pk", flat=True))
            among.filter(is_default=True).exclude(pk=self.pk).update(is_default=False)
            among.filter(pk=self.pk).update(is_default=is_default)
        self.is_default = is_default
