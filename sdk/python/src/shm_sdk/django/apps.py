from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.core.signals import request_started

from shm_sdk.django.checks import check_settings
from shm_sdk.django.starting import UID, begin


class TelemetryConfig(AppConfig):
    name = "shm_sdk.django"
    label = "shm_sdk"
    verbose_name = "Telemetry"

    def ready(self) -> None:
        checks.register(check_settings, "shm_sdk")
        # Not here: this runs in each process that Django is set up in, and so for migrations, shells, the watching
        # half of runserver and the process that preloads an application for others, too.
        request_started.connect(begin, dispatch_uid=UID)
