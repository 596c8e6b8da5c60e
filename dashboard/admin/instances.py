"""Instances and their keys."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from dashboard import audit
from dashboard.admin.scope import ReadOnly, TeamScoped
from dashboard.audit import Line
from dashboard.instances import InstancePage
from instances.models import Instance, PublicKey

# What is said once it is done to instances.
APPROVED = ngettext_lazy("Approved: %(number)d instance.", "Approved: %(number)d instances.", "number")
REVOKED = ngettext_lazy("Revoked: %(number)d instance.", "Revoked: %(number)d instances.", "number")
RESTORED = ngettext_lazy("Restored: %(number)d instance.", "Restored: %(number)d instances.", "number")
EXCLUDED = ngettext_lazy("Excluded: %(number)d instance.", "Excluded: %(number)d instances.", "number")
INCLUDED = ngettext_lazy("Included: %(number)d instance.", "Included: %(number)d instances.", "number")


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
        self._each(request, instances.waiting(), Instance.approve, Line.SHORT_APPROVED, APPROVED)  # type: ignore[attr-defined]

    @admin.action(description=_("Revoke"), permissions=["change"])
    def revoke_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(request, instances, Instance.revoke, Line.SHORT_REVOKED, REVOKED)

    @admin.action(description=_("Restore after a revocation"), permissions=["change"])
    def restore_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(
            request,
            instances.filter(state=Instance.State.REVOKED),
            Instance.restore,
            Line.SHORT_RESTORED,
            RESTORED,
        )

    @admin.action(description=_("Exclude from the count"), permissions=["change"])
    def exclude_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        self._each(
            request,
            instances,
            lambda instance: instance.exclude(Instance.Exclusion.MANUAL),
            Line.SHORT_EXCLUDED,
            EXCLUDED,
        )

    @admin.action(description=_("Count again"), permissions=["change"])
    def include_selected(self, request: HttpRequest, instances: QuerySet[Instance]) -> None:
        # Those that were not excluded at all must not be taken from under the rules by it.
        self._each(request, instances.exclude(exclusion=""), Instance.include, Line.SHORT_INCLUDED, INCLUDED)

    def _each(self, request: HttpRequest, instances: QuerySet[Instance], do: Any, line: Line, done: Any) -> None:
        """`line` is what the audit log keeps, and `done` what whoever did it is told."""
        number = 0
        for instance in instances:
            with transaction.atomic():  # Nothing is done that the audit log does not tell of.
                do(instance)
                audit.note(request.user, [instance], line)
            number += 1
        self.message_user(request, done % {"number": number})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        instance = self.get_object(request, object_id) if object_id else None
        page = InstancePage(instance, request.GET, timezone.now()) if instance else None
        context = {**(extra_context or {}), "page": page, "show_save": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, context)


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
