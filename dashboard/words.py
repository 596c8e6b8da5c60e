"""Lengths of time in words."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import ngettext

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def span(length: timedelta) -> str:
    """In the unit that needs no fraction: 45 seconds, 59 minutes, 1 hour, 36 hours, 12 days."""
    if length < 1.5 * MINUTE:
        seconds = round(length.total_seconds())
        return ngettext("%(number)d second", "%(number)d seconds", seconds) % {"number": seconds}
    minutes = round(length / MINUTE)
    if minutes < 120 and minutes != 60:
        return ngettext("%(number)d minute", "%(number)d minutes", minutes) % {"number": minutes}
    hours = round(length / HOUR)
    if hours < 48 and hours != 24:
        return ngettext("%(number)d hour", "%(number)d hours", hours) % {"number": hours}
    days = round(length / DAY)
    return ngettext("%(number)d day", "%(number)d days", days) % {"number": days}
