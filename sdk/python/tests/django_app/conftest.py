from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.signals import request_started
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from tests.server import Server


@pytest.fixture(scope="session", autouse=True)
def _django(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path_factory.mktemp("django") / "db.sqlite3"}
    settings.configure(INSTALLED_APPS=["shm_sdk.django"], DATABASES={"default": database}, USE_TZ=True, SHM={})
    django.setup()


@pytest.fixture
def shm(tmp_path: Path) -> dict[str, Any]:
    return {
        "SERVER_URL": "https://telemetry.example.org",
        "APP_NAME": "Ledger",
        "APP_VERSION": "1.0.0",
        "DATA_DIR": tmp_path / "data",
        "PROVIDER": "tests.django_app.providers.numbers",
    }


@pytest.fixture
def test_environment() -> Iterator[None]:
    setup_test_environment()
    yield
    teardown_test_environment()


class Telemetry:
    """A process of a site, from its start on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from shm_sdk.django import starting

        self.made: list[Any] = []
        monkeypatch.setattr(starting, "_made", self.made)
        request_started.connect(starting.begin, dispatch_uid=starting.UID)

    @property
    def threads(self) -> list[Any]:
        return [client._thread for client in self.made if client._thread]

    def answer_a_request(self) -> int:
        """How often telemetry has had a part in it: Django itself is told of each, too."""
        from shm_sdk.django import starting

        return [receiver for receiver, _ in request_started.send(sender=None)].count(starting.begin)

    def stop(self) -> None:
        from shm_sdk.django import starting

        request_started.disconnect(dispatch_uid=starting.UID)
        for client in self.made:
            client.stop()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    telemetry = Telemetry(monkeypatch)
    yield telemetry
    telemetry.stop()


@pytest.fixture
def sent(server: Server, shm: dict[str, Any], site: Telemetry) -> Iterator[Any]:
    """Answers a first request with this changed in the setting; returns the numbers that are reported for it."""

    def send(**changes: Any) -> dict[str, Any]:
        with override_settings(SHM={**shm, "SERVER_URL": server.url, "COLLECT_SYSTEM_METRICS": False, **changes}):
            assert site.answer_a_request() == 1
            server.wait_for("/v1/snapshot")
        return server.snapshots[0]["metrics"]

    return send
