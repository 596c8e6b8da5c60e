"""The regular work and the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard import audit
from dashboard.admin.scope import ForSuperusers
from instances.models import Job

# Django's words for it are others than the site's, as for teams.
LogEntry._meta.verbose_name, LogEntry._meta.verbose_name_plural = _("entry of the audit log"), _("audit log")


@admin.register(Job)
class JobAdmin(ForSuperusers):
    """Regular work: what is due when, and what became of it."""

    list_display = ["name", "due_at", "last_run_at", "last_error", "holder"]
    fields = ["name", "due_at", "last_run_at", "last_error", "holder", "lease_until"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": gettext("Regular work"), **(extra_context or {})})


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
        """In the reader's language."""
        return audit.in_words(entry.get_change_message())
