from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from shm_sdk import Config
from shm_sdk.consent import CI_VARIABLES
from shm_sdk.reporter import Reporter
from shm_sdk.transport import Transport
from tests.server import Server, running


@pytest.fixture(autouse=True)
def _no_word_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests run on build services, and on the machines of people who do not want to be tracked."""
    for variable in [*CI_VARIABLES, "DO_NOT_TRACK", "SHM_COLLECT_SYSTEM_METRICS"]:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def server(clock: Clock) -> Iterator[Server]:
    with running() as server:
        server.clock = clock
        yield server


class Clock:
    """Stands still until it is moved. Begins at the real time, so that a server's Date agrees with it."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def make_config(server: Server, folder: Path) -> Callable[..., Config]:
    def make(**changes: Any) -> Config:
        given = {"server_url": server.url, "app_name": "Ledger", "app_version": "1.0.0", "data_dir": folder, **changes}
        return Config(**given)

    return make


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config()


@pytest.fixture
def make_reporter(config: Config, clock: Clock) -> Callable[..., Reporter]:
    """A process of the application; called again, another one, or the same after a restart."""

    def make(provider: Any = None, config: Config = config, seconds: float = 5.0, is_brief: bool = False) -> Reporter:
        return Reporter(config, lambda: provider, 0.0, clock, seconds, Transport(config.url, seconds), is_brief)

    return make
