"""The overview: one row an application, and what to do where there is none."""

from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from instances.models import Application, Instance
from metrics import taking
from tests import fleet

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def page(client, viewer, clock):
    """The page as the viewer gets it."""
    client.force_login(viewer)

    def get(path="/"):
        response = client.get(path)
        assert response.status_code == 200
        return response

    return get


def application(team, name="Ledger", slug="ledger", **fields):
    return Application.objects.create(name=name, slug=slug, team=team, **fields)


def test_it_shows_each_application_with_its_numbers(page, team):
    ledger = application(team)
    fleet.instance(ledger, {NOW - 9 * DAY: {}, NOW - DAY / 2: {}}, app_version="1.0.0")
    fleet.instance(ledger, {NOW - 2 * DAY: {}}, app_version="1.0.0")
    fleet.instance(ledger, {NOW - DAY: {}}, app_version="2.0.0", exclusion="test")
    fleet.instance(ledger, {NOW - 40 * DAY: {}})
    fleet.instance(ledger, {}, state=Instance.State.PENDING)

    response = page()

    [row] = response.context["rows"]
    counted = row.census
    assert (counted.active, counted.active_raw, counted.established) == (2, 3, 1)
    assert (counted.new, counted.reporting, counted.silent) == (1, 1, 1)
    assert [(share.label, share.count) for share in row.versions.shares] == [("1.0.0", 2)]
    assert row.active.values[-1] == 2
    text = response.content.decode()
    assert '<a class="shm-link" style="font-size:1.0625rem" href="/applications/ledger/">Ledger</a>' in text
    assert "Team Bookkeepers" in text
    assert ">1.0.0</span>" in text
    assert "as of" in text


def test_the_largest_fleet_comes_first_and_an_empty_one_is_there_too(page, team):
    application(team, "Empty", "empty")
    for name, size in (("small", 1), ("large", 3)):
        made = application(team, name, name)
        for _ in range(size):
            fleet.instance(made, {NOW: {}})

    response = page()

    assert [row.application.name for row in response.context["rows"]] == ["large", "small", "Empty"]
    assert "No active instance" in response.content.decode()


def test_an_application_whose_instances_have_only_registered_says_so(page, team):
    fleet.instance(application(team), {}, state=Instance.State.PENDING)

    response = page()

    [row] = response.context["rows"]
    assert (row.census.active, row.last_seen_at, row.is_quiet) == (0, None, False)
    assert "never" in response.content.decode()


@pytest.mark.parametrize(("hours", "quiet"), [(1, False), (3, False), (4, True)])
def test_it_says_when_reports_have_stopped(page, team, hours, quiet):
    fleet.instance(application(team, report_minutes=60), {NOW - timedelta(hours=hours): {}})

    assert ("Reports have stopped" in page().content.decode()) is quiet


def test_without_an_application_it_hands_over_commands_with_the_servers_own_address(client, viewer):
    client.force_login(viewer)

    text = unescape(client.get("/", headers={"host": "metrics.example.org:8443"}).content.decode())

    assert 'server, me, key = "http://metrics.example.org:8443", str(uuid.uuid4())' in text
    assert "No application yet" in text
    assert "Ask a superuser to put you into a team" in text


def test_a_superuser_without_an_application_is_not_sent_to_a_superuser(client, superuser):
    client.force_login(superuser)

    text = client.get("/").content.decode()

    assert "No application yet" in text
    assert "Ask a superuser" not in text


def test_the_commands_are_python_that_does_what_they_say(client, viewer, settings):
    client.force_login(viewer)
    text = unescape(client.get("/").content.decode())

    code = text.split("<<'END'\n", 1)[1].split("\nEND", 1)[0]

    compile(code, "commands", "exec")


def test_hostile_names_and_versions_are_shown_as_they_are(page, team, hostile):
    for number, name in enumerate(hostile):
        made = application(team, name[:100], f"hostile-{number}")
        fleet.instance(made, {NOW: {name: 1}}, app_version=name[:100])

    text = page().content.decode()

    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "{{ 7|add:7 }}" in text
    assert "🦄" in text


def test_the_line_is_that_of_the_closed_days_and_ends_with_the_number_beside_it(page, team):
    ledger, other = application(team), application(team, "Other", "other")
    fleet.instance(ledger, {NOW - 3 * DAY: {}})
    fleet.instance(ledger, {NOW - DAY: {}})
    fleet.instance(other, {NOW - DAY / 48: {}})
    taking.close_hours(NOW)

    first, second = page().context["rows"]

    assert first.active.values == [1, 1, 2, 2]
    assert second.active.values == [1]


def test_it_takes_no_more_queries_for_more_instances_metrics_or_history(page, team):
    made = application(team)

    def fill(instances, keys):
        for _ in range(instances):
            reports = {NOW - DAY * age: {f"k{key}": key for key in range(keys)} for age in range(3)}
            fleet.instance(made, reports, id=uuid4())

    fill(3, 3)
    page()
    with CaptureQueriesContext(connection) as few:
        page()
    fill(27, 60)
    with CaptureQueriesContext(connection) as many:
        page()

    assert len(many) == len(few)
