"""The admin site, which is the shell of all pages: who gets in, and how."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from shm_site.pages import uncompressed

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Site(UnfoldAdminSite):
    """Imports what has to do with models where it is used: Django loads this module before there are any."""

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        # The colours are in theme.css, because a style element would have to be let through in any page.
        context = {**super().each_context(request), "colors": None}
        if not self.has_permission(request):
            context["available_apps"] = []  # Else the shell lists them, for who has yet to set up the second factor.
        return context

    def get_urls(self) -> list[Any]:
        from dashboard import two_factor

        def own(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
            return never_cache(uncompressed(self.own_account(view)))

        return [
            path("login/code/", self.sign_in_code, name="sign_in_code"),
            path("two-factor/", own(two_factor.two_factor_page), name="two_factor"),
            path("two-factor/off/", own(two_factor.turn_off), name="two_factor_off"),
            path("two-factor/codes/", own(two_factor.renew), name="two_factor_codes"),
            *super().get_urls(),
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        from dashboard import codes

        if not super().has_permission(request):
            return False
        # Who still has to set up a second factor may leave instead.
        return codes.is_satisfied(request, cast("User", request.user)) or request.path == reverse("admin:logout")

    def lacks_second_factor(self, request: HttpRequest) -> bool:
        """Whether the user is signed in as far as possible without the second factor that the site asks for."""
        from dashboard import codes

        if not (settings.REQUIRE_2FA and super().has_permission(request)):
            return False
        return codes.app_of(cast("User", request.user)) is None

    def own_account(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        """A page about the user's own sign-in, open as well to who has yet to set up the second factor."""

        @wraps(view)
        def guarded(request: HttpRequest) -> HttpResponseBase:
            if self.has_permission(request) or self.lacks_second_factor(request):
                return view(request)
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))

        return guarded

    @method_decorator(never_cache)
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        # The sidebar of every page lists what there is. A second list would have to be kept in the same words.
        return redirect("dashboard:overview")

    @method_decorator(never_cache)
    @login_not_required
    def sign_in_code(self, request: HttpRequest) -> HttpResponseBase:
        from dashboard.two_factor import CodeView

        context = {**self.each_context(request), "title": gettext("Enter the code"), "subtitle": None}
        return CodeView.as_view(extra_context=context)(request)

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from dashboard.signing_in import SignInView

        if request.method == "GET" and self.has_permission(request):
            return redirect("dashboard:overview")
        if request.method == "GET" and self.lacks_second_factor(request):
            return redirect("admin:two_factor")
        context = {
            **self.each_context(request),
            "title": gettext("Log in"),
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
