"""Providers that throw, hang or return nonsense."""

from __future__ import annotations

import threading

import pytest

HOUR = 3600.0


@pytest.mark.parametrize("error", [ZeroDivisionError("boom"), SystemExit(3), KeyboardInterrupt(), RecursionError()])
def test_a_provider_that_throws(make_reporter, server, caplog, error):
    def numbers():
        raise error

    make_reporter(numbers).tick()

    (snapshot,) = server.snapshots
    assert "sys_os" in snapshot["metrics"]
    assert type(error).__name__ in caplog.text


def test_a_provider_that_hangs_is_called_once_and_reports_go_on(make_reporter, server, clock, caplog):
    never, calls = threading.Event(), []
    reporter = make_reporter(lambda: calls.append(1) or never.wait(), seconds=0.05)
    for _ in range(3):
        reporter._patience.seconds = 0.05
        reporter.server.transport._patience.seconds = 20.0
        reporter.tick()
        clock.pass_by(2 * HOUR)

    assert len(server.snapshots) == 3
    assert calls == [1]
    assert "has not come back within 0.05 s" in caplog.text
    never.set()


def test_an_async_provider_is_told_what_it_should_be(make_reporter, server, caplog):
    async def numbers():
        return {"a": 1}

    make_reporter(numbers).tick()

    assert len(server.snapshots) == 1
    assert "Give a plain function." in caplog.text


@pytest.mark.parametrize("nonsense", [None, 7, "text", [1], object(), {1: 2}, {"a": object()}, {"a": float("nan")}])
def test_a_provider_that_returns_nonsense(make_reporter, make_config, server, caplog, nonsense):
    make_reporter(lambda: nonsense, make_config(collect_system_metrics=False)).tick()

    assert [snapshot["metrics"] for snapshot in server.snapshots] == [{}]
    assert "left out" in caplog.text
