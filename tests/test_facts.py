"""What is known of each application before it is said whether it needs a look."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from instances.enrolment import EnrolmentToken
from instances.models import Application, Event, Instance
from metrics import taking
from metrics.census import Census
from metrics.facts import NOTHING, Facts, Flagged, facts
from metrics.headcounts import Headcount
from metrics.models import ClosedCensus, KeyFlag, MetricSetting, Release
from metrics.usual import Lost
from tests import fleet
from tests.clock import NOW

CLOSED = NOW.replace(minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def known(application):
    return facts([application], NOW)[application.pk]


def close(application, at, **counts):
    """A census as it was closed at that time. `reporters` by metric; the rest are its counts."""
    reporters = counts.pop("reporters", {})
    left_out = counts.pop("left_out", 0)
    document = Census(at, **counts).document()
    document["metrics"] = {key: {"reporters": number, "sum": 1} for key, number in reporters.items()}
    document["left_out"] = left_out
    return ClosedCensus.objects.create(application=application, at=at, document=document)


def test_of_an_application_without_a_past_nothing_is_usual(ledger):
    assert known(ledger) == Facts(ledger, Headcount(NOW))
    assert facts([], NOW) == {}


def test_the_usual_is_of_the_same_hour_of_days_and_of_weeks(ledger):
    for day in range(1, 8):
        close(ledger, CLOSED - DAY * day, heard=10 + day, reporting=100, active=1000)
        close(ledger, CLOSED - DAY * day - HOUR, heard=99)  # Another hour.
    for week, (reporting, active) in enumerate([(200, 2000), (300, 3000), (0, 0)], 2):
        close(ledger, CLOSED - DAY * 7 * week, heard=99, reporting=reporting, active=active)

    made = known(ledger)

    assert made.usual_heard == 14
    assert made.usual_reporting == 150
    assert made.usual_active == 1500


def test_of_a_single_week_or_two_days_nothing_is_usual(ledger):
    for days in (1, 7):
        close(ledger, CLOSED - DAY * days, heard=10, reporting=10, active=10)

    made = known(ledger)

    assert (made.usual_heard, made.usual_reporting, made.usual_active) == (None, None, None)


def test_hours_from_before_they_were_counted_are_not_taken_for_silent_ones(ledger):
    for days in range(1, 8):
        row = close(ledger, CLOSED - DAY * days, heard=0)
        del row.document["instances"]["heard"]
        row.save()

    assert known(ledger).usual_heard is None


@pytest.mark.parametrize("closed_at", [CLOSED, CLOSED - HOUR])
def test_metrics_are_compared_with_a_week_before(ledger, closed_at):
    close(ledger, CLOSED - DAY * 7, active=20, reporters={"users": 20, "files": 20, "old": 20, "kept": 20})
    close(ledger, closed_at, active=20, reporters={"users": 4, "files": 20, "kept": 20}, left_out=3)
    MetricSetting.objects.create(application=ledger, key="old", hidden=True)

    made = known(ledger)

    assert (made.lost, made.left_out) == ([Lost("users", 20, 4)], 3)


def test_with_lost_metrics_comes_the_newest_release_of_the_time(ledger):
    def release(version, age, **fields):
        Release.objects.create(application=ledger, version=version, released_at=NOW - DAY * age, **fields)

    release("2.0", 3)
    assert known(ledger).release == ""
    close(ledger, CLOSED - DAY * 7, active=20, reporters={"users": 20})
    close(ledger, CLOSED, active=20, reporters={})
    assert known(ledger).release == "2.0"
    for version, age, fields in (("1.9", 10, {}), ("3.0", 1, {"hidden": True}), ("1.0", 15, {}), ("4.0", -1, {})):
        release(version, age, **fields)

    assert known(ledger).release == "2.0"


def test_the_reporters_are_those_of_censuses_as_they_are_taken(ledger):
    for _ in range(4):
        fleet.instance(ledger, {NOW - DAY * 9: {"users": 1, "db": {"size": 2}}, NOW - HOUR * 2: {"users": 1}})
    taking.close_hours(NOW)

    assert known(ledger).lost == [Lost("db.size", 4, 0)]


def test_flags_are_told_apart_by_what_becomes_of_the_value(ledger):
    flags = [("owner", "email"), ("owner", "phone"), ("admin", "email"), ("notes", "long_text"), ("", "many_keys")]
    for key, kind in flags:
        KeyFlag.objects.create(application=ledger, key=key, kind=kind, last_at=NOW - DAY)
    KeyFlag.objects.create(application=ledger, key="old", kind="email", last_at=NOW - DAY * 8)
    KeyFlag.objects.create(application=ledger, key="fine", kind="email", last_at=NOW, allowed_at=NOW)

    made = known(ledger)

    assert made.removed == Flagged(2, "admin")
    assert made.uncounted == Flagged(2, "notes")


def test_conflicts_are_counted_by_instance(ledger):
    one, other = fleet.instance(ledger, {NOW: {}}), fleet.instance(ledger, {NOW: {}})
    for instance, age in ((one, 1), (one, 2), (other, 6), (fleet.instance(ledger, {NOW: {}}), 8)):
        instance.note(Event.Kind.CONFLICT, at=NOW - DAY * age)
    one.note(Event.Kind.CHANGED)

    assert known(ledger).conflicts == 2


def test_a_token_is_lacking_where_it_takes_one_and_none_is_valid(ledger, settings):
    def lacks():
        return known(ledger).lacks_token

    assert not lacks()
    settings.REGISTRATION = "token"
    assert lacks()
    token = EnrolmentToken.objects.create(application=ledger, name="For the bank", digest="ab" * 32)
    assert not lacks()
    token.revoke()
    assert lacks()
    ledger.registration = Application.Registration.OPEN
    assert not lacks()


def test_the_queries_are_as_many_for_any_number_of_applications(settings):
    settings.REGISTRATION = "token"

    def make(number):
        for _ in range(number):
            made = Application.objects.create(slug=f"a{Application.objects.count()}", name="A")
            fleet.instance(made, {NOW: {"users": 1}})
            for days in (0, 7, 14):
                close(made, CLOSED - DAY * days, active=1, reporters={"users": 1})
            Instance.objects.get(application=made).note(Event.Kind.CONFLICT)
            KeyFlag.objects.create(application=made, key="owner", kind="email")

    def queries():
        applications = list(Application.objects.all())
        with CaptureQueriesContext(connection) as captured:
            made = facts(applications, NOW)
        assert all(one.removed != NOTHING and one.conflicts and one.lacks_token for one in made.values())
        return len(captured)

    make(1)
    one = queries()
    make(30)

    assert queries() == one <= 10
