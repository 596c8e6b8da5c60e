"""What the application's page says of what was removed or left out, and the maintainers' word on a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from dashboard import audit
from dashboard.audit import Line
from instances.models import Application
from metrics import flags
from metrics.models import KeyFlag

# So many of each are shown; the admin lists the rest.
SHOWN = 8


@dataclass(frozen=True)
class Notice:
    """The flags of one application: what is removed, what is left out of the count, and what has been allowed."""

    removed: list[KeyFlag]
    left_out: list[KeyFlag]
    allowed: list[KeyFlag]

    @classmethod
    def of(cls, application: Application, now: datetime) -> Notice:
        rows = list(application.key_flags.all())
        recent = [flag for flag in rows if flag.allowed_at is None and flag.last_at >= now - flags.RECENT_FOR]
        allowed = {flag.key: flag for flag in rows if flag.allowed_at is not None}
        return cls(
            removed=[flag for flag in recent if flag.is_personal],
            left_out=[flag for flag in recent if not flag.is_personal],
            allowed=list(allowed.values()),
        )

    @property
    def is_empty(self) -> bool:
        return not (self.removed or self.left_out or self.allowed)

    @property
    def shown(self) -> int:
        return SHOWN


@require_POST
def decide(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponse:
    """Keeps from now on what is sent under a flag's key ("allow"), or removes it again ("disallow")."""
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    flag = get_object_or_404(KeyFlag, pk=pk, application=application)
    if name not in ("allow", "disallow"):
        return HttpResponseBadRequest("There is no such action. Choose one of: allow, disallow.")
    if not request.user.has_perm("instances.change_application"):
        raise PermissionDenied(gettext("Ask a superuser for the permission to manage applications."))
    if not flag.is_personal:
        return HttpResponseBadRequest("Nothing is removed under this key, so there is nothing to allow.")
    done = Line.KEY_KEPT if name == "allow" else Line.KEY_CHECKED
    with transaction.atomic():
        if name == "allow":
            flags.allow(flag, timezone.now())
        else:
            flags.disallow(flag)
        audit.note(request.user, [application], done, {"key": flag.key})
    messages.success(request, done.told(key=flag.key))
    return redirect(application)
