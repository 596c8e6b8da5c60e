"""When most tests take place."""

from datetime import UTC, datetime

# A Sunday; the last Monday is six days gone.
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
