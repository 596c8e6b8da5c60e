"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

What is secret and how it is checked is django-otp's. A user has at most one app and one set of recovery codes.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY, verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dashboard import audit
from dashboard.audit import Line

RECOVERY_CODES = 10
APP_DIGITS = 6


def app_of(user: User) -> TOTPDevice | None:
    """The authenticator app that the user has set up. Asked for once for each user object, and so for each request."""
    if not hasattr(user, "authenticator_app"):
        user.authenticator_app = _apps(user).first()  # type: ignore[attr-defined]
    return user.authenticator_app  # type: ignore[attr-defined]


def recovery_of(user: User) -> StaticDevice | None:
    return StaticDevice.objects.filter(user=user.pk, confirmed=True).first()


def is_satisfied(request: HttpRequest, user: User) -> bool:
    """Whether the session has shown all that the account asks for."""
    app = app_of(user)
    if app is None:
        return not settings.REQUIRE_2FA
    # Sessions from before it was set up, or from before it was set up anew, have shown a password alone.
    return request.session.get(DEVICE_ID_SESSION_KEY) == app.persistent_id  # type: ignore[no-any-return]


def check(user: User, code: str) -> Device | None:
    """What accepts the code: the app or the recovery codes. Either takes each code once."""
    code = "".join(code.split()).replace("-", "").lower()
    is_apps = len(code) == APP_DIGITS and code.isascii() and code.isdigit()
    device = app_of(user) if is_apps else recovery_of(user)
    # Locks the device, so that of two requests with one code one is let in.
    return verify_token(user, device.persistent_id, code) if device else None


def set_up(user: User, key: str, code: str) -> list[str] | None:
    """Takes the app with this key (hex) into use, if the code is of it. Returns the recovery codes."""
    with transaction.atomic():
        # Locked, so that two of the user's browsers do not set up one each.
        User.objects.select_for_update().get(pk=user.pk)
        if _apps(user).exists():
            return None
        app = TOTPDevice.objects.create(user=user, name="Authenticator app", key=key)
        if not app.verify_token(code):
            app.delete()
            return None
        codes = _new_codes(user)
        audit.note(user, [user], Line.TWO_FACTOR_SET_UP)
    user.authenticator_app = app  # type: ignore[attr-defined]
    return codes


def renew(user: User) -> list[str]:
    """Other recovery codes; those from before are void."""
    with transaction.atomic():
        codes = _new_codes(user)
        audit.note(user, [user], Line.CODES_RENEWED)
    return codes


def turn_off(user: User, by: User) -> bool:
    """Deletes app and recovery codes. Whether it was on."""
    with transaction.atomic():
        number, _ = _apps(user).delete()
        StaticDevice.objects.filter(user=user.pk).delete()
        if number:
            audit.note(by, [user], Line.TWO_FACTOR_OFF)
    user.authenticator_app = None  # type: ignore[attr-defined]
    return bool(number)


def _apps(user: User) -> QuerySet[TOTPDevice]:
    return TOTPDevice.objects.filter(user=user.pk, confirmed=True)  # type: ignore[no-any-return]


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="Recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes
