"""How often passwords and codes may be tried, counted before they are checked: checking costs what guessing should.

A try counts against the address that it comes from, against the account at that address, and against the account
from everywhere. Names are counted as they are typed, whether there is such an account or not. A browser in which the
account has signed in before has a share of its own (see browsers), so that strangers' tries do not hold it up.
"""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import ngettext

from instances.models import RateBucket
from instances.rates import Rate, Verdict
from instances.throttling import bucket_key, network_of, take

LONGEST_NAME = 200


@dataclass(frozen=True)
class Share:
    """What a try is counted against: one of settings.RATELIMITS, and whose."""

    scope: str
    whose: str
    # An address can hold back all accounts behind it, so success with one gives no more tries at others.
    is_forgiven: bool = True

    @property
    def rate(self) -> Rate:
        return settings.RATELIMITS[self.scope]

    def key(self, now: float) -> str:
        return bucket_key(f"guess:{self.scope}", self.whose, now)


class TooManyTries(ValidationError):
    """Says how long to wait, and nothing about the account."""

    def __init__(self, verdict: Verdict) -> None:
        minutes = math.ceil(verdict.retry_after / 60)
        message = ngettext(
            "There were too many tries. Wait a minute, then try again.",
            "There were too many tries. Wait %(minutes)d minutes, then try again.",
            max(minutes, 1),
        )
        super().__init__(message % {"minutes": minutes}, code="too_many_tries")
        self.retry_after = verdict.retry_after

    def mark(self, response: HttpResponse) -> HttpResponse:
        """The page that shows it, with the status and the header that say the same to programs."""
        response.status_code = 429
        response["Retry-After"] = str(self.retry_after)
        return response


class Limited:
    """A form's view that answers 429 when the form was refused for too many tries."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        return form.refusal.mark(response) if form.refusal else response


def same_name(name: str) -> str:
    """One text for all the ways to type a name: wide letters, upper case, spaces around it."""
    name = name[:LONGEST_NAME]  # Longer ones are nobody's, and some letters become eighteen.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def shares_of(name: str, address: str, browser: str) -> list[Share]:
    """What a try at the account's password or code counts against. `browser`: "" unless it is known to the account."""
    account, network = same_name(name), network_of(address)
    if browser:
        return [Share("guess", f"browser:{browser}")]
    # In this order, and each only if the one before lets it pass: one address can take a tenth of what an account
    # has for everywhere and no more, so it takes many to keep a new browser of the account's out.
    return [
        Share("sign_in", network, is_forgiven=False),
        Share("guess", f"account:{account}:{network}"),
        Share("account", account, is_forgiven=False),
    ]


def shares_of_code(account: str, address: str, browser: str) -> list[Share]:
    """The same for the second step, which who knows the password comes to: a right password forgives none of these."""
    if browser:
        return [Share("guess", f"code:browser:{browser}")]
    return [Share("sign_in", network_of(address), is_forgiven=False), Share("guess", f"code:{account}")]


def count(shares: Iterable[Share]) -> None:
    """Counts one try. Raises TooManyTries if one of the shares is used up."""
    if not settings.RATELIMIT_ENABLED:
        return
    now = time.time()
    for share in shares:
        verdict = take(share.rate, share.key(now), now)
        if not verdict.allowed:
            raise TooManyTries(verdict)


def forgive(shares: Iterable[Share]) -> None:
    """After a right one: what was wrong before it counts no more."""
    now = time.time()
    keys = [share.key(now) for share in shares if share.is_forgiven]
    RateBucket.objects.filter(key__in=keys).delete()
