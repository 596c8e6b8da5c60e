"""Whether a timestamp that an instance has signed is one of now, as far as its and this server's clocks may differ."""

from datetime import datetime, timedelta

from django.conf import settings

from instances.exceptions import TimestampOutOfRange
from instances.wire import format_timestamp


def check_timestamp(timestamp: datetime, now: datetime, oldest: timedelta) -> None:
    """Raises TimestampOutOfRange for one further ahead than clocks may be, or further behind than `oldest`."""
    ahead, behind = timestamp - now, now - timestamp
    if ahead <= settings.CLOCK_TOLERANCE and behind <= oldest:
        return
    too_far = ahead > settings.CLOCK_TOLERANCE
    allowed = f"{_span(settings.CLOCK_TOLERANCE)} ahead of" if too_far else f"{_span(oldest)} behind"
    raise TimestampOutOfRange(
        f"timestamp is more than {allowed} this server's time, {format_timestamp(now)}. Set the clock right.",
        timestamp,
        now,
    )


def _span(span: timedelta) -> str:
    """In the largest unit of which it is a whole number: 7 days, 36 hours, 90 minutes."""
    units = {"days": timedelta(days=1), "hours": timedelta(hours=1), "minutes": timedelta(minutes=1)}
    for name, unit in units.items():
        if not span % unit:
            return f"{span // unit} {name}"
    return f"{span.total_seconds():g} seconds"
