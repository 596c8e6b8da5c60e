"""The questions that are asked of what people keep of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models

from instances.models import Application

if TYPE_CHECKING:
    from dashboard.models import SavedView  # noqa: F401 - for the quoted type argument


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def of(self, application: Application) -> Self:
        return self.filter(application=application)

    def open_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The user's own and everybody's, of any application: who sees which of these is a matter of their own."""
        return self.filter(models.Q(owner=None) | models.Q(owner=user.pk)) if user.pk else self.none()
