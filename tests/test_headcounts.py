"""Headcounts: the numbers of the overview, which are those of the censuses."""

import random
from datetime import timedelta

import pytest

from instances.models import Application, Instance
from metrics import taking
from metrics.census import Dimension
from metrics.headcounts import SHARED, Headcount, headcounts
from tests import fleet
from tests.clock import NOW
from tests.queries import queries

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def counted(application, at=NOW):
    return headcounts([application], at)[application.pk]


def shared(source):
    return {name: getattr(source, name) for name in SHARED}


def test_an_application_without_instances_is_all_zeros(ledger):
    assert counted(ledger) == Headcount(NOW)
    assert headcounts([], NOW) == {}


def any_fleet(application, luck):
    """Instances of every kind, with reports on the very edges of what is counted."""
    window, quiet = timedelta(days=application.active_days), application.quiet_after
    ages = [HOUR / 2, HOUR, DAY, 7 * DAY, quiet, quiet + 7 * DAY, window - DAY, window, window + 7 * DAY, 3 * window]
    ages = [age for age in ages if age > timedelta()]
    for _ in range(60):
        times = [NOW - luck.choice(ages) - luck.choice([-1, 0, 1]) * MICROSECOND for _ in range(luck.randint(0, 3))]
        made = fleet.instance(application, {at: {} for at in times}, app_version=luck.choice(["", "1.0", "2.0"]))
        state = luck.choice([*Instance.State.values, *["active"] * 6])
        exclusion = luck.choice(["", "", "", "test"])
        Instance.objects.filter(pk=made.pk).update(state=state, exclusion=exclusion)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_the_numbers_of_the_census(seed):
    luck = random.Random(seed)
    settings = [(1, 60), (14, 60), (30, 60 * 24), (30, 60), (400, 1)]
    applications = [
        Application.objects.create(slug=f"a{days}-{minutes}", name="A", active_days=days, report_minutes=minutes)
        for days, minutes in settings
    ]
    for application in applications:
        any_fleet(application, luck)

    made = headcounts(applications, NOW)

    assert all(sum(getattr(one, name) for one in made.values()) for name in SHARED), "fleets that say something"
    for application in applications:
        census = taking.present(application, NOW)
        assert shared(made[application.pk]) == shared(census)
        assert made[application.pk].versions == census.dimensions.get("app_version")


def test_a_large_fleet_s_are_those_of_the_census_that_all_pages_share(ledger, monkeypatch, clock):
    monkeypatch.setattr(taking, "LIVE_INSTANCES", 1)
    for _ in range(2):
        fleet.instance(ledger, {NOW: {}}, app_version="1.0")
    shared_census = taking.present(ledger, NOW)
    clock.move_to(NOW + timedelta(seconds=50))
    fleet.instance(ledger, {NOW + timedelta(seconds=40): {}}, app_version="2.0")

    made = counted(ledger, NOW + timedelta(seconds=50))

    assert (made.at, made.active, made.versions) == (NOW, 2, Dimension({"1.0": 2}, values=1))
    assert shared(made) == shared(shared_census)
    assert made.last_seen_at == NOW + timedelta(seconds=40)
    # A minute on it is out of date, and nothing has to be taken to say so.
    assert counted(ledger, NOW + timedelta(minutes=1)).active == 3


def test_it_counts_who_waits_for_approval(ledger):
    fleet.instance(ledger, {}, state=Instance.State.PENDING, awaits_approval=True)
    fleet.instance(ledger, {}, state=Instance.State.PENDING)

    assert counted(ledger).waiting == 1


@pytest.mark.parametrize(
    ("wrong", "seen", "is_wrong"),
    [
        (HOUR, None, True),
        (HOUR, 2 * HOUR, True),
        (2 * HOUR, HOUR, False),  # It has been set right.
        (DAY * 7, None, True),
        (DAY * 7 + MICROSECOND, None, False),
    ],
)
def test_a_clock_is_wrong_until_a_report_is_accepted_again(ledger, wrong, seen, is_wrong):
    made = fleet.instance(ledger, {})
    times = {"wrong_clock_at": NOW - wrong, "last_seen_at": NOW - seen if seen else None}
    Instance.objects.filter(pk=made.pk).update(**times)

    assert counted(ledger).wrong_clocks == is_wrong
    Instance.objects.update(state=Instance.State.REVOKED)
    assert counted(ledger).wrong_clocks == 0


def test_the_last_report_seen_is_of_no_instance_that_waits(ledger):
    for hours, state in ((3, "active"), (2, "revoked"), (1, "pending")):
        made = fleet.instance(ledger, {})
        Instance.objects.filter(pk=made.pk).update(state=state, last_seen_at=NOW - HOUR * hours)

    assert counted(ledger).last_seen_at == NOW - HOUR * 2


def test_the_queries_are_as_many_for_any_number_of_applications(ledger):
    def look(applications):
        assert len(headcounts(applications, NOW)) == len(applications)

    fleet.instance(ledger, {NOW: {}})
    one = queries(lambda: look([ledger]))
    more = [Application.objects.create(slug=f"a{days}", name="A", active_days=days) for days in range(1, 30)]
    for application in more:
        fleet.instance(application, {NOW: {}}, app_version=application.slug)

    assert queries(lambda: look([ledger, *more])) == one == 2
