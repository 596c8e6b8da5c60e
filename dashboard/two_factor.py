"""The pages of two-factor sign-in: the code after the password, setting up, turning off."""

from __future__ import annotations

import time
from typing import Any, cast

import segno
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from django_otp import login as mark_session
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key

from dashboard import audit, browsers, codes, guesses
from dashboard.audit import Line
from dashboard.guesses import Limited, Share, TooManyTries

PENDING, KEY = "sign_in_pending", "two_factor_key"
# After so long without a code the password is asked for again.
PENDING_SECONDS = 300


def await_code(request: HttpRequest, user: User) -> None:
    """Notes in the session whose password was right. Nobody is signed in by it."""
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "backend": user.backend,
        "until": time.time() + PENDING_SECONDS,
    }


def awaited(request: HttpRequest) -> User | None:
    """Whose code the session waits for, if it still does."""
    pending = request.session.get(PENDING)
    if pending is None or time.time() > pending["until"]:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), pending["hash"]):
        return None
    return user


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=32,
        help_text=_("Six digits from your authenticator app, or a recovery code."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": "", "autocapitalize": "none"}),
    )
    refusal: TooManyTries | None = None
    device: Any = None

    def __init__(self, request: HttpRequest, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.user = request, user
        admin_look(self)

    def clean_code(self) -> str:
        known = browsers.known_to(self.user.get_username(), self.request)
        address = self.request.META.get("REMOTE_ADDR", "")
        shares = guesses.shares_of_code(str(self.user.pk), address, known)
        try:
            guesses.count(shares)
        except TooManyTries as refusal:
            self.refusal = refusal
            raise
        code: str = self.cleaned_data["code"]
        self.device = codes.check(self.user, code)
        if self.device is None:
            raise ValidationError(
                gettext("This code is not right, or was used before. Wait for the next one and enter that.")
            )
        guesses.forgive(shares)
        return code


class CodeView(Limited, LoginView):
    """The second step of signing in."""

    template_name = "dashboard/sign_in_code.html"
    user: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = awaited(request)
        if user is None:
            return redirect("admin:login")
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> Any:
        return CodeForm(self.request, self.user, self.request.POST or None)

    def form_valid(self, form: Any) -> HttpResponse:
        pending = self.request.session.pop(PENDING)
        user = self.user
        user.otp_device = codes.app_of(user)  # type: ignore[attr-defined] # Noted in the session by django-otp.
        login(self.request, user, pending["backend"])
        if isinstance(form.device, StaticDevice):
            audit.note(user, [user], Line.RECOVERY_CODE_USED)
            left = form.device.token_set.count()
            messages.warning(self.request, gettext("That recovery code is used up. Left: %(left)d.") % {"left": left})
        response = redirect(self.get_success_url())
        browsers.remember(response, user)
        return response


class PasswordForm(forms.Form):
    """Asks for the account's password, so that a stolen session cannot change how one signs in."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    refusal: TooManyTries | None = None

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        admin_look(self)

    def clean_password(self) -> str:
        shares = [Share("guess", f"session:{self.request.session.session_key}")]
        try:
            guesses.count(shares)
        except TooManyTries as refusal:
            self.refusal = refusal
            raise
        password: str = self.cleaned_data["password"]
        if not self.request.user.check_password(password):
            raise ValidationError(gettext("This is not your password. Enter the one that you sign in with."))
        guesses.forgive(shares)
        return password


class SetUpForm(PasswordForm):
    code = forms.CharField(
        label=_("Code that the app shows"),
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    field_order = ["code", "password"]
    recovery_codes: list[str] | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            code = "".join(cleaned["code"].split())
            self.recovery_codes = codes.set_up(owner(self.request), self.request.session[KEY], code)
            if self.recovery_codes is None:
                wrong = gettext("This code is not right. Check the clock of the device, and enter the next one.")
                self.add_error("code", wrong)
        return cleaned


def owner(request: HttpRequest) -> User:
    """Who has asked for a page about their own account, which lets nobody else in."""
    return cast(User, request.user)


def admin_look(form: forms.Form) -> None:
    for field in form.fields.values():
        field.widget.attrs["class"] = "shm-input"


def two_factor_page(request: HttpRequest) -> HttpResponse:
    """Sets it up, or says that it is set up and what can be done then."""
    if codes.app_of(owner(request)):
        return manage_page(request, PasswordForm(request))
    request.session.setdefault(KEY, default_key())
    form = SetUpForm(request, request.POST or None)
    if not form.is_valid():
        device = TOTPDevice(user=owner(request), key=request.session[KEY])
        key = device.config_url.partition("secret=")[2].partition("&")[0]
        groups = [key[i : i + 4] for i in range(0, len(key), 4)]
        return page(request, "two_factor_set_up", form, picture=picture_of(device.config_url), key=" ".join(groups))
    del request.session[KEY]
    app = codes.app_of(owner(request))
    request.session.cycle_key()
    mark_session(request, app)
    return recovery_page(request, form.recovery_codes or [])


@require_POST
def turn_off(request: HttpRequest) -> HttpResponse:
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        return manage_page(request, form)
    if codes.turn_off(owner(request), by=owner(request)):
        messages.success(request, gettext("Two-factor sign-in is off."))
    return redirect("admin:two_factor")


@require_POST
def renew(request: HttpRequest) -> HttpResponse:
    form = PasswordForm(request, request.POST)
    if not codes.app_of(owner(request)):
        return redirect("admin:two_factor")
    return recovery_page(request, codes.renew(owner(request))) if form.is_valid() else manage_page(request, form)


def manage_page(request: HttpRequest, form: PasswordForm) -> HttpResponse:
    recovery = codes.recovery_of(owner(request))
    return page(request, "two_factor", form, codes_left=recovery.token_set.count() if recovery else 0)


def recovery_page(request: HttpRequest, recovery_codes: list[str]) -> HttpResponse:
    return page(request, "recovery_codes", None, codes=[f"{code[:4]} {code[4:]}" for code in recovery_codes])


def page(request: HttpRequest, template: str, form: PasswordForm | None, **context: Any) -> HttpResponse:
    shell = {**admin.site.each_context(request), "title": gettext("Two-factor sign-in"), "form": form}
    response = TemplateResponse(request, f"dashboard/{template}.html", {**shell, **context})
    return form.refusal.mark(response) if form and form.refusal else response


def picture_of(url: str) -> SafeString:
    """A QR code as an SVG element of any size, which needs no address of its own and no style."""
    svg = segno.make(url, error="m", micro=False).svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    return mark_safe(svg)  # noqa: S308 - made of squares; the text is not in it
