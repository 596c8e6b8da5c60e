"""Users and their teams."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from dashboard import codes

admin.site.unregister(User)
# Their forms show the secrets of the second factor.
admin.site.unregister([TOTPDevice, StaticDevice])
admin.site.unregister(Group)


# Django's words for them are others than the site's, wherever the admin names them: in titles, in links, in its forms.
# Not by their migrations: these are Django's own.
Group._meta.verbose_name, Group._meta.verbose_name_plural = _("team"), _("teams")
User._meta.get_field("groups").verbose_name = _("teams")

# What the members of a team need to manage its applications. A team without them looks, but does not touch.
MAINTAINER_PERMISSIONS = [
    "change_application",
    "view_application",
    "change_instance",
    "delete_instance",
    "view_instance",
    "view_publickey",
    "add_enrolmenttoken",
    "change_enrolmenttoken",
    "view_enrolmenttoken",
    "add_metricsetting",
    "change_metricsetting",
    "delete_metricsetting",
    "view_metricsetting",
    "view_keyflag",
]


@admin.register(Group)
class TeamAdmin(DjangoGroupAdmin, ModelAdmin):
    """A team is a group; what its members may do is what the group may."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        allowed = Permission.objects.filter(
            codename__in=MAINTAINER_PERMISSIONS, content_type__app_label__in=["instances", "metrics"]
        )
        return {"permissions": list(allowed), **super().get_changeform_initial_data(request)}


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "first_name", "last_name", "is_staff", "has_two_factor"]
    actions = ["reset_two_factor"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["help_text"] = gettext("Members see the applications of their teams, and may do what these may.")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        app = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).annotate(has_app=Exists(app))

    @admin.display(description=_("Two-factor"), boolean=True)
    def has_two_factor(self, user: User) -> bool:
        return user.has_app  # type: ignore[attr-defined]

    @admin.action(description=_("Turn off two-factor sign-in"), permissions=["change"])
    def reset_two_factor(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """For who has lost the app and the recovery codes."""
        if not request.user.is_superuser:
            raise PermissionDenied(gettext("Ask a superuser to turn off another's two-factor sign-in."))
        number = sum(codes.turn_off(user, by=request.user) for user in users)
        done = ngettext(
            "Two-factor sign-in turned off: %(number)d user.",
            "Two-factor sign-in turned off: %(number)d users.",
            number,
        )
        self.message_user(request, done % {"number": number})

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            # Every account of this site is for its pages, which are for staff.
            obj.is_staff = True
        super().save_model(request, obj, form, change)
