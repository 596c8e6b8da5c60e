"""Taking censuses: the present for a page, the hours as they close, and past ones again."""

import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from instances.models import Application, Instance
from metrics import history, taking
from metrics.models import ClosedCensus, PresentCensus, Rebuild, Snapshot
from metrics.periods import DAY, HOUR, PERIODS, hour, midnight
from metrics.taking import (
    HOURLY_FOR,
    PRESENT_FOR,
    REFRESH_AFTER,
    TAKING_FOR,
    close,
    close_hours,
    closing_times,
    forget_hours,
    present,
    rebuild,
    rebuild_times,
    refresh,
    refresh_presents,
)
from tests.brute_force import census_by_hand, plain
from tests.clock import NOW
from tests.fleet import instance, store

CLOSING = NOW.replace(minute=0)
MIDNIGHT = CLOSING.replace(hour=0)
MICROSECOND, SECOND, MINUTE = timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def no_small_fleets(monkeypatch):
    monkeypatch.setattr(taking, "LIVE_INSTANCES", 0)


def documents(application):
    return dict(ClosedCensus.objects.filter(application=application).order_by("at").values_list("at", "document"))


def close_times(application):
    return list(documents(application))


def sums(application, key="users"):
    return {at: document["metrics"][key]["sum"] for at, document in documents(application).items()}


class Killed(Exception):
    pass


def killed(*arguments, **more):
    raise Killed


# The present of a small fleet


def test_the_present_of_a_small_fleet_is_counted_whenever_it_is_asked_for(ledger):
    for users in (1, 2):
        instance(ledger, {NOW - MINUTE: {"users": users}})
        assert present(ledger, NOW).active == users

    assert not PresentCensus.objects.exists()


def test_a_hundred_small_fleets_take_as_many_queries_as_one(ledger):
    instance(ledger, {NOW: {}})
    with CaptureQueriesContext(connection) as one:
        present(ledger, NOW)
    others = [Application.objects.create(slug=f"a{number}", name="A") for number in range(30)]
    for application in others:
        instance(application, {NOW: {}})
    with CaptureQueriesContext(connection) as many:
        made = taking.presents([ledger, *others], NOW)

    assert {census.active for census in made.values()} == {1}
    assert len(many) == len(one)


# The present of a large fleet


def test_two_requests_within_a_minute_take_one_census(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    first = present(ledger, NOW)
    instance(ledger, {NOW - MINUTE: {"users": 2}})

    monkeypatch.setattr(history, "now", killed)
    for later in (timedelta(0), SECOND, PRESENT_FOR - MICROSECOND):
        assert present(ledger, NOW + later) == first
    # A request that began a moment before the census was taken has nothing against it either.
    assert present(ledger, NOW - SECOND) == first


def test_the_present_is_no_older_than_a_minute(ledger, no_small_fleets):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    assert present(ledger, NOW).at == NOW
    instance(ledger, {NOW - MINUTE: {"users": 2}})

    made = present(ledger, NOW + PRESENT_FOR)

    assert (made.at, made.figures["users"]["sum"]) == (NOW + PRESENT_FOR, 3)


def test_while_somebody_takes_it_the_old_one_is_served(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    first = present(ledger, NOW)
    instance(ledger, {NOW - MINUTE: {"users": 2}})
    count, seen = taking.count, []

    def count_while_another_asks(*arguments):
        monkeypatch.setattr(taking, "count", killed)
        seen.append(present(ledger, NOW + HOUR))
        return count(*arguments)

    monkeypatch.setattr(taking, "count", count_while_another_asks)
    made = present(ledger, NOW + HOUR)

    assert seen == [first]
    assert made.figures["users"]["sum"] == 3
    assert PresentCensus.objects.get().taken_until is None


def test_while_somebody_takes_the_very_first_one_it_is_counted(ledger, no_small_fleets):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    PresentCensus.objects.create(application=ledger, taken_until=NOW + MINUTE)

    assert present(ledger, NOW).active == 1
    assert PresentCensus.objects.get().at is None


def test_who_died_over_it_is_replaced(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    first = present(ledger, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(taking, "count", killed)
        with pytest.raises(Killed):
            present(ledger, NOW + HOUR)

    assert present(ledger, NOW + HOUR + TAKING_FOR) == first
    made = present(ledger, NOW + HOUR + TAKING_FOR + MICROSECOND)

    assert made.at == NOW + HOUR + TAKING_FOR + MICROSECOND


def test_who_took_too_long_does_not_put_an_older_census_over_a_newer_one(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    count, later = taking.count, NOW + TAKING_FOR + SECOND

    def count_slowly(*arguments):
        monkeypatch.setattr(taking, "count", count)
        assert present(ledger, later).at == later
        return count(*arguments)

    monkeypatch.setattr(taking, "count", count_slowly)
    present(ledger, NOW)

    assert PresentCensus.objects.get().at == later


def test_a_clock_that_had_jumped_ahead_leaves_no_present_from_the_future(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    present(ledger, NOW + DAY)

    assert present(ledger, NOW).at == NOW

    PresentCensus.objects.update(at=NOW + DAY)
    with time_machine.travel(NOW, tick=False):
        refresh_presents(NOW)
    assert PresentCensus.objects.get().at == NOW


def test_a_claim_of_a_clock_that_had_jumped_ahead_is_taken_over(ledger, no_small_fleets):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    PresentCensus.objects.create(application=ledger, taken_until=NOW + DAY)

    assert refresh(ledger, NOW) is not None
    assert PresentCensus.objects.get().at == NOW


def test_the_worker_takes_it_before_a_page_has_to(ledger, no_small_fleets, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    every = timedelta(seconds=30)
    jitter = itertools.cycle([0.4, 0.0, 0.2])
    with time_machine.travel(NOW, tick=False) as clock:
        for run in range(6):
            due = NOW + every * run
            clock.move_to(due + timedelta(seconds=next(jitter)))
            assert refresh_presents(due) == "1 large fleets are counted"
            assert PresentCensus.objects.get().at == timezone.now()
        monkeypatch.setattr(taking, "count", killed)
        present(ledger, timezone.now() + every + SECOND)


def test_the_worker_leaves_alone_what_a_page_has_just_taken_and_small_fleets(ledger, monkeypatch):
    instance(ledger, {NOW - HOUR: {"users": 1}})
    assert refresh_presents(NOW) is None

    monkeypatch.setattr(taking, "LIVE_INSTANCES", 0)
    present(ledger, NOW)
    assert refresh_presents(NOW + REFRESH_AFTER - MICROSECOND) is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_ask_at_once_one_takes_it(no_small_fleets, monkeypatch):
    ledger = Application.objects.create(slug="ledger", name="Ledger")
    instance(ledger, {NOW - HOUR: {"users": 1}})
    old = present(ledger, NOW)
    instance(ledger, {NOW - HOUR: {"users": 1}})
    everybody, counted, count = threading.Barrier(20, timeout=30), [], taking.count
    others = threading.Semaphore(0)

    def count_once_the_others_have_asked(*arguments):
        counted.append(threading.current_thread().name)
        for _ in range(19):
            assert others.acquire(timeout=30)
        return count(*arguments)

    def ask():
        try:
            everybody.wait()
            return present(ledger, NOW + HOUR)
        finally:
            others.release()
            connections.close_all()

    monkeypatch.setattr(taking, "count", count_once_the_others_have_asked)
    with ThreadPoolExecutor(20) as pool:
        made = [future.result() for future in [pool.submit(ask) for _ in range(20)]]

    assert len(counted) == 1
    assert sorted(census.active for census in made) == [old.active] * 19 + [2]


# One number everywhere


@pytest.mark.parametrize("size", ["small", "large"])
def test_card_chart_badge_and_page_show_one_number(ledger, client, viewer, monkeypatch, size):
    if size == "large":
        monkeypatch.setattr(taking, "LIVE_INSTANCES", 0)
    for number in range(4):
        reports = [NOW - DAY * age for age in (60, 20, 3, 0.1)]
        made = instance(ledger, {at: {"users_count": number + 1, "sys_load": 0.1} for at in reports}, app_version="1.0")
    with time_machine.travel(NOW - HOUR, tick=False):
        made.exclude("test")
    client.force_login(viewer)
    with time_machine.travel(NOW, tick=False) as clock:
        close_hours(NOW)
        for later, period in [(timedelta(0), "30d"), *((timedelta(seconds=50), period) for period in PERIODS)]:
            clock.move_to(NOW + later)
            for metric, wanted in (("", 3), ("users_count", 6), ("sys_load", 0.1)):
                response = client.get("/applications/ledger/", {"period": period, "metric": metric})
                page = response.context["page"]
                data = response.content.decode().split('"chart-history"')[1].split("</script>")[0]
                *_, (_, last) = re.findall(r"\[(\d+), ([\d.]+)\]", data)
                assert float(last) == page.chart.lines[0].series.values[-1] == wanted
                assert page.history[metric or None].values[-1] == wanted
            [card] = [card for card in page.cards[0] if card.key == "users_count"]
            assert card.figures["sum"] == card.series.values[-1] == 6
            assert page.census.at == (NOW if size == "large" else NOW + later)
        [row] = client.get("/").context["rows"]
        assert row.count.active == row.past.active.values[-1] == 3
        for badge, text in (("instances", "3"), ("metric/users_count", "6"), ("combined", "6 / 3"), ("version", "1.0")):
            assert f">{text}</text>" in client.get(f"/badge/ledger/{badge}").content.decode()


# Which hours there are


@pytest.mark.parametrize("lasted", [timedelta(0), MICROSECOND, HOUR, HOURLY_FOR, HOURLY_FOR + HOUR * 5, DAY * 400])
@pytest.mark.parametrize("now", [NOW, CLOSING, MIDNIGHT, MIDNIGHT + MICROSECOND, MIDNIGHT - MICROSECOND])
def test_hours_are_closed_for_30_days_and_midnights_for_ever(lasted, now):
    first = now - lasted

    times = closing_times(first, now)

    span = (hour(first) + HOUR * number for number in range((lasted + HOUR) // HOUR + 1))
    hourly_from = hour(now - HOURLY_FOR)
    assert times == [at for at in span if first <= at <= now and (at >= hourly_from or at == midnight(at))]


def test_an_application_that_began_in_the_future_has_none():
    assert closing_times(NOW + HOUR * 2, NOW) == []


def test_whatever_time_zone_is_active_a_day_has_24_hours(ledger):
    # In Europe clocks went back on 25 October 2026, in Sao Paulo and Kathmandu they stand elsewhere altogether.
    end = datetime(2026, 10, 27, 5, 1, tzinfo=UTC)
    instance(ledger, {end - DAY * 4: {"users": 1}})
    for zone in ("Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"):
        ClosedCensus.objects.all().delete()
        with timezone.override(zone):
            for hours in range(24 * 3, -1, -1):
                close_hours(end - HOUR * hours)
            times = close_times(ledger)
            assert {later - earlier for earlier, later in itertools.pairwise(times)} == {HOUR}
            assert (times[0], times[-1]) == (hour(end - DAY * 4) + HOUR, hour(end))

            forget_hours(end + HOURLY_FOR + DAY)
            assert close_times(ledger) == [datetime(2026, 10, day, tzinfo=UTC) for day in (24, 25, 26, 27)]


# Closing


def test_nothing_is_closed_for_an_application_that_nobody_reported_to(ledger):
    instance(ledger, {}, state=Instance.State.PENDING)

    assert close_hours(NOW) is None


def test_an_hour_is_closed_as_it_was_at_its_end_and_not_as_it_is_now(ledger):
    instance(ledger, {CLOSING - HOUR: {"users": 1}, CLOSING: {"users": 2}, CLOSING + MICROSECOND: {"users": 100}})
    close_hours(CLOSING - MINUTE)
    gone = instance(ledger, {CLOSING - MINUTE: {"users": 10}})
    with time_machine.travel(CLOSING + MICROSECOND, tick=False):
        gone.revoke()

    assert close_hours(NOW) == "1 censuses are closed"

    assert sums(ledger) == {CLOSING - HOUR: 1, CLOSING: 12}


def test_closing_twice_closes_nothing_double_and_changes_nothing(ledger):
    made = instance(ledger, {NOW - DAY * 50: {"users": 1}, CLOSING - HOUR: {"users": 2}})
    assert close_hours(NOW) is not None
    before = documents(ledger)
    store(made, CLOSING - HOUR * 2, {"users": 50}, NOW)

    assert close_hours(NOW) is None
    assert close_hours(NOW + MINUTE) is None

    assert documents(ledger) == before
    assert list(before) == closing_times(NOW - DAY * 50, NOW)


def test_each_application_has_its_own(ledger):
    other = Application.objects.create(slug="other", name="Other", active_days=1)
    instance(ledger, {CLOSING - DAY * 3: {"users": 1}})
    instance(other, {CLOSING - DAY * 2: {"users": 5}})

    close_hours(NOW)

    assert len(close_times(ledger)) == 73
    assert [document["instances"]["active"] for document in documents(other).values()] == [1] * 25 + [0] * 24


@pytest.mark.parametrize("written", [0, 1, 2])
def test_killed_in_mid_pass_it_goes_on_where_it_was(ledger, monkeypatch, written):
    instance(ledger, {NOW - DAY * 5: {"users": 1}, CLOSING - HOUR * 3: {"users": 2}})
    write, left = taking._write, [True] * written

    def write_until_killed(*arguments, **more):
        return write(*arguments, **more) if left and left.pop() else killed()

    with monkeypatch.context() as patch:
        patch.setattr(taking, "_write", write_until_killed)
        with pytest.raises(Killed):
            close_hours(NOW)
    assert len(close_times(ledger)) == written * taking.WRITE_BATCH

    close_hours(NOW)

    assert close_times(ledger) == closing_times(NOW - DAY * 5, NOW)
    assert sums(ledger)[CLOSING] == 2


def test_killed_while_it_reads_it_goes_on_where_it_was(ledger, monkeypatch):
    instance(ledger, {NOW - DAY * 5: {"users": 1}})
    replay = history.replay

    def replay_until_killed(application, times, only=None):
        yield from itertools.islice(replay(application, times, only), 77)
        killed()

    with monkeypatch.context() as patch:
        patch.setattr(history, "replay", replay_until_killed)
        with pytest.raises(Killed):
            close_hours(NOW)

    close_hours(NOW)

    assert close_times(ledger) == closing_times(NOW - DAY * 5, NOW)


def test_what_a_clock_that_jumped_ahead_closed_is_taken_again_when_it_is_due(ledger):
    made = instance(ledger, {CLOSING - HOUR * 2: {"users": 1}})
    close_hours(NOW)
    close_hours(NOW + DAY)
    assert close_times(ledger)[-1] == CLOSING + DAY

    store(made, CLOSING + MINUTE * 40, {"users": 2}, NOW + HOUR)
    close_hours(NOW + MINUTE)
    assert close_times(ledger)[-1] == CLOSING
    close_hours(NOW + HOUR)
    close_hours(NOW + HOUR * 4)

    hours = [CLOSING + HOUR * number for number in range(-2, 5)]
    assert sums(ledger) == dict(zip(hours, [1, 1, 1, 2, 2, 2, 2], strict=True))


def test_what_was_missed_is_closed_with_what_was_true_then(ledger):
    ledger.active_days = 1
    ledger.save()
    instance(ledger, {MIDNIGHT - DAY * 3 + HOUR: {"users": 1}})
    returned = instance(ledger, {MIDNIGHT - DAY * 4: {"users": 10}, NOW - MINUTE: {"users": 20}})
    revoked = instance(ledger, {MIDNIGHT - DAY * at: {"users": 100} for at in (2, 1, 0)})
    with time_machine.travel(MIDNIGHT - DAY + HOUR, tick=False):
        revoked.revoke()

    close_hours(NOW)

    line = {at: document["metrics"].get("users", {}).get("sum", 0) for at, document in documents(ledger).items()}
    assert len(line) == 24 * 4 + 10
    assert line[MIDNIGHT - DAY * 4] == line[MIDNIGHT - DAY * 3] == 10
    assert line[MIDNIGHT - DAY * 3 + HOUR] == line[MIDNIGHT - DAY * 2 - HOUR] == 1
    assert line[MIDNIGHT - DAY * 2] == line[MIDNIGHT - DAY * 2 + HOUR] == 101
    assert line[MIDNIGHT - DAY * 2 + HOUR * 2] == line[MIDNIGHT - DAY + HOUR - HOUR] == 100
    assert line[MIDNIGHT - DAY + HOUR] == line[CLOSING] == 0
    assert present(ledger, NOW).figures["users"]["sum"] == 20
    returned.refresh_from_db()
    assert present(ledger, NOW).returned == 1


@pytest.mark.parametrize("step", ["_rows", "_newest_until", "_Standings"])
@pytest.mark.parametrize("age", [MINUTE * 40, -MINUTE])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_stored_while_an_hour_is_closed_is_wholly_in_or_out(ledger, monkeypatch, step, age, is_first):
    known = instance(ledger, {CLOSING - HOUR: {"users": 1, "files": 1}, CLOSING + SECOND: {"users": 2, "files": 2}})
    new = instance(ledger, {}, activated_at=CLOSING - HOUR, registered_at=CLOSING - HOUR)
    close_hours(CLOSING - MINUTE)
    before = plain(census_by_hand(ledger, CLOSING))
    read, stored = getattr(history, step), []

    def read_as_it_is_stored(*arguments):
        made = read(*arguments)
        if not stored:
            stored.append(store(new if is_first else known, CLOSING - age, {"users": 30, "files": 30}, NOW))
        return made

    monkeypatch.setattr(history, step, read_as_it_is_stored)
    close_hours(NOW)

    assert stored
    assert plain(documents(ledger)[CLOSING]) in (before, plain(census_by_hand(ledger, CLOSING)))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_close_each_hour_once(monkeypatch):
    ledger = Application.objects.create(slug="ledger", name="Ledger")
    for number in range(5):
        instance(ledger, {NOW - DAY * age: {"users": number} for age in range(12)})
    monkeypatch.setattr(taking, "WRITE_BATCH", 7)
    barrier = threading.Barrier(2, timeout=30)

    def work():
        try:
            barrier.wait()
            close_hours(NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(work) for _ in range(2)]:
            future.result()

    assert close_times(ledger) == closing_times(NOW - DAY * 11, NOW)
    assert close_hours(NOW) is None


@pytest.mark.django_db(transaction=True)
def test_it_closes_what_was_missed_while_others_write(monkeypatch):
    """SQLite refuses to write what it has begun to read when another connection has written since."""
    ledger = Application.objects.create(slug="ledger", name="Ledger")
    first = NOW - DAY * 8
    made = instance(ledger, {first: {"users": 1}})
    for start in range(1, 2500, 500):
        Snapshot.objects.bulk_create(
            Snapshot(instance=made, timestamp=first + MINUTE * 4 * number, metrics={"users": number})
            for number in range(start, start + 500)
        )
    write, moments = taking._write, itertools.count(1)

    def write_after_another(*arguments, **more):
        other = threading.Thread(target=report)
        other.start()
        other.join()
        return write(*arguments, **more)

    def report():
        store(made, NOW + SECOND * next(moments), {"users": 1}, NOW)
        connections.close_all()

    monkeypatch.setattr(taking, "_write", write_after_another)
    close_hours(NOW)

    assert close_times(ledger) == closing_times(first, NOW)


# Forgetting


def test_of_old_censuses_midnights_stay(ledger):
    instance(ledger, {MIDNIGHT - DAY * 29: {"users": 1}})
    close_hours(NOW)
    before = documents(ledger)

    assert forget_hours(NOW) is None
    assert forget_hours(NOW + DAY * 10) == f"{24 * 9 + 9 - 10} hourly censuses older than 30 days are deleted"
    assert forget_hours(NOW + DAY * 10) is None

    assert documents(ledger) == {
        at: document for at, document in before.items() if at == midnight(at) or at >= CLOSING - DAY * 20
    }
    forget_hours(NOW + DAY * 1000)
    assert close_times(ledger) == [MIDNIGHT - DAY * day for day in range(29, -1, -1)]


@pytest.mark.django_db(transaction=True)
def test_an_application_erased_meanwhile_keeps_no_other_from_being_closed(monkeypatch):
    abacus, ledger = (Application.objects.create(slug=name, name=name) for name in ("abacus", "ledger"))
    for application in (abacus, ledger):
        instance(application, {NOW - HOUR: {"users": 1}})
    count = taking.census_of

    def erase_and_count(application, fleet, at):
        if application == abacus:
            Application.objects.get(pk=application.pk).erase()
        return count(application, fleet, at)

    monkeypatch.setattr(taking, "census_of", erase_and_count)

    assert taking.close_hours(NOW) == "1 censuses are closed"
    assert ClosedCensus.objects.get().application == ledger
    assert taking.refresh(Application(pk=0, slug="gone"), NOW) is None


def test_what_is_forgotten_is_not_closed_again_and_what_is_closed_is_not_forgotten(ledger):
    instance(ledger, {NOW - DAY * 60: {"users": 1}})
    close_hours(NOW)

    assert forget_hours(NOW) is None
    forget_hours(NOW + DAY)

    assert close_hours(NOW) is None


# Again, from snapshots


def test_it_takes_them_again_from_what_there_is_now(ledger):
    made = instance(ledger, {CLOSING - HOUR * 5: {"users": 1}, CLOSING - HOUR: {"users": 2}})
    close_hours(NOW)
    store(made, CLOSING - HOUR * 3, {"users": 50}, NOW)
    done = []

    assert rebuild(ledger, rebuild_times(ledger, None, None, NOW), done.append) == 6

    assert list(sums(ledger).values()) == [1, 1, 50, 50, 2, 2]
    assert sum(done) == 6
    assert not Rebuild.objects.exists()


def test_nothing_is_taken_again_of_nobody(ledger):
    assert rebuild_times(ledger, None, None, NOW) == []
    assert rebuild(ledger, [], lambda done: None) == 0


@pytest.mark.parametrize("interrupted_after", [1, 2])
def test_interrupted_it_goes_on_where_it_stopped(ledger, monkeypatch, interrupted_after):
    monkeypatch.setattr(taking, "WRITE_BATCH", 10)
    instance(ledger, {NOW - DAY * age: {"users": age} for age in range(3)})
    times = rebuild_times(ledger, None, None, NOW)
    progress = []

    def interrupt(done):
        progress.append(done)
        if len(progress) > interrupted_after:
            raise Killed

    with pytest.raises(Killed):
        rebuild(ledger, times, interrupt)
    kept = interrupted_after * 10
    assert close_times(ledger) == times[:kept]
    # What was done is not done again: a mark that is left on it stays.
    ClosedCensus.objects.filter(at=times[0]).update(document={"marked": True})

    again = []
    assert rebuild(ledger, times, again.append) == len(times) - kept

    assert (again[0], sum(again)) == (kept, len(times))
    assert close_times(ledger) == times
    marked, *rest = documents(ledger).values()
    assert marked == {"marked": True}
    assert [plain(one) for one in rest] == [plain(census_by_hand(ledger, at)) for at in times[1:]]
    assert rebuild(ledger, times, again.append) == len(times)
    assert documents(ledger)[times[0]] != {"marked": True}


def test_other_times_than_those_that_were_interrupted_are_taken_from_their_beginning(ledger, monkeypatch):
    monkeypatch.setattr(taking, "WRITE_BATCH", 10)
    instance(ledger, {NOW - DAY * 2: {"users": 1}})
    times = rebuild_times(ledger, None, None, NOW)
    with pytest.raises(Killed):
        rebuild(ledger, times, lambda done: killed() if done else None)

    assert rebuild(ledger, times[3:], lambda done: None) == len(times) - 3


def test_hours_that_have_closed_since_it_was_interrupted_are_taken_along(ledger, monkeypatch):
    monkeypatch.setattr(taking, "WRITE_BATCH", 10)
    instance(ledger, {NOW - DAY * 2: {"users": 1}})
    with pytest.raises(Killed):
        rebuild(ledger, rebuild_times(ledger, None, None, NOW), lambda done: killed() if done else None)
    later = rebuild_times(ledger, None, None, NOW + HOUR * 2)

    assert rebuild(ledger, later, lambda done: None) == len(later) - 10

    assert close_times(ledger) == later
    assert later[-1] == CLOSING + HOUR * 2


def test_the_times_to_take_again_are_within_bounds(ledger, settings):
    instance(ledger, {NOW - DAY * 900: {"users": 1}})
    everything = closing_times(NOW - DAY * 900, NOW)

    monthly_until = midnight(NOW - settings.KEEP_DAILY)
    assert rebuild_times(ledger, None, None, NOW) == [at for at in everything if at >= monthly_until]
    assert rebuild_times(ledger, NOW - DAY * 880, NOW - DAY * 800, NOW) == []
    assert rebuild_times(ledger, CLOSING - HOUR, CLOSING, NOW + DAY) == [CLOSING - HOUR, CLOSING]
    assert rebuild_times(ledger, CLOSING, NOW + DAY * 9, NOW) == [CLOSING]

    settings.KEEP_DAILY = DAY * 1000
    assert rebuild_times(ledger, None, None, NOW) == everything
    settings.KEEP_ALL = DAY * 5
    daily_until = MIDNIGHT - DAY * 5
    assert rebuild_times(ledger, None, None, NOW) == [
        at for at in everything if at >= daily_until or at == midnight(at)
    ]


# As time goes on, and after a stop


REPORT = st.tuples(st.integers(0, 1), st.integers(1, 5), st.sampled_from([0, 1, 60 * 10**6, 3599 * 10**6]))


class AsTimeGoesOnTests(TestCase):
    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.lists(REPORT, min_size=1, max_size=6), min_size=1, max_size=3),
        st.lists(st.tuples(st.integers(0, 80), st.integers(0, 2), st.integers(0, 3)), max_size=4),
        st.sampled_from([MICROSECOND, MINUTE * 5, HOUR - MICROSECOND]),
        st.sampled_from([1, 30]),
    )
    def test_hour_by_hour_at_once_and_again_are_the_same(self, fleet, decisions, delay, active_days):
        """Snapshots are stored as they are sent, gaps longer than the active window among them; `delay` after each
        hour the worker closes it."""
        ledger = Application.objects.create(slug="ledger", name="Ledger", active_days=active_days)
        start, happenings = MIDNIGHT - DAY * 5, []
        for number, reports in enumerate(fleet):
            at = start + MINUTE * number
            made = instance(ledger, {}, state="pending", registered_at=at)
            for days, hours, microseconds in reports:
                at = hour(at) + DAY * days + HOUR * hours + MICROSECOND * microseconds
                happenings.append((at, 0, lambda made=made, at=at: store(made, at, {"users": at.minute, "n": 1}, at)))
            for hours, whom, what in decisions:
                if whom % len(fleet) == number:
                    # None while it is revoked: nothing that it sends would be stored.
                    act = [made.restore, lambda made=made: made.exclude("test"), made.include, made.include][what]
                    happenings.append((start + HOUR * hours + MINUTE * 30, 1, act))
            happenings.append((max(at, start + HOUR * 90), 2, made.revoke))
        end = hour(max(at for at, *_ in happenings)) + HOUR * 2
        happenings += [(start + HOUR * hours + delay, 3, None) for hours in range((end - start) // HOUR + 1)]
        with time_machine.travel(start, tick=False) as clock:
            for at, _, happen in sorted(happenings, key=lambda happening: happening[:2]):
                clock.move_to(at)
                happen() if happen else close_hours(at)

        taken = documents(ledger)
        assert list(taken) == closing_times(min(at for at, kind, _ in happenings if kind == 0), end)
        for at in list(taken)[:: max(1, len(taken) // 8)]:
            assert plain(taken[at]) == plain(census_by_hand(ledger, at)), at

        ClosedCensus.objects.all().delete()
        close(ledger, end)
        assert documents(ledger) == taken

        rebuild(ledger, rebuild_times(ledger, None, None, end), lambda done: None)
        assert documents(ledger) == taken


# What pages cost


@pytest.fixture
def pages(client, viewer, ledger):
    client.force_login(viewer)

    def get():
        """The statements of each page, by its address."""
        addresses = ["/", "/applications/ledger/instances.csv", "/badge/ledger/version", "/badge/ledger/combined"]
        addresses += ["/badge/ledger/instances", "/badge/ledger/metric/n"]
        addresses += [f"/applications/ledger/?period={period}&metric={key}" for period in PERIODS for key in ("", "n")]
        lifecycle = "/applications/ledger/lifecycle/?period=30d"
        addresses += [lifecycle, f"{lifecycle}&weeks=52"]
        statements = {}
        for address in addresses:
            with CaptureQueriesContext(connection) as captured:
                response = client.get(address)
                assert response.status_code == 200
                if response.streaming:
                    assert b"".join(response.streaming_content)
            statements[address] = [query["sql"] for query in captured]
        return statements

    with time_machine.travel(NOW, tick=False):
        yield get


@pytest.mark.parametrize("live", [200, 0])
def test_no_page_of_a_fleet_costs_more_for_more_of_anything(ledger, pages, monkeypatch, live):
    monkeypatch.setattr(taking, "LIVE_INSTANCES", live)

    def fill(instances, keys, snapshots):
        for _ in range(instances):
            made = instance(ledger, {NOW - MINUTE: {"n": 1, **{f"k{key}": key for key in range(keys)}}})
            Snapshot.objects.bulk_create(
                Snapshot(instance=made, timestamp=NOW - HOUR * number, metrics={"n": 1}) for number in range(snapshots)
            )
        PresentCensus.objects.all().delete()

    fill(3, 3, 3)
    close_hours(NOW)
    assert ClosedCensus.objects.count() == 0
    Instance.objects.update(first_report_at=NOW - HOUR * 12)
    close_hours(NOW)
    assert ClosedCensus.objects.count() == 12
    pages()
    PresentCensus.objects.all().delete()
    few = pages()
    fill(27, 60, 20)
    ClosedCensus.objects.all().delete()
    Instance.objects.filter(first_report_at=NOW - HOUR * 12).update(first_report_at=NOW - HOUR * 300)
    close_hours(NOW)
    assert ClosedCensus.objects.count() == 300

    many = pages()

    assert {address: len(found) for address, found in many.items()} == {
        address: len(found) for address, found in few.items()
    }
    assert not [sql for found in many.values() for sql in found if "metrics_snapshot" in sql]
