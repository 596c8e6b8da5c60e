"""What servers refuse, and when it is tried again."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from tests.server import answers

HOUR = 3600.0


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 404, 418])
def test_what_is_refused_waits_and_is_sent_later(make_reporter, server, clock, state, waiting, status):
    server.always["/v1/snapshot"] = answers(status, b"<h1>Sorry</h1>")
    reporter = make_reporter(lambda: {"a": 1})
    reporter.tick()
    assert len(waiting()) == 1
    assert str(status) in state().problem

    del server.always["/v1/snapshot"]
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert waiting() == []
    assert state().problem == ""
    assert len(server.snapshots) == 2


def test_pauses_grow_up_to_the_interval(make_reporter, server, clock):
    server.always["/v1/register"] = answers(503)
    reporter = make_reporter()
    waits = []
    for _ in range(12):
        waits.append(reporter.tick())
        clock.pass_by(waits[-1])

    assert all(60 * 2**number <= wait <= 66 * 2**number for number, wait in enumerate(waits[:5]))
    assert all(wait <= 1.1 * HOUR for wait in waits)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "least", "most"), [("120", 120, 132), ("99999999999999", 86400, 95040), ("-5", 60, 66), ("soon", 60, 66)]
)
def test_retry_after_is_kept_to(make_reporter, server, clock, state, status, said, least, most):
    server.always["/v1/register"] = answers(status, Retry_After=said)
    make_reporter().tick()

    assert least <= state().not_before - clock() <= most


def test_retry_after_as_a_date(make_reporter, server, clock, state):
    server.always["/v1/register"] = answers(503, Retry_After=formatdate(clock() + 600, usegmt=True))
    make_reporter().tick()

    assert 600 <= state().not_before - clock() <= 660


def test_a_restart_shortens_no_pause(make_reporter, server, clock):
    server.always["/v1/register"] = answers(429, Retry_After="1800")
    for _ in range(10):
        make_reporter().tick()
        clock.pass_by(120)

    assert server.paths == ["/v1/register"]


def test_a_snapshot_that_no_server_takes_is_dropped_and_told(make_reporter, server, state, waiting, caplog):
    server.always["/v1/snapshot"] = answers(400, {"detail": "Send an object.", "code": "invalid_metrics"})
    make_reporter().tick()

    assert waiting() == []
    assert "Send an object." in state().problem
    assert "Send an object." in caplog.text


def test_one_that_is_revoked_says_nothing_for_a_day(make_reporter, server, clock, state, waiting):
    server.always["/v1/snapshot"] = answers(403, {"detail": "Turned away.", "code": "revoked"})
    reporter = make_reporter()
    for _ in range(23):
        reporter.tick()
        clock.pass_by(HOUR)

    assert server.paths == ["/v1/register", "/v1/activate", "/v1/snapshot"]
    assert "Turned away." in state().problem


def test_one_that_the_server_does_not_know_any_more_registers_again(make_reporter, server, clock):
    reporter = make_reporter()
    reporter.tick()
    server.keys.clear()
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert server.paths[3:] == ["/v1/snapshot", "/v1/register", "/v1/activate", "/v1/snapshot"]
    assert len(server.snapshots) == 2


def test_an_id_that_is_registered_with_another_key(make_reporter, server, clock, state):
    server.always["/v1/register"] = answers(409, {"detail": "Another key.", "code": "key_conflict"})
    reporter = make_reporter()
    reporter.tick()
    clock.pass_by(HOUR / 2)
    reporter.tick()

    assert server.paths == ["/v1/register"]
    assert "Another key." in state().problem


def test_a_server_of_go_answers_500_to_a_second_activation(make_reporter, make_config, server, clock):
    server.always["/v1/activate"] = answers(500, b"already active")
    make_reporter().tick()
    clock.pass_by(2 * HOUR)
    make_reporter(config=make_config(app_version="1.1.0")).tick()

    assert len(server.snapshots) == 2
    assert server.paths.count("/v1/register") == 2


def test_an_activation_that_did_not_come_through_is_repeated(make_reporter, server, clock):
    server.behaviours["/v1/activate"] = [answers(503)]
    reporter = make_reporter()
    reporter.tick()
    assert len(server.snapshots) == 1
    clock.pass_by(2 * HOUR)
    reporter.tick()

    assert server.paths.count("/v1/activate") == 2


def test_what_a_server_says_is_one_line_in_the_log(make_reporter, server, caplog):
    server.always["/v1/register"] = answers(503, {"detail": "One\nTwo\x1b[2J" + "!" * 60_000, "code": "x"})
    make_reporter().tick()

    (record,) = caplog.records
    assert "OneTwo[2J!!!" in record.getMessage()
    assert len(record.getMessage()) < 1000
