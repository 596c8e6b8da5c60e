import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection, connections, transaction
from django.utils.module_loading import import_string

from instances import jobs
from instances.jobs import Work, Worker, regular_work, why_late
from instances.models import Job, RateBucket
from shm_site.stopping import Stopping
from tests import postgres

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 22, 8, 56, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
RAN: list[datetime] = []


@pytest.fixture(autouse=True)
def forget_runs():
    RAN.clear()


def note(now):
    RAN.append(now)
    return "noted"


def fail(now):
    RAN.append(now)
    raise ValueError("no good")


def lose_the_database(now):
    raise OperationalError("server closed the connection")


def worker_of(function, name="note", **options):
    return Worker([Work(name, HOUR, f"{__name__}.{function.__name__}", **options)])


def test_every_function_of_the_regular_work_exists():
    names = [work.name for work in regular_work()]
    assert len(set(names)) == len(names)
    for work in regular_work():
        assert callable(import_string(work.function))


@pytest.mark.parametrize(
    ("interval", "due"),
    [
        (timedelta(minutes=10), datetime(2026, 11, 22, 9, tzinfo=UTC)),
        (HOUR, datetime(2026, 11, 22, 9, tzinfo=UTC)),
        (timedelta(days=1), datetime(2026, 11, 23, tzinfo=UTC)),
    ],
)
def test_work_is_due_when_a_whole_interval_has_closed(interval, due):
    work = Work("any", interval, "any")
    assert work.next_due(NOW) == due
    assert work.next_due(due) == due + interval


def test_a_job_runs_at_once_and_then_when_it_is_due(db):
    worker = worker_of(note)
    due = datetime(2026, 11, 22, 9, tzinfo=UTC)
    for moment in (NOW, NOW + timedelta(minutes=3), due - timedelta(seconds=1), due, due + timedelta(minutes=1)):
        assert worker.run_due(moment) == []
    assert [NOW, due] == RAN
    job = Job.objects.get(name="note")
    assert (job.last_run_at, job.due_at, job.holder, job.lease_until) == (due, due + HOUR, "", None)


def test_after_a_stop_it_runs_once(db):
    worker = worker_of(note)
    for moment in (NOW, NOW + 30 * HOUR, NOW + 30 * HOUR + timedelta(minutes=1)):
        worker.run_due(moment)
    assert [NOW, NOW + 30 * HOUR] == RAN


def test_what_another_worker_has_in_hand_is_left_alone_until_its_lease_ends(db):
    worker_of(note).run_due(NOW)
    due = NOW + 2 * HOUR
    assert Job.take("note", "another", due, timedelta(minutes=10))
    worker = worker_of(note)
    worker.run_due(due + timedelta(minutes=9))
    assert [NOW] == RAN
    worker.run_due(due + timedelta(minutes=10))
    assert [NOW, due + timedelta(minutes=10)] == RAN


def test_a_worker_whose_lease_has_passed_on_gives_nothing_back(db):
    Job.objects.create(name="note", due_at=NOW, holder="another", lease_until=NOW + HOUR)
    Job.finish("note", "the first", due_at=NOW + HOUR, ran_at=NOW)
    job = Job.objects.get()
    assert (job.holder, job.due_at, job.last_run_at) == ("another", NOW, None)


def test_a_failure_is_noted_and_tried_again_within_a_minute(db, caplog):
    worker = worker_of(fail)
    assert worker.run_due(NOW) == ["note"]
    job = Job.objects.get()
    assert (job.last_error, job.last_run_at, job.holder) == ("ValueError: no good", None, "")
    assert "note failed" in caplog.text
    Job.objects.update(due_at=NOW)
    assert worker_of(note).run_due(NOW) == []
    assert Job.objects.get().last_error == ""


def test_a_job_further_off_than_its_interval_is_brought_back(db):
    Job.objects.create(name="note", due_at=NOW + timedelta(days=400))
    worker_of(note).run_due(NOW)
    assert Job.objects.get().due_at == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_nothing_is_started_after_the_signal_to_stop(db):
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGTERM)
        worker_of(note).run_due(NOW, stopping)
    assert RAN == []


def be_told_to_stop(now):
    with transaction.atomic():
        RateBucket.objects.create(key="half done", arrival=0)
        os.kill(os.getpid(), signal.SIGTERM)
    RAN.append(now)


def be_told_to_stop_while_the_database_works(now):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    RAN.append(now)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "function",
    [be_told_to_stop, pytest.param(be_told_to_stop_while_the_database_works, marks=pytest.mark.postgres)],
)
def test_told_to_stop_in_the_middle_of_a_job_it_leaves_it_for_whoever_is_next(function):
    began = time.monotonic()
    with Stopping() as stopping:
        assert worker_of(function).run_due(NOW, stopping) == []
        assert stopping
    assert time.monotonic() - began < 30
    assert RAN == []
    assert not RateBucket.objects.exists()
    job = Job.objects.get()
    assert (job.holder, job.lease_until, job.last_run_at, job.last_error) == ("", None, None, "")

    worker_of(note).run_due(NOW)
    assert RAN == [NOW]


def test_its_log_says_what_was_done(db, caplog):
    caplog.set_level("INFO")
    worker_of(note).run_due(NOW)
    assert "note: noted (" in caplog.text


def test_full_buckets_are_swept_and_others_kept(db):
    RateBucket.objects.create(key="full", arrival=NOW.timestamp() - 1)
    RateBucket.objects.create(key="in use", arrival=NOW.timestamp() + 1)
    assert jobs.sweep_rates(NOW) == "1 rate limits that were full again are forgotten"
    assert [bucket.key for bucket in RateBucket.objects.all()] == ["in use"]


def test_expired_sessions_are_deleted(db):
    Session.objects.create(session_key="old", session_data="", expire_date=NOW - HOUR)
    Session.objects.create(session_key="new", session_data="", expire_date=NOW + HOUR)
    assert jobs.clear_sessions(NOW) == "1 expired sessions are deleted"
    assert [session.session_key for session in Session.objects.all()] == ["new"]


@pytest.fixture
def listed(monkeypatch):
    """Regular work that is one job, every 30 seconds."""
    work = [Work("note", timedelta(seconds=30), f"{__name__}.note", lease=timedelta(minutes=10))]
    monkeypatch.setattr(jobs, "regular_work", lambda: work)


@pytest.mark.usefixtures("db", "listed")
def test_it_is_late_without_a_worker():
    assert why_late(NOW)
    assert "no worker has run yet. Start manage.py worker" in why_late(NOW)
    Worker().run_due(NOW)
    due = Job.objects.get().due_at
    assert not why_late(NOW)
    assert not why_late(due + timedelta(minutes=5))
    assert why_late(due + timedelta(minutes=5, seconds=1))


@pytest.mark.usefixtures("db", "listed")
def test_it_says_since_when_it_is_late():
    Job.objects.create(name="note", due_at=NOW - HOUR)
    Job.objects.create(name="taken out of the list", due_at=NOW - 400 * HOUR)
    assert why_late(NOW) == (
        "Regular work has not been done since 2026-11-22 07:56 UTC. "
        "Start manage.py worker, or see in its log what stops it."
    )


@pytest.mark.usefixtures("db", "listed")
def test_a_worker_that_is_busy_is_not_late_until_its_lease_ends():
    Job.objects.create(name="note", due_at=NOW - HOUR)
    assert Job.take("note", "somebody", NOW, timedelta(minutes=10))
    assert not why_late(NOW + timedelta(minutes=9))
    assert why_late(NOW + timedelta(minutes=10))


def test_what_waits_behind_a_long_job_is_not_late(db):
    Job.objects.create(name="close_hours", due_at=NOW, holder="somebody", lease_until=NOW + HOUR)
    Job.objects.create(name="refresh_presents", due_at=NOW)
    assert not why_late(NOW + timedelta(minutes=30))


def test_whether_it_is_late_is_one_query(db, django_assert_num_queries):
    Worker().run_due(NOW)
    with django_assert_num_queries(1):
        assert not why_late(NOW)


def test_once_does_what_is_due_and_ends(db):
    call_command("worker", "--once")
    assert {job.name for job in Job.objects.exclude(last_run_at=None)} == {work.name for work in regular_work()}


def test_once_says_which_job_failed(db, monkeypatch):
    work = Work("broken", HOUR, f"{__name__}.fail")
    monkeypatch.setattr(jobs, "regular_work", lambda: [work])
    with pytest.raises(CommandError, match="broken failed"):
        call_command("worker", "--once")


def test_a_database_that_is_away_does_not_end_the_worker(monkeypatch, caplog):
    from instances.management.commands import worker as command
    from shm_site.stopping import Stopping

    def away(self, now, is_stopping):
        raise OperationalError("connection refused")

    monkeypatch.setattr(Worker, "run_due", away)
    monkeypatch.setattr(command, "close_old_connections", lambda: None)
    assert command.Command()._round(Worker([]), Stopping()) == command.DATABASE_RETRY_SECONDS
    assert "connection refused" in caplog.text


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_several_workers_at_once_one_runs_the_job():
    barrier = threading.Barrier(5)

    def run():
        barrier.wait(10)
        worker_of(note).run_due(NOW)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [NOW] == RAN


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_stops_at_once(tmp_path, number):
    """Idle because its database has no tables; it says so and waits to try again."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SHM_DB_DSN")}
    environment |= {"SHM_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "shm_site.settings"}
    with subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "worker"], env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert "The worker has started" in process.stderr.readline()
            assert "trying again in 10 s" in process.stderr.readline()
            signalled = time.monotonic()
            process.send_signal(number)
            assert process.wait(30) == 0
            assert time.monotonic() - signalled < 5
            assert "The worker has stopped" in process.stderr.read()
        finally:
            process.kill()


@pytest.mark.server
def test_once_ends_with_a_sentence_while_the_database_is_away(tmp_path):
    """And does its work when it is run again."""
    with postgres.server() as server:
        environment = {name: value for name, value in os.environ.items() if name != "SHM_DB_DSN"}
        environment |= {"SHM_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "shm_site.settings"}
        environment["DATABASE_URL"] = server.url
        manage = [sys.executable, ROOT / "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], env=environment, cwd=ROOT, check=True)
        server.stop()
        once = subprocess.run(
            [*manage, "worker", "--once"], env=environment, cwd=ROOT, check=False, capture_output=True, text=True
        )
        assert once.returncode == 1
        assert "The database does not answer" in once.stderr
        assert "Traceback" not in once.stderr
        server.start()
        subprocess.run([*manage, "worker", "--once"], env=environment, cwd=ROOT, check=True, capture_output=True)
