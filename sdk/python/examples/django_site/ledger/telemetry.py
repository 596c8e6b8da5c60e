"""What a ledger tells its maintainers: how much is in it, and what it runs on. Not what anybody has spent on what."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from ledger.models import Entry


def numbers():
    month_ago = timezone.now() - timedelta(days=30)
    return {
        "entries": Entry.objects.count(),
        "entries_last_30_days": Entry.objects.filter(created_at__gte=month_ago).count(),
        "db": {"engine": connection.vendor},
    }
