"""Signing in, and changing one's password: Django's views and forms, with a limit on guesses before any is checked."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from dashboard import audit, browsers, codes, guesses, two_factor
from dashboard.audit import Line
from dashboard.guesses import Limited, Share, TooManyTries


class SignInForm(AuthenticationForm):
    refusal: TooManyTries | None = None

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name is None or not password:
            return super().clean()  # Nothing is checked then, and so nothing counted.
        address = self.request.META.get("REMOTE_ADDR", "")
        shares = guesses.shares_of(name, address, browsers.known_to(name, self.request))
        try:
            guesses.count(shares)
        except TooManyTries as refusal:
            self.refusal = refusal
            raise
        cleaned = super().clean()
        guesses.forgive(shares)
        return cleaned


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Asks for the old password, which whoever has stolen a session does not know."""

    refusal: TooManyTries | None = None

    def __init__(self, user: User, *args: Any, session_key: str, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        # By session, not by account: the owner signs in anew and is free of what a thief has used up.
        self.shares = [Share("guess", f"session:{session_key}")]

    def clean_old_password(self) -> str:
        try:
            guesses.count(self.shares)
        except TooManyTries as refusal:
            self.refusal = refusal
            raise
        password = super().clean_old_password()
        guesses.forgive(self.shares)
        return password


class SignInView(Limited, LoginView):
    authentication_form = SignInForm
    template_name = "admin/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if codes.app_of(user):
            two_factor.await_code(self.request, user)
            address = self.get_redirect_url()
            return redirect(reverse("admin:sign_in_code", query={"next": address} if address else None))
        response = super().form_valid(form)
        browsers.remember(response, user)
        return response


class OwnPasswordView(Limited, PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "session_key": self.request.session.session_key}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        audit.note(form.user, [form.user], Line.PASSWORD_CHANGED)
        return response
