"""Releases: what the fleet shows, what maintainers say, and the lines that charts draw of it."""

import itertools
from collections import Counter
from datetime import datetime, timedelta

import pytest

from instances.jobs import regular_work
from instances.models import Application
from metrics import releases, taking
from metrics.census import Census, Dimension
from metrics.models import ClosedCensus, Release
from tests import fleet
from tests.clock import NOW

MIDNIGHT = NOW.replace(hour=0, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ledger(db) -> Application:
    ledger = Application.objects.create(name="Ledger", slug="ledger")
    fleet.instance(ledger, {MIDNIGHT - 40 * DAY: {}, NOW - HOUR: {}}, app_version="1.0")
    return ledger


def close(application: Application, at: datetime, **counts: int) -> None:
    """Keeps a census of that time; versions as keywords: v1_0=9 is 1.0."""
    counter = Counter({name[1:].replace("_", "."): count for name, count in counts.items()})
    dimension = Dimension.of(counter)
    census = Census(at, active=dimension.total, dimensions={"app_version": dimension} if counter else {})
    ClosedCensus.objects.create(application=application, at=at, document=census.document())


def dates(application: Application) -> dict[str, datetime | None]:
    return dict(application.releases.values_list("version", "released_at"))


# What the fleet shows


def test_a_release_is_noted_once_a_real_part_of_the_fleet_runs_it(ledger):
    close(ledger, MIDNIGHT - 9 * DAY, v1_0=90)
    close(ledger, MIDNIGHT - 8 * DAY, v1_0=89, v1_1=1)
    assert releases.note_releases(NOW) == "1 releases are noted"
    close(ledger, MIDNIGHT - 7 * DAY, v1_0=80, v1_1=10)

    assert releases.note_releases(NOW) == "1 releases are noted"
    assert dates(ledger) == {"1.0": None, "1.1": MIDNIGHT - 9 * DAY}
    assert releases.note_releases(NOW) is None


def test_the_last_days_are_looked_at_by_the_hour(ledger):
    close(ledger, MIDNIGHT - DAY, v1_0=90)
    for hour in range(9):
        close(ledger, MIDNIGHT + HOUR * hour, v1_0=90 - 4 * max(0, hour - 5), **({"v1_1": 4} if hour > 5 else {}))

    releases.note_releases(NOW)

    assert dates(ledger)["1.1"] == MIDNIGHT + 5 * HOUR


def test_one_stray_instance_draws_no_line(ledger):
    for back in range(30, 0, -1):
        close(ledger, MIDNIGHT - DAY * back, v1_0=90, v99_9=2)

    releases.note_releases(NOW)

    assert dates(ledger) == {"1.0": None}
    assert releases.markers(ledger, NOW - 365 * DAY, NOW) == []


def test_nothing_is_read_but_the_newest_census_while_nothing_is_new(ledger, django_assert_num_queries):
    for back in range(30, 0, -1):
        close(ledger, MIDNIGHT - DAY * back, v1_0=90)
    releases.note_releases(NOW)

    # The applications; then the time of the newest census, the census, and the releases.
    with django_assert_num_queries(4):
        assert releases.note_releases(NOW) is None


def test_censuses_without_versions_are_passed_over(ledger):
    close(ledger, MIDNIGHT - 2 * DAY)
    assert releases.note_releases(NOW) is None
    close(ledger, MIDNIGHT - DAY, v1_0=3)
    close(ledger, MIDNIGHT, v=3)

    assert releases.note(ledger, NOW) == 1
    assert dates(ledger) == {"1.0": None}


def test_a_long_history_is_read_evenly_and_bounded(ledger):
    first = MIDNIGHT - 1199 * DAY
    ledger.instances.update(first_report_at=first)

    times = releases._times(ledger, NOW)

    assert len(times) <= releases.MAX_DAYS + 7 * 24
    assert times[0] - first < 3 * DAY
    assert {right - left for left, right in itertools.pairwise(times) if right < NOW - 8 * DAY} == {3 * DAY}


def test_releases_that_are_noted_are_bounded_to_the_newest(ledger, monkeypatch):
    monkeypatch.setattr(releases, "MAX_NOTED", 3)
    for number in range(6):
        close(ledger, MIDNIGHT - DAY * (9 - number), **{f"v1_{number}": 9})
        releases.note(ledger, NOW)

    assert set(dates(ledger)) == {"1.3", "1.4", "1.5"}


def test_texts_of_one_release_are_noted_as_one(ledger):
    close(ledger, MIDNIGHT - 2 * DAY, v1_0=9)
    close(ledger, MIDNIGHT - DAY, v1_1=5, vv1_1_0=5)

    releases.note(ledger, NOW)

    assert len(dates(ledger)) == 2


def test_an_application_that_is_erased_meanwhile_gets_none(ledger):
    close(ledger, MIDNIGHT, v1_0=9)
    erased = Application.objects.get(pk=ledger.pk)
    rows = releases.history(ledger, [MIDNIGHT])
    ledger.erase()

    assert rows
    assert releases.note(erased, NOW) == 0
    assert not Release.objects.exists()


# What maintainers say


def test_a_maintainers_date_stays(ledger):
    said = Release.objects.create(application=ledger, version="v1.1", released_at=NOW - 20 * DAY, by_hand=True)
    close(ledger, MIDNIGHT - 2 * DAY, v1_0=9)
    close(ledger, MIDNIGHT - DAY, v1_1=9)

    releases.note_releases(NOW)
    releases.note_again(ledger, NOW)

    assert dates(ledger) == {"v1.1": said.released_at, "1.0": None}


def test_what_a_maintainer_hides_stays_hidden_and_holds_nothing_up(ledger):
    close(ledger, MIDNIGHT - 3 * DAY, v1_0=9)
    close(ledger, MIDNIGHT - 2 * DAY, v1_0=9, v99_9=4)
    close(ledger, MIDNIGHT - DAY, v1_0=9, v99_9=4, v1_1=9)
    releases.note(ledger, NOW)
    assert dates(ledger)["1.1"] is None

    ledger.releases.filter(version="99.9").update(hidden=True)
    releases.note_again(ledger, NOW)

    assert dates(ledger)["1.1"] == MIDNIGHT - 2 * DAY
    assert releases.note_releases(NOW) is None
    assert [version for _, version in releases.markers(ledger, NOW - 9 * DAY, NOW)] == ["1.1"]


def test_censuses_that_are_taken_again_date_releases_again(ledger):
    reports = {MIDNIGHT - DAY * back: {} for back in range(6, 0, -1)}
    for _ in range(4):
        fleet.instance(ledger, reports, app_version="1.0")
    wrong = ledger.releases.create(version="0.7", released_at=NOW - 3 * DAY)

    times = taking.rebuild_times(ledger, None, None, NOW)
    taking.rebuild(ledger, times, lambda done: None)

    assert not ledger.releases.filter(pk=wrong.pk).exists()
    assert "1.0" not in dates(ledger) or dates(ledger)["1.0"] is None


def test_noting_is_regular_work(db):
    (work,) = [work for work in regular_work() if work.name == "note_releases"]

    assert work(NOW) is None


# Lines on charts


def released(application: Application, version: str, days: float, **fields: object) -> Release:
    return Release.objects.create(application=application, version=version, released_at=NOW - DAY * days, **fields)


def test_markers_are_those_of_the_time_oldest_first(ledger):
    released(ledger, "1.2", 1)
    released(ledger, "1.0", 20)
    released(ledger, "1.1", 10, by_hand=True)
    released(ledger, "99.9", 5, hidden=True)
    Release.objects.create(application=ledger, version="0.9", released_at=None)
    other = Application.objects.create(name="Other", slug="other")
    released(other, "3.0", 5)

    assert releases.markers(ledger, NOW - 15 * DAY, NOW) == [(NOW - 10 * DAY, "1.1"), (NOW - DAY, "1.2")]
    assert releases.markers(ledger, NOW - 15 * DAY, NOW - 5 * DAY) == [(NOW - 10 * DAY, "1.1")]


def test_of_many_markers_the_large_steps_stay(ledger):
    for number in range(30):
        released(ledger, f"1.{number // 10}.{number % 10}", 30 - number)
    released(ledger, "0.9.7", 40, by_hand=True)
    released(ledger, "2.0-rc1", 0.5)

    shown = [version for _, version in releases.markers(ledger, NOW - 90 * DAY, NOW)]

    newest_patches = [f"1.2.{number}" for number in range(2, 10)]
    assert shown == ["0.9.7", "1.0.0", "1.1.0", "1.2.0", *newest_patches]
    assert len(shown) == releases.MAX_MARKERS
