"""Django's admin over applications, instances, keys, teams, users and the audit log, scoped to the user's teams."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from dashboard.admin import access, applications, instances, upkeep

__all__ = ["access", "applications", "instances", "upkeep"]


def not_here(request: HttpRequest, **address: str) -> HttpResponse:
    raise Http404("Pages link to each other by their own addresses.")


# The shell's search over all models is linked from nowhere, and fails for a page that is no number.
admin.site.search = not_here  # type: ignore[attr-defined]

# Django's /admin/r/ leads anybody on the staff to any object's address, and the slug in it is for its team alone.
admin.site.extra_urls = lambda: [  # type: ignore[attr-defined]
    path("r/<path:content_type_id>/<path:object_id>/", not_here)
]
