"""manage.py rebuild_census: past censuses, taken again from snapshots."""

import io
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from instances.models import Application
from metrics import taking
from metrics.models import ClosedCensus, Rebuild
from tests import fleet
from tests.clock import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WRONG = {"wrong": True}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "small_batches")]


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(taking, "WRITE_BATCH", 10)


def reporting_application(slug: str, days: int = 2) -> Application:
    """With a report every five hours, so that no two of its censuses in a row are of the same numbers for long."""
    application = Application.objects.create(name=slug.title(), slug=slug)
    hours = range(days * 24, 0, -5)
    fleet.instance(application, {NOW - HOUR * back: {"documents": 1000 - back} for back in hours})
    return application


@pytest.fixture
def ledger(db) -> Application:
    return reporting_application("ledger")


def closed_and_spoilt(*applications: Application) -> dict:
    """What the regular work has closed, by application and time; then each of them is spoilt."""
    taking.close_hours(NOW)
    documents = all_documents()
    ClosedCensus.objects.update(document=WRONG)
    return documents


def all_documents() -> dict:
    return {(row.application_id, row.at): row.document for row in ClosedCensus.objects.order_by("application", "at")}


def wrong_times() -> list[datetime]:
    return [row.at for row in ClosedCensus.objects.filter(document=WRONG).order_by("at")]


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("rebuild_census", *arguments, stdout=output)
    return output.getvalue()


def stop_after(monkeypatch, batches: int, number: int = signal.SIGTERM) -> None:
    """Sends this process a signal while it writes its `batches`-th batch."""
    write, written = taking._write, []

    def write_and_signal(*arguments, **options):
        written.append(write(*arguments, **options))
        if len(written) == batches:
            os.kill(os.getpid(), number)
        return written[-1]

    monkeypatch.setattr(taking, "_write", write_and_signal)


def test_it_takes_them_again_as_they_were_taken(ledger):
    documents = closed_and_spoilt()

    output = run("ledger")

    assert len(documents) == 48
    assert all_documents() == documents
    assert output == "48 censuses taken again of ledger, 2026-11-20 10:00 UTC to 2026-11-22 09:00 UTC.\n"
    assert not Rebuild.objects.exists()


def test_it_takes_what_was_never_taken(ledger):
    documents = closed_and_spoilt()
    ClosedCensus.objects.all().delete()

    run("ledger")

    assert all_documents() == documents


def test_it_counts_what_was_added_to_the_past(ledger):
    closed_and_spoilt()
    added = fleet.instance(ledger, {NOW - DAY: {"documents": 5}})
    assert added.first_report_at == NOW - DAY

    run("ledger")

    active = {at: document["instances"]["active"] for (_, at), document in all_documents().items()}
    assert active[NOW.replace(hour=9, minute=0) - DAY] == 1
    assert active[NOW.replace(hour=10, minute=0) - DAY] == 2


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        (["--from", "2026-11-22"], "2026-11-22T00:00", "2026-11-22T09:00"),
        (["--from", "2026-11-21T22:30"], "2026-11-21T23:00", "2026-11-22T09:00"),
        (["--from", "2026-11-21T22:00:00-02:00"], "2026-11-22T00:00", "2026-11-22T09:00"),
        (["--from", "2026-11-21T08:00Z", "--to", "2026-11-21T10:00Z"], "2026-11-21T08:00", "2026-11-21T10:00"),
        (["--from", "20261121T080000Z", "--to", "2026-11-21"], "2026-11-21T08:00", "2026-11-22T00:00"),
        (["--to", "2026-11-20"], "2026-11-20T10:00", "2026-11-21T00:00"),
        (["--to", "9999-12-31"], "2026-11-20T10:00", "2026-11-22T09:00"),
        (["--from", "0001-01-01"], "2026-11-20T10:00", "2026-11-22T09:00"),
    ],
)
def test_dates_bound_what_is_taken_both_included(ledger, arguments, first, last):
    closed_and_spoilt()

    run("ledger", *arguments)

    first, last = (datetime.fromisoformat(f"{at}+00:00") for at in (first, last))
    assert not [at for at in wrong_times() if first <= at <= last]
    assert len(wrong_times()) == 48 - ((last - first) // HOUR + 1)


def test_only_the_applications_that_are_named_are_taken(ledger):
    reporting_application("abacus")
    other = reporting_application("loom")
    documents = closed_and_spoilt()

    output = run("ledger", "abacus", "ledger")

    assert "96 censuses taken again of 2 applications" in output
    spoilt = {key for key, document in all_documents().items() if document == WRONG}
    assert spoilt == {key for key in documents if key[0] == other.pk}


def test_all_of_them_are_taken(ledger):
    reporting_application("abacus")
    Application.objects.create(name="Silent", slug="silent")
    documents = closed_and_spoilt()

    run("--all")

    assert all_documents() == documents


# Stopping and going on


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_batch_and_the_same_command_goes_on(ledger, monkeypatch, number):
    documents = closed_and_spoilt()
    handler = signal.getsignal(number)

    with monkeypatch.context() as patch:
        stop_after(patch, 2, number)
        with pytest.raises(CommandError, match="20 censuses of 48 are done and kept"):
            run("ledger")

    assert len(wrong_times()) == 28
    assert signal.getsignal(number) is handler
    output = run("ledger")
    assert "ledger: goes on after 2026-11-21 05:00 UTC, where it was interrupted" in output
    assert "28 censuses taken again" in output
    assert all_documents() == documents
    assert not Rebuild.objects.exists()


def test_it_goes_on_though_hours_have_closed_meanwhile(ledger, monkeypatch, clock):
    closed_and_spoilt()
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(CommandError):
            run("ledger")
    clock.move_to(NOW + 3 * HOUR)

    output = run("ledger")

    assert "31 censuses taken again of ledger, 2026-11-20 10:00 UTC to 2026-11-22 12:00 UTC" in output
    assert wrong_times() == []


def test_of_several_applications_those_that_are_done_are_passed_over(ledger, monkeypatch):
    reporting_application("abacus")
    documents = closed_and_spoilt()
    with monkeypatch.context() as patch:
        stop_after(patch, 6)
        with pytest.raises(CommandError, match="58 censuses of 96 are done"):
            run("--all")

    output = run("--all")

    assert "38 censuses taken again" in output
    assert all_documents() == documents
    assert not Rebuild.objects.exists()


def test_it_ends_well_when_it_is_told_to_stop_at_its_very_last_batch(ledger, monkeypatch):
    documents = closed_and_spoilt()
    stop_after(monkeypatch, 5)

    assert "48 censuses taken again" in run("ledger")

    assert all_documents() == documents


def test_it_begins_anew_when_told_to(ledger, monkeypatch):
    documents = closed_and_spoilt()
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(CommandError):
            run("ledger")
    ClosedCensus.objects.update(document=WRONG)

    assert "48 censuses taken again" in run("ledger", "--restart")

    assert all_documents() == documents


@pytest.mark.parametrize("other", [["--from", "2026-11-21"], ["--to", "2026-11-20"]])
def test_another_span_does_not_go_on_where_this_one_ended(ledger, monkeypatch, other):
    closed_and_spoilt()
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(CommandError):
            run("ledger")

    output = run("ledger", *other)

    assert "goes on" not in output
    assert not Rebuild.objects.exists()


# What it cannot take


def test_it_leaves_out_what_has_been_thinned_to_monthly_snapshots_and_says_so(settings):
    settings.KEEP_DAILY = timedelta(days=40)
    reporting_application("ledger", days=50)
    documents = closed_and_spoilt()

    output = run("ledger")

    assert output.startswith("9 censuses from before 2026-10-13 stay as they are")
    assert wrong_times() == sorted(at for _, at in documents if at < datetime(2026, 10, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"Name the applications by their slugs, or say --all. There are: abacus, ledger\."),
        (["ledger", "--all"], "not both"),
        (["nothing", "ledger"], r"There is no application 'nothing'. There are: abacus, ledger\."),
        (["ledger", "--from", "2026-11-22", "--to", "2026-11-20"], "is after --to .2026-11-21 00:00 UTC"),
        (["ledger", "--from", "2026-12-01"], "is in the future"),
        (["ledger", "--to", "2026-11-01"], "nothing to take again.*The first report is of 2026-11-20 09:30 UTC"),
        (["abacus"], "no instance of abacus has ever reported"),
        (["ledger", "--from", "yesterday"], "'yesterday' is no date in ISO 8601, such as 2026-03-01"),
        (["ledger", "--to", "22.11.2026"], "is no date"),
        (["ledger", "--from", "0001-01-01T00:00+14:00"], "is no date"),
    ],
)
def test_an_error_says_what_to_do(ledger, arguments, message):
    Application.objects.create(name="Abacus", slug="abacus")

    with pytest.raises(CommandError, match=message):
        run(*arguments)

    assert not ClosedCensus.objects.exists()


def test_of_many_applications_some_are_named():
    for number in range(23):
        Application.objects.create(name=str(number), slug=f"a-{number:02}")

    with pytest.raises(CommandError, match=r"a-18, a-19 and 3 more, which the admin lists\."):
        run("nothing")


def test_without_applications_it_says_how_one_comes_to_be():
    with pytest.raises(CommandError, match="There is none yet: the first registration"):
        run()


def test_a_database_that_is_away_is_a_sentence(ledger, monkeypatch):
    def away(*arguments):
        raise OperationalError("connection refused\n\tIs the server running?")

    monkeypatch.setattr(taking, "rebuild", away)

    with pytest.raises(CommandError, match=r"connection refused Is the server running\. Check DATABASE_URL"):
        run("ledger")


# Progress


def test_it_is_quiet_where_nobody_watches(ledger, capfd):
    run("ledger")

    assert capfd.readouterr() == ("", "")


def test_it_shows_a_bar_in_a_terminal(ledger, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    run("ledger")

    assert "ledger: 100%" in terminal.getvalue()
    assert "48/48" in terminal.getvalue()
