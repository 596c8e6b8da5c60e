"""What a report is, when there is one, and which process sends it."""

from __future__ import annotations

import json

HOUR = 3600


def test_the_first_turn_registers_activates_and_reports(make_reporter, server, clock):
    wait = make_reporter(lambda: {"documents_created": 123}).tick()

    assert server.paths == ["/v1/register", "/v1/activate", "/v1/snapshot"]
    (snapshot,) = server.snapshots
    assert snapshot["metrics"]["documents_created"] == 123
    assert HOUR <= wait <= 1.1 * HOUR


def test_the_registration_says_what_the_application_is(make_reporter, make_config, server):
    make_reporter(config=make_config(app_version="2.4.0", environment="staging")).tick()

    _, said = server.requests[0]
    assert (said["app_name"], said["app_version"], said["environment"]) == ("Ledger", "2.4.0", "staging")
    assert said["os_arch"].count("/") == 1
    assert said["deployment_mode"] in {"kubernetes", "docker", "standalone"}


def test_system_metrics_have_the_names_of_the_other_clients(make_reporter, server):
    make_reporter().tick()

    (snapshot,) = server.snapshots
    assert set(snapshot["metrics"]) == {
        "sys_os",
        "sys_arch",
        "sys_cpu_cores",
        "sys_mode",
        "sys_python_version",
        "app_mem_rss_mb",
        "app_uptime_h",
    }


def test_an_application_that_keeps_its_system_to_itself_says_nothing_of_it(make_reporter, make_config, server):
    make_reporter(config=make_config(collect_system_metrics=False)).tick()

    assert server.snapshots[0]["metrics"] == {}
    assert not {"os_arch", "deployment_mode"} & set(server.requests[0][1])


def test_reports_come_at_the_interval_and_registrations_do_not(make_reporter, server, clock):
    reporter = make_reporter()
    wait = reporter.tick()
    clock.pass_by(wait - 1)
    reporter.tick()
    assert len(server.snapshots) == 1

    clock.pass_by(1)
    reporter.tick()

    assert len(server.snapshots) == 2
    assert server.paths.count("/v1/register") == 1


def test_a_service_that_restarts_all_the_time_reports_no_more_for_it(make_reporter, server, clock):
    for _ in range(50):
        make_reporter().tick()
        clock.pass_by(60)

    assert server.paths == ["/v1/register", "/v1/activate", "/v1/snapshot"]


def test_a_new_version_is_told_at_once_but_its_numbers_wait_their_turn(make_reporter, make_config, server, clock):
    make_reporter().tick()
    clock.pass_by(60)
    make_reporter(config=make_config(app_version="1.1.0")).tick()

    assert server.paths[3:] == ["/v1/register", "/v1/activate"]
    assert server.requests[3][1]["app_version"] == "1.1.0"


def test_of_several_processes_one_reports_and_goes_on_to(make_reporter, server, clock):
    workers = [make_reporter(lambda number=number: {"worker": number}) for number in range(4)]
    for _ in range(HOUR * 10 // 20):
        for worker in reversed(workers):
            worker.tick()
        clock.pass_by(20)

    assert 9 <= len(server.snapshots) <= 10
    assert {snapshot["metrics"]["worker"] for snapshot in server.snapshots} == {3}


def test_another_process_takes_over_when_the_one_that_reported_is_gone(make_reporter, server, clock):
    first, second = make_reporter(lambda: {"worker": 1}), make_reporter(lambda: {"worker": 2})
    first.tick()
    clock.pass_by(2 * HOUR)
    second.tick()

    assert [snapshot["metrics"]["worker"] for snapshot in server.snapshots] == [1, 2]


def test_while_one_process_reports_another_leaves_it_to_it(make_reporter, server):
    other = make_reporter()
    waits = []
    make_reporter(lambda: waits.append(other.tick()) or {}).tick()

    assert waits == [30.0]
    assert server.paths.count("/v1/snapshot") == 1


def test_installations_that_start_at_one_moment_drift_apart(make_reporter, make_config, folder, clock):
    waits = {make_reporter(config=make_config(data_dir=folder / str(number))).tick() for number in range(8)}

    assert len(waits) > 4
    assert all(HOUR <= wait <= 1.1 * HOUR for wait in waits)


def test_a_clock_that_is_set_back_does_not_silence_an_installation(make_reporter, server, clock):
    reporter = make_reporter()
    reporter.tick()
    clock.pass_by(-30 * 24 * HOUR)
    reporter.tick()

    assert len(server.snapshots) == 2


def test_what_the_maintainers_say_is_kept_for_whoever_asks(make_reporter, server, folder):
    server.extras = {"latest_version": "3.0.0", "notice": "Please\n upgrade." + "!" * 9000}
    make_reporter().tick()

    state = json.loads((folder / "ledger_shm_state.json").read_text())
    assert state["latest_version"] == "3.0.0"
    assert state["notice"].startswith("Please upgrade.")
    assert len(state["notice"]) == 500
