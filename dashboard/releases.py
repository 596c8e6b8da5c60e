"""What maintainers say of releases: when a version came out, and that one was none."""

from __future__ import annotations

from datetime import UTC, datetime

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from dashboard import audit
from dashboard.audit import Line
from instances.models import Application
from instances.models.applications import ONE_LINE
from metrics import releases
from metrics.models import Release
from metrics.versions import is_version, rank

EARLIEST_YEAR = 1980
# Of one application; nobody enters so many, and a page lists them all.
MAX_BY_HAND = 300


class ReleaseForm(forms.Form):
    """When a version came out."""

    version = forms.CharField(label=gettext_lazy("Version"), max_length=100, validators=[ONE_LINE])
    released_at = forms.DateTimeField(
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="release_%s")
        zone = timezone.get_current_timezone_name()
        self.fields["released_at"].label = gettext("Released (%(zone)s)") % {"zone": zone}
        for field in self.fields.values():
            field.widget.attrs["class"] = "shm-input"
        self.fields["version"].widget.attrs.update({"list": "release_versions", "autocomplete": "off"})

    def clean_released_at(self) -> datetime:
        at: datetime = self.cleaned_data["released_at"]
        if at.year < EARLIEST_YEAR or at > timezone.now():
            raise ValidationError(gettext("A release lies in the past. Correct the date."))
        return at


@require_POST
def save(request: HttpRequest, slug: str) -> HttpResponse:
    """Sets the date of a release, which may be one that is not known yet."""
    application = _changeable(request, slug)
    form = ReleaseForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
    elif application.releases.filter(by_hand=True).count() >= MAX_BY_HAND:
        messages.error(
            request, gettext("There are too many dates that were set by hand. Take back some of them first.")
        )
    else:
        version, at = form.cleaned_data["version"], form.cleaned_data["released_at"]
        with transaction.atomic():
            version = _known_as(application, version)
            said = {"released_at": at, "by_hand": True, "hidden": False}
            Release.objects.update_or_create(application=application, version=version, defaults=said)
            date = f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
            audit.note(request.user, [application], Line.RELEASED, {"version": version, "date": date})
        messages.success(request, gettext("The date of %(version)s is set.") % {"version": version})
    return _back(application)


@require_POST
def decide(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponse:
    """Takes a version for no release ("hide") or for one again ("show"), or takes back the date that was set by hand
    ("reset")."""
    application = _changeable(request, slug)
    row = get_object_or_404(Release, pk=pk, application=application)
    with transaction.atomic():
        match name:
            case "hide":
                Release.objects.filter(pk=pk).update(hidden=True)
                line, done = Line.RELEASE_HIDDEN, gettext("%(version)s is taken for no release.")
            case "show":
                Release.objects.filter(pk=pk).update(hidden=False)
                line, done = Line.RELEASE_SHOWN, gettext("%(version)s is taken for a release again.")
            case "reset":
                row.delete()
                line, done = Line.RELEASE_RESET, gettext("The date of %(version)s is what the fleet shows again.")
            case _:
                return HttpResponseBadRequest("There is no such action. Choose one of: hide, show, reset.")
        # A version that was none may have kept others from being dated.
        releases.note_again(application, timezone.now())
        audit.note(request.user, [application], line, {"version": row.version})
    messages.success(request, done % {"version": row.version})
    return _back(application)


def _changeable(request: HttpRequest, slug: str) -> Application:
    application = get_object_or_404(Application.objects.visible_to(request.user), slug=slug)
    if not request.user.has_perm("instances.change_application"):
        raise PermissionDenied(gettext("Ask a superuser for the permission to manage applications."))
    return application


def _known_as(application: Application, version: str) -> str:
    """The version as it is written in the release that is known of it, or as it is."""
    known = list(application.releases.values_list("version", flat=True))
    same = [other for other in known if is_version(version) and rank(other) == rank(version)]
    return version if version in known else next(iter(same), version)


def _back(application: Application) -> HttpResponse:
    # To its beginning, where it says what has been done.
    return redirect("dashboard:versions", application.slug)
