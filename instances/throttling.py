"""Limits on the signed API, kept in the database so that every worker process counts the same."""

import hashlib
import hmac
import ipaddress
import time

from django.conf import settings
from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from instances.authentication import signer
from instances.models import RateBucket
from instances.rates import Rate, Verdict, verdict

SALT_LIFETIME_SECONDS = 24 * 3600
# Networks are told apart by so many hexadecimal digits of their hash, so there are never more than a million buckets
# for them in a day, however many networks a flood comes from. Two that share one are rare, never the same for longer
# than a day, and nobody can choose whose bucket to share.
NETWORK_DIGITS = 5
# So many buckets are deleted in one transaction.
SWEEP_BATCH = 10_000

# One statement, so that requests at the same moment cannot both take the last place. It changes nothing, and so
# returns nothing, when the request may not pass. `source` gives the rows.
TAKE = """
    INSERT INTO instances_ratebucket AS bucket (key, arrival) {source}
    ON CONFLICT (key) DO UPDATE
    SET arrival = CASE WHEN bucket.arrival > %(now)s THEN bucket.arrival ELSE %(now)s END + %(interval)s
    WHERE CASE WHEN bucket.arrival > %(now)s THEN bucket.arrival ELSE %(now)s END + %(interval)s
        <= %(now)s + %(tolerance)s + 1e-6
    RETURNING key, arrival
"""
_TAKE_ONE = TAKE.format(source="VALUES (%(key)s, %(now)s + %(interval)s)")


def take(rate: Rate, key: str, now: float) -> Verdict:
    """Counts one request against the bucket, if it may pass. `now`: epoch seconds."""
    parameters: dict[str, str | float] = {
        "key": key,
        "now": now,
        "interval": rate.interval,
        "tolerance": rate.tolerance,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_ONE, parameters)
        row = cursor.fetchone()
    return verdict(rate, row[1], now, allowed=True) if row else refused(rate, key, now)


def refused(rate: Rate, key: str, now: float) -> Verdict:
    """What to tell whoever the bucket has no place for."""
    arrival = RateBucket.objects.values_list("arrival", flat=True).filter(key=key).first()
    return verdict(rate, arrival if arrival is not None else now + rate.tolerance, now, allowed=False)


def sweep(now: float) -> int:
    """Deletes the buckets that are full again, which say nothing any more. Returns how many.

    Some at a time, and none that somebody is taking from: whoever takes from several in one statement, in an order of
    its own, would wait for this and this for them.
    """
    full = RateBucket.objects.filter(arrival__lt=now)
    swept = 0
    while True:
        with transaction.atomic():
            keys = list(full.select_for_update(skip_locked=True).values_list("key", flat=True)[:SWEEP_BATCH])
            RateBucket.objects.filter(key__in=keys).delete()
        swept += len(keys)
        if len(keys) < SWEEP_BATCH:
            return swept


def bucket_key(scope: str, client: str, now: float) -> str:
    """A hash that cannot be turned back into the client, and that is another one after a day."""
    salt = f"{settings.SECRET_KEY}:{int(now // SALT_LIFETIME_SECONDS)}"
    return hmac.new(salt.encode(), f"{scope}:{client}".encode(), hashlib.sha256).hexdigest()


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 /64, all of which one household or host commands."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class RateThrottle(BaseThrottle):
    """One of settings.RATELIMITS, applied to whoever `client` says. Leaves its verdict on the view for the headers."""

    scope: str
    verdict: Verdict | None = None

    def client(self, request: Request) -> str:
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not settings.RATELIMIT_ENABLED:
            return True
        now = time.time()
        rate = settings.RATELIMITS[self.scope]
        self.verdict = take(rate, bucket_key(self.scope, self.client(request), now), now)
        view.rate_verdict = self.verdict  # type: ignore[attr-defined]
        return self.verdict.allowed

    def wait(self) -> float | None:
        return self.verdict.retry_after if self.verdict else None


class PerAddress(RateThrottle):
    """Register and activate, counted together."""

    scope = "register"

    def client(self, request: Request) -> str:
        network = network_of(request.META.get("REMOTE_ADDR", ""))
        return bucket_key("network", network, time.time())[:NETWORK_DIGITS]


class PerInstance(RateThrottle):
    """Runs after authentication, so that nobody but the instance itself uses up its share."""

    scope = "snapshot"

    def client(self, request: Request) -> str:
        return str(signer(request).instance_id)
