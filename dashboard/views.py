"""The pages: parse the address, ask for the numbers, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext

from dashboard import attention, exports, saved_views, sheets
from dashboard.applications import ApplicationPage
from dashboard.decisions import offered
from dashboard.history import HistoryTable
from dashboard.instances import InstancePage
from dashboard.lifecycle import LifecyclePage
from dashboard.metric import MetricPage
from dashboard.metric_settings import MetricSettingsPage
from dashboard.overview import OverviewPage
from dashboard.saved_views import SavedViews
from dashboard.tables import InstanceTable
from dashboard.versions import VersionsPage
from instances.jobs import why_late
from instances.models import Application, Instance
from metrics import taking
from metrics.models import MetricSetting


def render(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """A page in the admin's own shell: one navigation, one login, one look."""
    shell = {**admin.site.each_context(request), "late": why_late(timezone.now())}
    return TemplateResponse(request, f"dashboard/{template}.html", {**shell, "title": title, **context})


def application_tab(
    request: HttpRequest, application: Application, tab: str, title: str, **context: Any
) -> TemplateResponse:
    """One of an application's pages, whose template is called like its tab."""
    return render(request, tab, title, application=application, tab=tab, **context)


def overview_page(request: HttpRequest) -> HttpResponseBase:
    page = OverviewPage(Application.objects.visible_to(request.user), request.user, request.GET, timezone.now())
    if file := sheets.answer(request, page.sheets, "overview"):
        return file
    # Here regular work that is late stands among what needs a look.
    context = {"page": page, "server_url": request.build_absolute_uri("/"), "late": None}
    return render(request, "overview", gettext("Overview"), **context)


def application_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    saved = SavedViews.of(application, request.user)
    now = timezone.now()
    page = ApplicationPage(application, request.GET, now, saved)
    if file := sheets.answer(request, page.sheets, slug):
        return file
    if request.headers.get("HX-Target") == "instances":
        return instances_part(request, page)
    context = {
        "page": page,
        "attention": attention.of_application(application, request.user, now),
        "server_url": request.build_absolute_uri("/"),
    }
    return application_tab(request, application, "application", application.name, **context)


def metric_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    page = MetricPage(application, request.GET, timezone.now())
    if file := sheets.answer(request, page.sheets, slug):
        return file
    return application_tab(request, application, "metric", page.title, page=page)


def instances_part(request: HttpRequest, page: ApplicationPage) -> HttpResponse:
    """The instance table, and the bars that lead to it, which htmx puts in the place of those that are there."""
    context = {"page": page, "application": page.application}
    response = TemplateResponse(request, "dashboard/_swapped.html", context)
    # While somebody types, what the address was before is no place to go back to.
    header = "HX-Replace-Url" if request.headers.get("HX-Trigger") == "instances-search" else "HX-Push-Url"
    response[header] = page.application.get_absolute_url() + page.table.address_of_page(page.rows.number)
    return response


def instances_file(request: HttpRequest, slug: str, form: str) -> StreamingHttpResponse:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    now = timezone.now()
    catalogue = MetricSetting.objects.metrics_of(application)
    columns = catalogue.ordered(taking.present(application, now).keys)
    table = InstanceTable(application, columns, request.GET, now, catalogue)
    return (sheets.as_json if form == sheets.JSON else sheets.as_csv)(exports.instances(table), slug)


def saved_views_page(request: HttpRequest, slug: str) -> HttpResponse:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    if request.method == "POST":
        return saved_views.save(request, application)
    saved = SavedViews.of(application, request.user)
    title = gettext("Views of %(name)s") % {"name": application.name}
    return application_tab(request, application, "saved_views", title, saved=saved)


def versions_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    page = VersionsPage(application, request.GET, timezone.now())
    if file := sheets.answer(request, page.sheets, slug):
        return file
    title = gettext("Versions of %(name)s") % {"name": application.name}
    return application_tab(request, application, "versions", title, page=page)


def lifecycle_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    page = LifecyclePage(application, request.GET, timezone.now())
    if file := sheets.answer(request, page.sheets, slug):
        return file
    title = gettext("Lifecycle of %(name)s") % {"name": application.name}
    return application_tab(request, application, "lifecycle", title, page=page)


def history_page(request: HttpRequest, slug: str) -> HttpResponse:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    table = HistoryTable(application, request.GET)
    title = gettext("History of %(name)s") % {"name": application.name}
    return application_tab(request, application, "history", title, table=table, rows=table.page())


def history_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    return sheets.as_csv(exports.history(HistoryTable(application, request.GET)), slug)


def instance_page(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    instances = Instance.objects.visible_to(request.user).select_related("application")
    instance = get_object_or_404(instances, pk=pk)
    page = InstancePage(instance, request.GET, timezone.now())
    if file := sheets.answer(request, page.sheets, f"{instance.application.slug}-{instance.short_id}"):
        return file
    context = {"page": page, "instance": instance, "decisions": offered(instance, request.user)}
    return render(request, "instance", f"Instance {instance.short_id}", **context)


def metric_settings_page(request: HttpRequest, slug: str) -> HttpResponse:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    if not request.user.has_perm("metrics.change_metricsetting"):
        raise PermissionDenied(gettext("Ask a superuser for the permission to change metric settings."))
    sent = request.POST if request.method == "POST" else None
    page = MetricSettingsPage(application, request.GET, sent, timezone.now())
    try:
        if sent is not None and page.is_valid:
            messages.success(request, page.save(request.user))
            return redirect(request.get_full_path())
    except ValidationError as error:
        return HttpResponseBadRequest(" ".join(error.messages))
    return application_tab(request, application, "metric_settings", gettext("Metric settings"), page=page)
