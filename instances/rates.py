"""Rates: how many requests are let through in a time, and how many at once.

The generic cell rate algorithm (ITU-T I.371): one number per bucket, its "theoretical arrival time", says all
that a token bucket's fill level and clock would. Pure: the store is throttling's business.
"""

import math
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Rate:
    """`requests` in each `period` on average, at most `burst` of them at one moment."""

    requests: int
    period: timedelta
    burst: int

    @property
    def interval(self) -> float:
        """Seconds after which one more request is allowed."""
        return self.period.total_seconds() / self.requests

    @property
    def tolerance(self) -> float:
        """How far, in seconds, a bucket's arrival time may lie ahead of the clock after a request was let through."""
        return self.interval * self.burst


@dataclass(frozen=True)
class Verdict:
    """What became of one request: `remaining` more would pass now; from `reset` (epoch seconds) on, a whole burst."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int


def verdict(rate: Rate, arrival: float, now: float, allowed: bool) -> Verdict:
    """What to tell the client. `arrival` (epoch seconds) is the bucket's, with this request if it was allowed."""
    ahead = max(0.0, arrival - now)
    return Verdict(
        allowed=allowed,
        limit=rate.requests,
        # The small term keeps a bucket that is exactly empty from being rounded down to one less than it holds.
        remaining=max(0, int((rate.tolerance - ahead) / rate.interval + 1e-6)),
        reset=math.ceil(now + ahead),
        retry_after=max(1, math.ceil(ahead + rate.interval - rate.tolerance)),
    )
