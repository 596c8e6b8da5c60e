"""The admin site, which is the shell of all pages: who gets in, and how."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        # The colours are in theme.css, because a style element would have to be let through in any page.
        return {**super().each_context(request), "colors": None}

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from dashboard.signing_in import SignInView  # Django imports this module before there are any models.

        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": "Log in",
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return SignInView.as_view(extra_context=context)(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from dashboard.signing_in import OwnPasswordView

        context = {**self.each_context(request), **(extra_context or {})}
        request.current_app = self.name
        view = OwnPasswordView.as_view(extra_context=context, success_url=reverse("admin:password_change_done"))
        return view(request)
