"""Telemetry for Django sites: "shm_sdk.django" in INSTALLED_APPS, and what it needs to know in one setting.

    SHM = {
        "SERVER_URL": "https://telemetry.example.org",
        "APP_NAME": "Ledger",
        "APP_VERSION": "2.4.0",
        "DATA_DIR": BASE_DIR / "data",
        "PROVIDER": "ledger.telemetry.numbers",
    }

A process reports from the first request on that it answers. Those that answer none, such as a Celery worker, call
`shm_sdk.django.client().start()`.
"""

from __future__ import annotations

from shm_sdk.django.starting import client

__all__ = ["client"]
