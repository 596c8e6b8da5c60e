"""Applications, the tokens by which instances join them, and the keys that were flagged."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action as button

from dashboard import attention, audit
from dashboard.admin.scope import ReadOnly, TeamScoped
from dashboard.applications import ApplicationPage
from dashboard.audit import Line
from instances.enrolment import EnrolmentToken
from instances.models import Application
from instances.slugs import slug_for
from metrics.models import KeyFlag

# Of an enrolment token.
CONDITIONS = {
    "valid": pgettext_lazy("enrolment token", "Valid"),
    "expired": pgettext_lazy("enrolment token", "Expired"),
    "revoked": pgettext_lazy("enrolment token", "Revoked"),
}

# In a list; a longer one would push the other columns out of sight.
LONGEST_SHOWN = 60


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
            audit.note(request.user, [application], Line.CONFIRMED)
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
        context = dict(extra_context or {})
        if application:
            now = timezone.now()
            context["page"] = ApplicationPage(application, request.GET, now)
            context["attention"] = attention.of_application(application, request.user, now)
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
            audit.note(request.user, [token], Line.SHORT_REVOKED)
            number += 1
        done = ngettext(
            "Revoked: %(number)d token. Whom it let in stays.",
            "Revoked: %(number)d tokens. Whom they let in stays.",
            number,
        )
        self.message_user(request, done % {"number": number})


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
