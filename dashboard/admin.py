"""Django's admin over applications, instances, keys, teams, users and the audit log, scoped to the user's teams."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, Exists, ForeignKey, OuterRef, Q, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, gettext_noop, ngettext, ngettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.decorators import action as button
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from dashboard import codes
from dashboard.applications import ApplicationPage
from dashboard.instances import InstancePage
from instances.enrolment import EnrolmentToken
from instances.models import Application, Instance, Job, PublicKey
from instances.slugs import slug_for
from metrics.models import KeyFlag, Snapshot

admin.site.unregister(User)
# Their forms show the secrets of the second factor.
admin.site.unregister([TOTPDevice, StaticDevice])
admin.site.unregister(Group)


# Django's words for them are others than the site's, wherever the admin names them: in titles, in links, in its forms.
# Not by their migrations: these are Django's own.
for model, singular, plural in (
    (Group, _("team"), _("teams")),
    (LogEntry, _("entry of the audit log"), _("audit log")),
):
    model._meta.verbose_name, model._meta.verbose_name_plural = singular, plural
User._meta.get_field("groups").verbose_name = _("teams")


def not_here(request: HttpRequest, **address: str) -> HttpResponse:
    raise Http404("Pages link to each other by their own addresses.")


# The shell's search over all models is linked from nowhere, and fails for a page that is no number.
admin.site.search = not_here  # type: ignore[attr-defined]

# Django's /admin/r/ leads anybody on the staff to any object's address, and the slug in it is for its team alone.
admin.site.extra_urls = lambda: [  # type: ignore[attr-defined]
    path("r/<path:content_type_id>/<path:object_id>/", not_here)
]

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


# What is said once it is done to instances.
APPROVED = ngettext_lazy("Approved: %(number)d instance.", "Approved: %(number)d instances.", "number")
REVOKED = ngettext_lazy("Revoked: %(number)d instance.", "Revoked: %(number)d instances.", "number")
RESTORED = ngettext_lazy("Restored: %(number)d instance.", "Restored: %(number)d instances.", "number")
EXCLUDED = ngettext_lazy("Excluded: %(number)d instance.", "Excluded: %(number)d instances.", "number")
INCLUDED = ngettext_lazy("Included: %(number)d instance.", "Included: %(number)d instances.", "number")

# Of an enrolment token.
CONDITIONS = {
    "valid": pgettext_lazy("enrolment token", "Valid"),
    "expired": pgettext_lazy("enrolment token", "Expired"),
    "revoked": pgettext_lazy("enrolment token", "Revoked"),
}

# In a list; a longer one would push the other columns out of sight.
LONGEST_SHOWN = 60


class TeamScoped(ModelAdmin):
    """Lists, edits and autocompletes nothing but what belongs to the user's teams."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What a deletion takes along, as numbers: Django would load and list every single snapshot."""
        objects = list(objs)
        pks = [obj.pk for obj in objects]
        instances = Instance.objects.filter(Q(pk__in=pks) if self.model is Instance else Q(application__in=pks))
        counts = {
            gettext("instances"): instances.count(),
            gettext("snapshots"): Snapshot.objects.filter(instance__in=instances).count(),
        }
        if self.model is Application:
            counts = {gettext("applications"): len(objects), **counts}
        missing = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return [str(obj) for obj in objects], counts, missing, []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Ordered as Django's own would be: autocompletion pages through it as it is.
        visible = self.model._default_manager.visible_to(request.user)
        return visible.order_by(*self.get_ordering(request) or self.opts.ordering)

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        return obj.get_absolute_url() if hasattr(obj, "get_absolute_url") else None

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "team" and not request.user.is_superuser:
            kwargs["queryset"] = request.user.groups.all()
        if db_field.name == "application":
            kwargs["queryset"] = Application.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj.erase()


class ApplicationForm(ModelForm):  # type: ignore[type-arg]
    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        slug = slug_for(name)
        # The slug is made of the name and is no field of the form, so nothing else would look whether it is taken.
        if self.instance.pk is None and Application.objects.filter(slug=slug).exists():
            taken = _('There is an application with the slug "%(slug)s" already. Choose another name.')
            raise ValidationError(taken, params={"slug": slug})
        return name


@admin.register(Application)
class ApplicationAdmin(TeamScoped):
    form = ApplicationForm
    list_display = ["name", "slug", "team", "registers", "active_days", "publishes_badges", "instances"]
    list_select_related = ["team"]
    list_filter = [("team", admin.RelatedOnlyFieldListFilter), "registration", "is_confirmed", "publishes_badges"]
    search_fields = ["name", "slug"]
    actions = ["confirm_selected"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "team"]}),
        (_("Registration"), {"fields": ["registration"]}),
        (_("Counting"), {"fields": ["active_days", "report_minutes", "excludes_ephemeral", "test_environments"]}),
        (_("Publishing"), {"fields": ["publishes_badges"]}),
        (_("Told to its instances"), {"fields": ["latest_version", "notice"]}),
    ]
    change_form_after_template = "dashboard/admin_application.html"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        return super().get_queryset(request).annotate(instance_count=Count("instances", distinct=True))

    @admin.display(description=_("Instances"), ordering="instance_count")
    def instances(self, application: Application) -> int:
        return application.instance_count  # type: ignore[attr-defined]

    @admin.display(description=_("Registration"), ordering="registration")
    def registers(self, application: Application) -> str:
        return application.get_policy_display()

    @admin.action(description=_("Confirm as known"), permissions=["change"])
    def confirm_selected(self, request: HttpRequest, applications: QuerySet[Application]) -> None:
        number = 0
        for application in applications.unconfirmed():  # type: ignore[attr-defined]
            application.confirm()
            self.log_change(request, application, gettext_noop("Confirmed"))
            number += 1
        done = ngettext("Confirmed: %(number)d application.", "Confirmed: %(number)d applications.", number)
        self.message_user(request, done % {"number": number})

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "registration":
            inherited = gettext("As the site says: %(policy)s") % {"policy": Application().get_policy_display().lower()}
            kwargs["choices"] = [("", inherited), *Application.Registration.choices]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Application | None = None) -> list[str]:
        # Instances find their application by its slug, so it stays what it was made of.
        readonly = ["slug"]
        if obj is not None and not request.user.is_superuser:
            readonly.append("team")
        return readonly

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        if not change:
            obj.slug = slug_for(obj.name)
        # Whoever has looked at its settings and saved them knows it.
        obj.is_confirmed = True
        super().save_model(request, obj, form, change)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        application = self.get_object(request, object_id) if object_id else None
        page = ApplicationPage(application, request.GET, timezone.now()) if application else None
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "page": page})


@admin.register(Instance)
class InstanceAdmin(TeamScoped):
    list_display = ["instance", "application", "standing", "exclusion", "app_version", "environment", "last_report_at"]
    list_select_related = ["application"]
    list_filter = ["state", "awaits_approval", "exclusion", ("application", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["id__startswith", "app_version", "environment", "os_arch"]
    search_help_text = _("The beginning of an id, a version, an environment or a system.")
    ordering = ["-last_report_at"]
    show_full_result_count = False
    actions = ["approve_selected", "revoke_selected", "restore_selected", "exclude_selected", "include_selected"]
    change_form_after_template = "dashboard/admin_instance.html"
    fields = [
        "id",
        "application",
        "standing",
        "exclusion",
        "refused_by",
        *Instance.DESCRIPTION,
        "registered_at",
        "activated_at",
        "first_report_at",
        "last_report_at",
        "page_link",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # An instance makes its own key, and nobody else can.

    def get_readonly_fields(self, request: HttpRequest, obj: Instance | None = None) -> list[str]:
        # What it says of itself is its own to say; what is done to it is done by the actions, which keep the dates.
        return self.fields

    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        """Nothing: no field can be edited, and a save would overwrite a report that arrives at this moment."""

    @admin.display(description=_("instance"), ordering="pk")
    def instance(self, instance: Instance) -> str:
        return instance.short_id

    @admin.display(description=_("Its page"))
    def page_link(self, instance: Instance) -> SafeString:
        text = gettext("Metrics, history and actions")
        return format_html('<a class="text-link" href="{}">{}</a>', instance.get_absolute_url(), text)

    @admin.display(description=_("State"), ordering="state")
    def standing(self, instance: Instance) -> str:
        return gettext("Waiting for approval") if instance.is_waiting else instance.get_state_display()

    @admin.action(description=_("Approve"), permissions=["change"])
    def approve_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(request, instances.waiting(), Instance.approve, "Approved", APPROVED)  # type: ignore[attr-defined]

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(request, instances, Instance.revoke, "Revoked", REVOKED)

    @admin.action(description=_("Restore after a revocation"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(request, instances.filter(state=Instance.State.REVOKED), Instance.restore, "Restored", RESTORED)

    @admin.action(description=_("Exclude from the count"), permissions=["change"])
    def exclude_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(
            request, instances, lambda instance: instance.exclude(Instance.Exclusion.MANUAL), "Excluded", EXCLUDED
        )

    @admin.action(description=_("Count again"), permissions=["change"])
    def include_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        # Those that were not excluded at all must not be taken from under the rules by it.
        self._each(request, instances.exclude(exclusion=""), Instance.include, gettext_noop("Included"), INCLUDED)

    def _each(self, request: HttpRequest, instances: QuerySet[Instance], do: Any, logged: str, done: Any) -> None:
        """`logged` is what the audit log keeps, in English, and `done` what whoever did it is told."""
        number = 0
        for instance in instances:
            with transaction.atomic():  # Nothing is done that the audit log does not tell of.
                do(instance)
                self.log_change(request, instance, logged)
            number += 1
        self.message_user(request, done % {"number": number})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        instance = self.get_object(request, object_id) if object_id else None
        page = InstancePage(instance, request.GET, timezone.now()) if instance else None
        context = {**(extra_context or {}), "page": page, "show_save": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, context)


class TokenStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("valid", str(CONDITIONS["valid"])), ("other", gettext("Expired or revoked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        valid = EnrolmentToken.objects.valid()
        match self.value():
            case "valid":
                return queryset.filter(pk__in=valid)
            case "other":
                return queryset.exclude(pk__in=valid)
        return queryset


@admin.register(EnrolmentToken)
class EnrolmentTokenAdmin(TeamScoped):
    """A token is made here, shown once and never again, and revoked; it is not deleted, so that it is known of."""

    list_display = ["name", "application", "state", "created_at", "expires_at", "last_used_on", "uses"]
    list_select_related = ["application"]
    list_filter = [TokenStateFilter, ("application", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["name"]
    search_help_text = _("A part of a token's name.")
    show_full_result_count = False
    actions = ["revoke_selected"]
    actions_submit_line = ["revoke"]
    fields = ["application", "name", "expires_at"]
    kept = ["state", "created_at", "last_used_on", "uses", "revoked_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: EnrolmentToken | None = None) -> list[Any]:
        if obj:
            return [(None, {"fields": [*self.fields, *self.kept]})]
        shown_once = gettext("The token is made when this is saved, and shown that one time.")
        return [(None, {"fields": self.fields, "description": shown_once})]

    def get_readonly_fields(self, request: HttpRequest, obj: EnrolmentToken | None = None) -> list[str]:
        # Whoever has the token has it for that application.
        return ["application", *self.kept] if obj else []

    @admin.display(description=_("state"))
    def state(self, token: EnrolmentToken) -> str:
        return str(CONDITIONS[token.condition(timezone.now())])

    def save_model(self, request: HttpRequest, obj: EnrolmentToken, form: Any, change: bool) -> None:
        if not change:
            # Only this very request knows it, for response_add to show.
            obj.secret = obj.renew()  # type: ignore[attr-defined]
            obj.application.confirm()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: EnrolmentToken, post_url_continue: str | None = None) -> Any:
        # Answered at once, without a redirect: the secret would have to be kept somewhere on the way.
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The new enrolment token"),
            "token": obj,
            "secret": obj.secret,  # type: ignore[attr-defined]
            "server_url": request.build_absolute_uri("/"),
        }
        response = TemplateResponse(request, "dashboard/enrolment_token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        shown = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[Any]:
        is_revoked = EnrolmentToken.objects.filter(pk=object_id).exclude(revoked_at=None).exists()
        return [] if is_revoked else super().get_actions_submit_line(request, object_id)

    @button(description=_("Revoke"), permissions=["change"])  # type: ignore[untyped-decorator]
    def revoke(self, request: HttpRequest, token: EnrolmentToken) -> None:
        self.revoke_selected(request, EnrolmentToken.objects.filter(pk=token.pk))

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke_selected(self, request: HttpRequest, tokens: QuerySet[EnrolmentToken]) -> None:
        number = 0
        for token in tokens.filter(revoked_at=None):
            token.revoke()
            self.log_change(request, token, "Revoked")
            number += 1
        done = ngettext(
            "Revoked: %(number)d token. Whom it let in stays.",
            "Revoked: %(number)d tokens. Whom they let in stays.",
            number,
        )
        self.message_user(request, done % {"number": number})


class ReadOnly(ModelAdmin):
    """What is written by the server alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ForSuperusers(ReadOnly):
    """What is of no single team, and so is shown to none, whatever its group may do."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)


@admin.register(Job)
class JobAdmin(ForSuperusers):
    """Regular work: what is due when, and what became of it."""

    list_display = ["name", "due_at", "last_run_at", "last_error", "holder"]
    fields = ["name", "due_at", "last_run_at", "last_error", "holder", "lease_until"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": gettext("Regular work"), **(extra_context or {})})


@admin.register(PublicKey)
class PublicKeyAdmin(ReadOnly, TeamScoped):
    list_display = ["fingerprint", "instance", "application", "created_at", "retired_at"]
    list_select_related = ["instance__application"]
    search_fields = ["instance__id__startswith", "hex__startswith"]
    search_help_text = _("The beginning of an instance's id or of a key.")
    fields = ["instance", "hex", "fingerprint", "created_at", "retired_at"]
    show_full_result_count = False

    @admin.display(description=_("fingerprint"))
    def fingerprint(self, key: PublicKey) -> str:
        return key.fingerprint

    @admin.display(description=_("application"), ordering="instance__application__name")
    def application(self, key: PublicKey) -> str:
        return key.instance.application.name


@admin.register(KeyFlag)
class KeyFlagAdmin(ReadOnly, TeamScoped):
    """What was removed or left out; what is to become of it is said on the application's page."""

    list_display = ["key_shown", "application", "kind", "first_at", "last_at", "allowed_at"]
    list_select_related = ["application"]
    list_filter = ["kind", ("application", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["key"]
    ordering = ["-last_at", "key"]
    fields = ["application", "key", "kind", "first_at", "last_at", "allowed_at", "page_link"]
    readonly_fields = ["page_link"]
    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": gettext("Flagged keys"), **(extra_context or {})})

    @admin.display(description=_("Key"), ordering="key")
    def key_shown(self, flag: KeyFlag) -> str:
        return Truncator(flag.key).chars(LONGEST_SHOWN) or gettext("(a whole snapshot)")

    @admin.display(description=_("What to do"))
    def page_link(self, flag: KeyFlag) -> SafeString:
        text = gettext("The application's page says what it means and lets you allow it")
        return format_html('<a class="text-link" href="{}">{}</a>', flag.application.get_absolute_url(), text)


@admin.register(LogEntry)
class AuditLogAdmin(ForSuperusers):
    """Who changed what, and when. It names all teams' objects."""

    list_display = ["action_time", "user", "object_repr", "content_type", "message"]
    list_select_related = ["user", "content_type"]
    list_filter = ["action_time", "content_type"]
    search_fields = ["object_repr", "user__username"]
    show_full_result_count = False

    @admin.display(description=_("change message"))
    def message(self, entry: LogEntry) -> str:
        """In the reader's language, as far as it is one of the texts that this server files; these are in English."""
        return gettext(entry.get_change_message())


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
