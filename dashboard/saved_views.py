"""Saved views of the instance table: to save, open, rename and delete them, and to begin with one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from dashboard import audit
from dashboard.audit import Line
from dashboard.models import SavedView, TooManyViews
from dashboard.panels import description
from dashboard.tables import InstanceTable
from instances.models import Application
from metrics import taking
from metrics.models import MetricSetting

PERMISSION = "instances.change_application"


class NameForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name alone: what a view asks for is checked where the table reads it."""

    class Meta:
        model = SavedView
        fields = ["name"]


class SaveForm(NameForm):
    query = forms.CharField(required=False, strip=False)
    for_all = forms.BooleanField(required=False)


@dataclass(frozen=True)
class SavedViews:
    """Those of one application that a user may open, the user's own first."""

    application: Application
    views: list[SavedView]
    may_share: bool

    @classmethod
    def of(cls, application: Application, user: Any) -> SavedViews:
        views = list(SavedView.objects.of(application).open_to(user))
        for view in views:
            view.application = application
        return cls(application, sorted(views, key=lambda view: view.is_for_all), user.has_perm(PERMISSION))

    @property
    def default(self) -> SavedView | None:
        """What the page shows when nothing is asked for: what the user has chosen, else what was chosen for all."""
        return next((view for view in self.views if view.is_default), None)

    def listed(self) -> list[tuple[SavedView, bool, list[tuple[str, str]]]]:
        """Each view, with whether the user may change it, and what it asks for in words."""
        read = reader(self.application)
        return [(view, self.may_share or not view.is_for_all, description(read(view.query))) for view in self.views]


@dataclass(frozen=True)
class Act:
    """What can be done to a view: `done` is said of it by its name to who does it, and in English in the audit log."""

    run: Callable[[SavedView], object]
    done: Line


ACTIONS = {
    "delete": Act(lambda view: view.delete(), Line.VIEW_DELETED),
    "default": Act(lambda view: view.make_default(), Line.VIEW_IS_DEFAULT),
    "no-default": Act(
        lambda view: view.make_default(is_default=False),
        Line.VIEW_IS_NO_DEFAULT,
    ),
}


def save(request: HttpRequest, application: Application) -> HttpResponse:
    """Saves what the form says, and goes back to the table."""
    form = SaveForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("A view needs a name: one line of at most 60 characters."))
        return redirect(f"{application.get_absolute_url()}#instances")
    name, for_all = form.cleaned_data["name"], form.cleaned_data["for_all"]
    _check(request, for_all=for_all)
    # Twice as much as the longest view can have, as some of it may mean nothing.
    query = reader(application)(form.cleaned_data["query"][: 2 * SavedView.LONGEST_QUERY]).saved_query
    view = SavedView(application=application, name=name, query=query)
    if len(query) > SavedView.LONGEST_QUERY:
        messages.error(request, gettext("This view asks for too much to be saved. Choose fewer values or columns."))
        return redirect(view)
    try:
        with transaction.atomic():
            done = _keep(view, None if for_all else int(request.user.pk or 0))
            _note(request, view, done, for_all=for_all, name=name)
    except TooManyViews:
        most = {"most": SavedView.MOST}
        messages.error(request, gettext("There are %(most)s views already. Delete one that nobody opens.") % most)
    except IntegrityError:
        # Somebody has saved one by this name at this very moment, or the application is gone.
        messages.error(request, gettext("It could not be saved. Try it again."))
    else:
        messages.success(request, done.told(name=name))
    return redirect(view)


def _keep(view: SavedView, owner_id: int | None) -> Line:
    replaced = SavedView.keep(view.application, owner_id, view.name, view.query)
    if replaced:
        return Line.VIEW_REPLACED
    return Line.VIEW_SAVED


def reader(application: Application) -> Callable[[str], InstanceTable]:
    """What reads the query strings of an application's views as its page does."""
    now = timezone.now()
    catalogue = MetricSetting.objects.metrics_of(application)
    keys = catalogue.ordered(taking.present(application, now).keys)
    return lambda query: InstanceTable(application, keys, QueryDict(query), now, catalogue)


@require_POST
def change(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponse:
    """Renames a view, or does to it what its name says."""
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    view = get_object_or_404(SavedView.objects.of(application).open_to(request.user), pk=pk)
    if name != "rename" and name not in ACTIONS:
        return HttpResponseBadRequest(f"There is no such action. Choose one of: rename, {', '.join(ACTIONS)}.")
    _check(request, for_all=view.is_for_all)
    if name == "rename":
        _rename(request, view)
    else:
        done, called = ACTIONS[name].done, view.name
        with transaction.atomic():
            _note(request, view, done, for_all=view.is_for_all, name=called)
            ACTIONS[name].run(view)
        messages.success(request, done.told(name=called))
    return redirect("dashboard:saved_views", slug)


def _rename(request: HttpRequest, view: SavedView) -> None:
    before = view.name
    form = NameForm(request.POST, instance=view)
    if not form.is_valid():
        messages.error(request, " ".join(text for texts in form.errors.values() for text in map(str, texts)))
        return
    names = {"before": before, "name": view.name}
    try:
        with transaction.atomic():
            view.save(update_fields=["name"])
            _note(request, view, Line.VIEW_RENAMED, for_all=view.is_for_all, **names)
    except IntegrityError:
        messages.error(request, gettext("Another view is called so. Choose another name."))
    else:
        messages.success(request, Line.VIEW_RENAMED.told(**names))


def _check(request: HttpRequest, *, for_all: bool) -> None:
    if for_all and not request.user.has_perm(PERMISSION):
        raise PermissionDenied(
            gettext("Ask a superuser for the permission to manage applications, or save a view of your own.")
        )


def _note(request: HttpRequest, view: SavedView, done: Line, *, for_all: bool, **names: str) -> None:
    """A line in the audit log, of what changes the page for others."""
    if for_all:
        audit.note(request.user, [view.application], done, names)
