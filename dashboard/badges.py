"""Badges for READMEs: public, cacheable, and only of applications that publish them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import svg
from dashboard.numbers import Number, write
from dashboard.svg import Badge
from instances.models import Application
from metrics import taking
from metrics.census import Census
from metrics.keys import Metrics
from metrics.models import MetricSetting
from metrics.units import SHARES

MAX_AGE_SECONDS = 300
DEFAULT_METRIC = "users_count"
# One text for both, so that nobody can try out which applications there are.
NOT_PUBLISHED = Badge("badge", "unknown or not published", svg.GRAY)


@dataclass(frozen=True)
class Fleet:
    """What is published of an application: its census, less what is hidden."""

    census: Census
    metrics: Metrics

    def value(self, key: str) -> Number | None:
        """A metric's number, the same as on its card; None if nobody reports it, or if it is hidden."""
        metric, figures = self.metrics[key], self.census.figures.get(key)
        return metric.value(figures) if figures and not metric.hidden else None

    def text(self, key: str, value: Number) -> str:
        """In SHM's notation, which knows no units; only a share is a percentage, as it would be rounded to 0 or 1."""
        unit = self.metrics[key].unit
        return write(value, unit) if unit in SHARES else svg.number(value)


def badge(make: Callable[..., Badge]) -> Callable[..., HttpResponse]:
    """A view of the badge that `make` makes of the application's census, ?label= and ?color= applied."""

    @require_safe
    @wraps(make)
    def view(request: HttpRequest, slug: str, **arguments: str) -> HttpResponse:
        application = Application.objects.filter(slug=slug, publishes_badges=True).first()
        if application is None:
            return respond(NOT_PUBLISHED)
        fleet = Fleet(taking.present(application, timezone.now()), MetricSetting.objects.metrics_of(application))
        made = make(fleet, request, **arguments)
        label = request.GET.get("label") or made.label
        return respond(Badge(label, made.value, svg.color_or(request.GET.get("color", ""), made.color)))

    return view


def respond(made: Badge) -> HttpResponse:
    response = HttpResponse(made.svg(), content_type="image/svg+xml; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response


@badge
def instances(fleet: Fleet, request: HttpRequest) -> Badge:
    active = fleet.census.active
    return Badge("instances", svg.number(active), svg.instances_color(active))


@badge
def version(fleet: Fleet, request: HttpRequest) -> Badge:
    """The version that most instances run."""
    versions = fleet.census.dimensions.get("app_version")
    named = sorted((-count, name) for name, count in versions.counts.items() if name) if versions else []
    return Badge("version", named[0][1] if named else "no data", svg.PURPLE)


@badge
def metric(fleet: Fleet, request: HttpRequest, name: str) -> Badge:
    value = fleet.value(name)
    if value is None:
        return Badge(name, "no data", svg.GRAY)
    return Badge(name, fleet.text(name, value), svg.metric_color(value))


@badge
def combined(fleet: Fleet, request: HttpRequest) -> Badge:
    key = request.GET.get("metric") or DEFAULT_METRIC
    value = fleet.value(key)
    text = "0" if value is None else fleet.text(key, value)
    return Badge("adoption", f"{text} / {svg.number(fleet.census.active)}", svg.INDIGO)
