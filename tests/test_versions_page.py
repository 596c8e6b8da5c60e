"""The versions page: what it shows of a fleet, and what maintainers say there of releases."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from dashboard import versions
from dashboard.version_rows import Took
from dashboard.versions import VersionsPage, newest_share
from instances.models import Application
from metrics import taking
from metrics.census import Census, Dimension
from metrics.models import ClosedCensus, PresentCensus, Release
from tests import fleet
from tests.clock import NOW
from tests.queries import queries

MIDNIGHT = NOW.replace(hour=0, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE, RELEASES = "/applications/ledger/versions/", "/applications/ledger/releases/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


@pytest.fixture
def get(visit):
    # Whatever kind of space stands before a unit.
    return lambda **query: re.sub(r"[\u00a0\u202f]", " ", visit(PAGE, query).content.decode())


def census(at: datetime, counts: dict[str, int]) -> Census:
    dimension = Dimension.of(Counter(counts))
    return Census(at, active=dimension.total, dimensions={"app_version": dimension} if counts else {})


def past(application: Application, days: float, **counts: int) -> None:
    """A closed census so many days before today's midnight. Versions as keywords: v1_0=9 is 1.0."""
    at = MIDNIGHT - DAY * days
    row = census(at, {name[1:].replace("_", "."): count for name, count in counts.items()})
    ClosedCensus.objects.create(application=application, at=at, document=row.document())


def present(application: Application, counts: dict[str, int]) -> None:
    """What the fleet runs now. As a census that somebody has just taken, so that no instance needs to exist."""
    PresentCensus.objects.create(application=application, at=NOW, document=census(NOW, counts).document())


def page(application: Application, **query: str) -> VersionsPage:
    address = QueryDict(mutable=True)
    address.update(query)
    return VersionsPage(application, address, NOW)


@pytest.fixture
def moving(ledger) -> Application:
    """A fleet of ten on its way from 1.0 by 1.1 to 1.2, one of which stays where it was."""
    fleet.instance(ledger, {MIDNIGHT - 40 * DAY: {}}, app_version="1.0")
    for days in range(39, 30, -1):
        past(ledger, days, v1_0=10)
    past(ledger, 30, v1_0=8, v1_1=2)
    past(ledger, 29, v1_0=5, v1_1=5)
    for days in range(28, 8, -1):
        past(ledger, days, v1_0=1, v1_1=9)
    past(ledger, 8, v1_0=1, v1_1=6, v1_2=3)
    for days in range(7, -1, -1):
        past(ledger, days, v1_0=1, v1_1=3, v1_2=6)
    present(ledger, {"1.0": 1, "1.1": 1, "1.2": 8})
    ledger.releases.create(version="1.0", released_at=None)
    ledger.releases.create(version="1.1", released_at=MIDNIGHT - 31 * DAY)
    ledger.releases.create(version="1.2", released_at=MIDNIGHT - 9 * DAY)
    return ledger


# At a glance


def test_it_says_at_once_how_far_the_newest_version_has_come(moving, get):
    shown = page(moving)

    assert (shown.newest, shown.newest_count, shown.newest_share) == ("1.2", 8, 0.8)
    assert newest_share(shown.census, moving) == ("1.2", 0.8)
    assert [point.value for point in shown.newest_trend.points[-3:]] == [0.6, 0.6, 0.8]
    assert re.search(r"On the newest version</span>\s*<span class=.shm-kpi-value.>80 %", get())


def test_it_says_which_version_covers_nine_in_ten(moving, get):
    assert page(moving).covers == versions.Covers("1.1", 9, 0.9)
    assert page(moving, **{"from": "1.2"}).covers == versions.Covers("1.2", 8, 0.8)
    assert page(moving, **{"from": "7.7"}).covers == versions.Covers("1.1", 9, 0.9)
    assert "On <bdi>1.2</bdi> or newer" in get(**{"from": "1.2"})


def test_where_no_version_covers_nine_in_ten_the_oldest_is_offered(ledger):
    present(ledger, {"1.0": 4, "1.1": 4, "main": 8})

    assert page(ledger).covers == versions.Covers("1.0", 8, 0.5)


def test_it_says_how_long_upgrades_take(moving, get):
    shown = page(moving)
    rows = {row.version: row for row in shown.rows}

    assert [str(rows["1.1"].half), str(rows["1.1"].most)] == ["2 days", "3 days"]
    assert [str(rows["1.2"].half), str(rows["1.2"].most)] == ["2 days", "not yet"]
    assert [str(rows["1.0"].half), str(rows["1.0"].most)] == ["–", "–"]
    assert (shown.half_takes, shown.most_takes) == ("2 days", "3 days")
    text = get()
    assert "median of the last 2 releases" in text
    assert "<bdi>1.2</bdi> has reached 80 % in 9 days" in text


def test_what_was_there_before_counting_began_is_not_known(ledger):
    for days in (3, 2, 1):
        past(ledger, days, v1_0=9)
    fleet.instance(ledger, {MIDNIGHT - 4 * DAY: {}}, app_version="1.0")
    present(ledger, {"1.0": 9})
    ledger.releases.create(version="1.0", released_at=NOW - 300 * DAY, by_hand=True)

    (row,) = page(ledger).rows

    assert (row.half, row.seen_on) == (Took(None, is_known=False), None)


def test_a_release_date_after_the_fleet_had_it_is_no_negative_time(moving):
    moving.releases.filter(version="1.1").update(released_at=NOW - DAY, by_hand=True)

    rows = {row.version: row for row in page(moving).rows}

    assert str(rows["1.1"].half) == "under a day"


# The table and what lingers


def test_each_version_has_its_row_newest_first(moving):
    newest, middle, oldest = page(moving).rows

    assert [row.version for row in (newest, middle, oldest)] == ["1.2", "1.1", "1.0"]
    assert [row.count for row in (newest, middle, oldest)] == [8, 1, 1]
    assert [row.covered for row in (newest, middle, oldest)] == [8, 9, 10]
    assert [row.change for row in (newest, middle, oldest)] == [2, -2, 0]
    assert [row.change_text for row in (newest, middle, oldest)] == ["+2", "−2", "0"]
    assert [row.is_newest for row in (newest, middle, oldest)] == [True, False, False]
    # Of the census of the midnight that ended that day.
    assert newest.seen_on == (MIDNIGHT - 9 * DAY).date()
    assert oldest.seen_on is None


def test_the_rows_add_up_to_the_census_that_all_pages_show(moving):
    shown = page(moving)

    assert sum(row.count for row in shown.rows) == shown.census.active == 10


def test_an_instance_table_of_each_version_is_one_click_away(ledger, get):
    present(ledger, {"1.0 & <b>": 3, "": 1})

    text = get()

    assert 'href="/applications/ledger/?state=active&amp;f.app_version=1.0+%26+%3Cb%3E#instances"' in text
    assert 'href="/applications/ledger/?state=active&amp;f.app_version=#instances"' in text


def test_days_are_of_utc_and_times_by_the_readers_clock(moving, client, viewer):
    moving.releases.filter(version="1.1").update(by_hand=True)
    client.force_login(viewer)
    client.cookies["shm_time_zone"] = "America/New_York"

    text = client.get(PAGE).content.decode()

    assert '<time datetime="2026-11-13">2026-11-13</time>' in text
    assert ">2026-10-21</time>" in text


def test_a_release_that_nobody_runs_yet_has_its_row(moving):
    moving.releases.create(version="1.3", released_at=NOW - HOUR, by_hand=True)

    shown = page(moving)

    assert (shown.newest, shown.newest_share) == ("1.3", 0.0)
    assert (shown.rows[0].version, shown.rows[0].count) == ("1.3", 0)


def test_what_lingers_is_behind_by_releases_or_by_months(ledger, get):
    for number, days in enumerate([400, 200, 90, 60]):
        ledger.releases.create(version=f"1.{number}", released_at=NOW - DAY * days)
    present(ledger, {"0.9": 4, "1.0": 2, "1.1": 7, "1.2": 5, "1.3": 90, "main": 3, "2.0-rc1": 1})

    shown = page(ledger)

    # 1.1 is two releases behind, of which the first came 90 days ago.
    assert [(row.version, row.standing.releases) for row in shown.old] == [("0.9", 4), ("1.0", 3)]
    assert (shown.old_count, shown.old_share) == (6, 6 / 112)
    ledger.releases.filter(version="1.2").update(released_at=NOW - 184 * DAY)
    assert [row.version for row in page(ledger).old] == ["1.1", "0.9", "1.0"]
    assert "superseded 6 months ago" in re.sub(r"<[^>]*>", "", unescape(get()))


def test_of_many_old_versions_those_with_most_instances_are_listed(ledger, get):
    for number in range(4):
        ledger.releases.create(version=f"2.{number}", released_at=NOW - DAY)
    present(ledger, {**{f"1.{number}": number + 1 for number in range(14)}, "2.3": 200})

    shown = page(ledger)

    assert [row.version for row in shown.old_shown] == [f"1.{number}" for number in range(13, 3, -1)]
    assert shown.old_count == sum(range(15))
    assert "and 4 more, marked as old" in get()


# The chart


def lines(chart) -> dict[str, list[int]]:
    return {line.label: [point.value for point in line.series.points] for line in chart.lines}


def test_the_chart_stacks_older_versions_upon_newer_ones(moving):
    drawn = lines(page(moving, period="30d").chart)

    assert list(drawn) == ["1.2", "1.1", "1.0"]
    assert [values[-1] for values in drawn.values()] == [8, 1, 1]
    assert page(moving).chart.kind == "share"
    assert page(moving, **{"as": "count"}).chart.kind == "stacked"


def test_its_points_add_up_to_the_fleet_at_all_times(ledger):
    fleet.instance(ledger, {MIDNIGHT - 3 * DAY: {}}, app_version="1.0")
    many = {f"v1_{number}": number + 1 for number in range(30)}
    past(ledger, 2, **many)
    past(ledger, 1, **many, v=4)
    present(ledger, {**{f"1.{number}": 1 for number in range(200)}, "main": 9})

    chart = page(ledger).chart

    assert len(chart.lines) == versions.LINES + 1
    assert chart.lines[-1].label == "Others"
    totals = [sum(values) for values in zip(*lines(chart).values(), strict=True)]
    assert totals == [sum(many.values()), sum(many.values()) + 4, 209]


@pytest.mark.parametrize(
    ("run", "last"), [(versions.LINES, "1.0"), (versions.LINES + 1, "1.0"), (versions.LINES + 2, "Others")]
)
def test_no_version_is_called_others_all_by_itself(ledger, run, last):
    fleet.instance(ledger, {MIDNIGHT - 3 * DAY: {}}, app_version="1.0")
    present(ledger, {f"1.{number}": 9 - number for number in range(run)})

    assert lines(page(ledger).chart).keys() >= {"1.0", last}
    assert ("Others" in lines(page(ledger).chart)) is (last == "Others")


def test_its_markers_are_the_releases_of_the_period(moving):
    assert [marker.label for marker in page(moving, period="all").chart.markers] == ["1.1", "1.2"]
    assert [marker.label for marker in page(moving, period="7d").chart.markers] == []


def test_chart_and_table_can_be_taken_away(client, viewer, moving):
    client.force_login(viewer)

    table = client.get(PAGE, {"download": "versions.json"})
    chart = client.get(PAGE, {"download": "adoption.csv", "period": "30d"})

    rows = json.loads(b"".join(table.streaming_content))["rows"]
    assert rows[0][:6] == ["1.2", 8, 0.8, 8, 0.8, 2]
    assert rows[1][8:10] == [2.0, 3.0]
    last = b"".join(chart.streaming_content).decode().splitlines()[-1]
    assert last.endswith(",8,1,1")
    assert client.get(PAGE, {"download": "nothing.csv"}).status_code == 404


# Whatever comes


@pytest.mark.parametrize("period", ["24h", "7d", "30d", "3m", "1y", "all", "nonsense"])
@pytest.mark.parametrize("unit", ["share", "count", "nonsense"])
def test_every_address_has_a_page(moving, get, period, unit):
    text = get(period=period, **{"as": unit, "from": "'; --"})

    assert text.count('aria-current="true"') >= 2


def test_an_empty_fleet_is_told_what_to_do(ledger, get):
    assert "No active instance says which version it runs" in get()


def test_a_fleet_that_names_no_version_is_told_what_to_do(ledger, get):
    fleet.instance(ledger, {NOW: {"documents": 1}}, app_version="")

    assert "No active instance says which version it runs" in get()


def test_one_instance_with_one_snapshot_is_a_fleet(ledger, get):
    fleet.instance(ledger, {NOW: {"documents": 1}}, app_version="1.0")

    text = get()

    assert re.search(r"On the newest version</span>\s*<span class=.shm-kpi-value.>100 %", text)
    assert "So far there is one value" in text
    assert page(ledger).rows[0].change is None


def test_texts_that_are_no_versions_are_shown_without_an_order(ledger, get):
    present(ledger, {"main": 5, "noble": 3})

    text = get()

    assert "None of these texts is a version" in text
    assert page(ledger).covers is None
    assert [row.version for row in page(ledger).rows] == ["noble", "main"]


def test_hostile_versions_are_shown_as_they_are(ledger, get, hostile):
    texts = [text[:100] for text in hostile] + [f"1.0-{text}"[:100] for text in hostile]
    present(ledger, dict.fromkeys(texts, 3))
    for text in set(texts):
        ledger.releases.create(version=text, released_at=NOW - DAY)

    content = get(**{"from": texts[0]})

    for markup in ("<script>alert(", "<img src=x", "</script><script>"):
        assert markup not in content
    assert "\u202egnp.exe" in content


def test_two_hundred_versions_are_told_from_what_is_folded(ledger, get):
    present(ledger, {f"1.{number}": 1 for number in range(200)})

    assert "150 instances run one of 150 rare versions" in get()


# What it costs


def test_it_costs_the_same_whatever_the_history(moving, get):
    before = queries(lambda: get(period="all"))
    for days in range(40, 900):
        past(moving, days, v0_9=10)
    moving.instances.update(first_report_at=MIDNIGHT - 900 * DAY)

    assert queries(lambda: get(period="all")) == before
    assert len(page(moving, period="24h").history) <= versions.MAX_POINTS + 1


def test_no_document_is_read_whole(moving, get):
    with CaptureQueriesContext(connection) as captured:
        get()

    closed = [query["sql"] for query in captured if "metrics_closedcensus" in query["sql"]]
    assert len(closed) == 1
    assert "app_version" in closed[0]
    assert '"document" AS' not in closed[0]
    assert '"document" FROM' not in closed[0]


# What maintainers say of releases


@pytest.fixture
def say(client, maintainer):
    client.force_login(maintainer)

    def say(path=RELEASES, **data):
        response = client.post(path, data, follow=True)
        assert response.redirect_chain == [(PAGE, 302)]
        return response.content.decode()

    return say


def test_a_maintainer_sets_a_date_and_the_audit_log_tells(moving, say, maintainer):
    text = say(version="1.3", released_at="2026-11-20T10:30")

    row = moving.releases.get(version="1.3")
    assert (row.released_at, row.by_hand) == (datetime(2026, 11, 20, 10, 30, tzinfo=UTC), True)
    assert "The date of 1.3 is set." in text
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (maintainer, str(moving.pk))
    assert entry.get_change_message() == "1.3 was released on 2026-11-20 10:30 UTC."


def test_dates_are_set_by_the_clock_of_who_sets_them(moving, say, client):
    client.cookies["shm_time_zone"] = "Asia/Tokyo"

    assert "Released (Asia/Tokyo)" in say(version="1.3", released_at="2026-11-20T10:30")

    assert moving.releases.get(version="1.3").released_at == datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    say(version="1.4", released_at="0001-01-01T00:00")
    say(version="1.4", released_at="9999-12-31T23:59")
    assert not moving.releases.filter(version="1.4").exists()


def test_a_date_is_for_the_release_however_it_is_written(moving, say):
    say(version="v1.2.0", released_at="2026-11-10T00:00")

    assert moving.releases.get(version="1.2").by_hand
    assert moving.releases.count() == 3


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"version": "1.3", "released_at": "2026-11-23T10:30"}, "A release lies in the past"),
        ({"version": "1.3", "released_at": "0001-01-01T00:00"}, "A release lies in the past"),
        ({"version": "1.3", "released_at": "yesterday"}, "Enter a valid date/time"),
        ({"version": "1\u20283", "released_at": "2026-11-20T10:30"}, "one line"),
        ({"version": "x" * 101, "released_at": "2026-11-20T10:30"}, "at most 100 characters"),
        ({"version": "1\x00", "released_at": "2026-11-20T10:30"}, "ull characters"),
        ({}, "This field is required"),
    ],
)
def test_what_is_no_release_is_refused_with_the_reason(moving, say, data, complaint):
    assert complaint in unescape(say(**data))
    assert moving.releases.count() == 3
    assert not LogEntry.objects.exists()


def test_dates_by_hand_are_bounded(moving, say, monkeypatch):
    monkeypatch.setattr("dashboard.releases.MAX_BY_HAND", 1)
    say(version="1.3", released_at="2026-11-20T10:30")

    assert "Take back some of them first" in say(version="1.4", released_at="2026-11-20T10:30")


def test_a_version_is_hidden_shown_again_and_its_date_taken_back(moving, say):
    row = moving.releases.get(version="1.2")

    say(f"{RELEASES}{row.pk}/hide")
    assert page(moving).newest == "1.1"
    assert moving.releases.get(pk=row.pk).hidden

    say(f"{RELEASES}{row.pk}/show")
    assert page(moving).newest == "1.2"

    say(version="1.2", released_at="2026-11-01T00:00")
    said = moving.releases.get(version="1.2")
    say(f"{RELEASES}{said.pk}/reset")
    again = moving.releases.get(version="1.2")
    assert (again.by_hand, again.released_at) == (False, MIDNIGHT - 9 * DAY)
    assert LogEntry.objects.count() == 4


def test_what_is_no_action_is_refused(client, maintainer, moving):
    client.force_login(maintainer)

    assert client.post(f"{RELEASES}{moving.releases.first().pk}/burn").status_code == 400
    assert not LogEntry.objects.exists()


def test_who_may_not_change_the_application_sets_nothing(client, viewer, other_maintainer, moving):
    row = moving.releases.first()
    for user, status in ((viewer, 403), (other_maintainer, 404)):
        client.force_login(user)
        assert client.post(RELEASES, {"version": "3", "released_at": "2026-11-20T10:30"}).status_code == status
        assert client.post(f"{RELEASES}{row.pk}/hide").status_code == status
    client.force_login(viewer)
    assert "Set the date" not in client.get(PAGE).content.decode()
    assert Release.objects.count() == 3


def test_a_release_of_another_application_is_out_of_reach(client, maintainer, other_team, moving):
    other = Application.objects.create(name="Other", slug="other", team=other_team)
    row = other.releases.create(version="1.0", released_at=NOW - DAY)
    client.force_login(maintainer)

    assert client.post(f"{RELEASES}{row.pk}/hide").status_code == 404


def test_the_present_census_of_instances_is_what_the_page_counts(ledger):
    for version in ("1.0", "1.0", "1.1", ""):
        fleet.instance(ledger, {NOW - HOUR: {}}, app_version=version)

    assert page(ledger).dimension == taking.present(ledger, NOW).dimensions["app_version"]
    assert page(ledger).total == 4
