"""Badges for READMEs: public, cacheable, and only of applications that publish them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import svg
from dashboard.svg import Badge
from instances.models import Application
from metrics import taking
from metrics.census import Census
from metrics.models import MetricSetting

MAX_AGE_SECONDS = 300
DEFAULT_METRIC = "users_count"
# One text for both, so that nobody can try out which applications there are.
NOT_PUBLISHED = Badge("badge", "unknown or not published", svg.GRAY)


def badge(make: Callable[..., Badge]) -> Callable[..., HttpResponse]:
    """A view of the badge that `make` makes of the application's census, ?label= and ?color= applied."""

    @require_safe
    @wraps(make)
    def view(request: HttpRequest, slug: str, **arguments: str) -> HttpResponse:
        application = Application.objects.filter(slug=slug, publishes_badges=True).first()
        if application is None:
            return respond(NOT_PUBLISHED)
        census = taking.present(application, timezone.now())
        hidden = MetricSetting.objects.overrides(application).hidden
        census.figures = {key: figures for key, figures in census.figures.items() if key not in hidden}
        made = make(census, request, **arguments)
        label = request.GET.get("label") or made.label
        return respond(Badge(label, made.value, svg.color_or(request.GET.get("color", ""), made.color)))

    return view


def respond(made: Badge) -> HttpResponse:
    response = HttpResponse(made.svg(), content_type="image/svg+xml; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response


@badge
def instances(census: Census, request: HttpRequest) -> Badge:
    return Badge("instances", svg.number(census.active), svg.instances_color(census.active))


@badge
def version(census: Census, request: HttpRequest) -> Badge:
    """The version that most instances run."""
    versions = census.dimensions.get("app_version")
    named = sorted((-count, name) for name, count in versions.counts.items() if name) if versions else []
    return Badge("version", named[0][1] if named else "no data", svg.PURPLE)


@badge
def metric(census: Census, request: HttpRequest, name: str) -> Badge:
    figures = census.figures.get(name)
    if figures is None:
        return Badge(name, "no data", svg.GRAY)
    return Badge(name, svg.number(figures["sum"]), svg.metric_color(figures["sum"]))


@badge
def combined(census: Census, request: HttpRequest) -> Badge:
    figures = census.figures.get(request.GET.get("metric") or DEFAULT_METRIC)
    total = svg.number(figures["sum"]) if figures else "0"
    return Badge("adoption", f"{total} / {svg.number(census.active)}", svg.INDIGO)
