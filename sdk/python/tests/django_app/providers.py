"""What the setting of the tests names."""

from __future__ import annotations

from typing import Any

from django.db import connection, connections


def numbers() -> dict[str, int]:
    return {"entries": 3}


async def numbers_to_wait_for() -> dict[str, int]:
    return {"entries": 4}


def numbers_of(application: str) -> dict[str, int]:
    return {application: 1}


def numbers_of_a_table() -> dict[str, int]:
    """Leaves its connection behind, to be looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 5")
        used[:] = [connections["default"]]
        return {"entries": cursor.fetchone()[0]}


used: list[Any] = []
NOT_CALLABLE = 3
