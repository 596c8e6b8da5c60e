"""A maintainer decides something about one instance: first asked, then done, with a line in the audit log."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from dashboard import audit
from dashboard.decisions import DECISIONS, Decision, DecisionForm
from dashboard.views import render
from instances.models import Instance
from metrics.models import Snapshot


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    instances = Instance.objects.visible_to(request.user).select_related("application")
    instance = get_object_or_404(instances, pk=pk)
    decision = DECISIONS.get(name)
    if decision is None:
        return HttpResponseBadRequest(f"There is no such action. Choose one of: {', '.join(DECISIONS)}.")
    if not request.user.has_perm(decision.permission):
        raise PermissionDenied(gettext("Ask a superuser for the permission to manage instances."))
    form = DecisionForm(decision, instance, request.POST if request.method == "POST" else None)
    return _done(request, instance, decision, form) if form.is_valid() else _asked(request, instance, decision, form)


def _asked(request: HttpRequest, instance: Instance, decision: Decision, form: DecisionForm) -> HttpResponse:
    page = {
        "instance": instance,
        "decision": decision,
        "form": form,
        "applies": decision.applies(instance),
        "snapshots": Snapshot.objects.filter(instance=instance).count() if decision.erases else None,
    }
    response = render(request, "decision", f"{decision.title}: {instance.short_id}", **page)
    response.status_code = 400 if form.errors else 200
    return response


def _done(request: HttpRequest, instance: Instance, decision: Decision, form: DecisionForm) -> HttpResponse:
    application, short_id, why = instance.application, instance.short_id, form.cleaned_data["reason"]
    with transaction.atomic():
        # Locked, so that the audit log tells of nothing that another maintainer's action has made untrue.
        # Asked for again: it may have moved to another team's application meanwhile.
        visible = Instance.objects.visible_to(request.user)
        instance = get_object_or_404(visible.select_for_update(of=("self",)), pk=instance.pk)
        flag = DELETION if decision.erases else CHANGE
        audit.note(request.user, [instance], decision.done, reason=why, flag=flag)
        decision.run(instance, why)
    messages.success(request, f"{short_id}: {decision.done.told()}")
    return redirect(application if decision.erases else instance)
