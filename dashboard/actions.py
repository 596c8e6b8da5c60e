"""What a maintainer does to one instance, each with a line in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_POST

from instances.models import Instance


@dataclass(frozen=True)
class Action:
    permission: str
    run: Callable[[Instance], object]
    done: str  # In English, as the audit log keeps it.


ACTIONS = {
    "approve": Action(
        "instances.change_instance", Instance.approve, gettext_noop("Approved: it counts once it has signed anything.")
    ),
    "revoke": Action(
        "instances.change_instance", Instance.revoke, gettext_noop("Revoked: nothing it signs is accepted any more.")
    ),
    "restore": Action(
        "instances.change_instance", Instance.restore, gettext_noop("Restored: its snapshots are accepted again.")
    ),
    "exclude": Action(
        "instances.change_instance",
        lambda instance: instance.exclude(Instance.Exclusion.MANUAL),
        gettext_noop("Excluded: it keeps reporting, but is not counted."),
    ),
    "include": Action("instances.change_instance", Instance.include, gettext_noop("Included: it is counted again.")),
    "erase": Action(
        "instances.delete_instance", Instance.erase, gettext_noop("Erased, with all its snapshots and keys.")
    ),
}


@require_POST
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    instance = get_object_or_404(Instance.objects.visible_to(request.user), pk=pk)
    action = ACTIONS.get(name)
    if action is None:
        return HttpResponseBadRequest(f"There is no such action. Choose one of: {', '.join(ACTIONS)}.")
    if not request.user.has_perm(action.permission):
        raise PermissionDenied(gettext("Ask a superuser for the permission to manage instances."))
    application, short_id = instance.application, instance.short_id
    with transaction.atomic():
        # Locked, so that the audit log tells of nothing that another maintainer's action has made untrue.
        # Asked for again: it may have moved to another team's application meanwhile.
        visible = Instance.objects.visible_to(request.user)
        instance = get_object_or_404(visible.select_for_update(of=("self",)), pk=pk)
        LogEntry.objects.log_actions(
            int(request.user.pk or 0),
            Instance.objects.filter(pk=pk),
            DELETION if name == "erase" else CHANGE,
            change_message=action.done,
            single_object=True,
        )
        action.run(instance)
    messages.success(request, f"{short_id}: {gettext(action.done)}")
    return redirect(application if name == "erase" else instance)
