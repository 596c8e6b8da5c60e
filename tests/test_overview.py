"""The overview: what needs a look, the totals and one row an application, and what to do where there is none."""

import json
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest

from dashboard import overview
from instances.models import Application, Instance, Job
from instances.wire import format_timestamp
from metrics import taking
from tests import fleet
from tests.clock import NOW
from tests.queries import queries
from tests.test_facts import close

CLOSED = NOW.replace(minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def worked(db):
    """Regular work is being done."""
    Job.objects.create(name="close_hours", due_at=NOW, last_run_at=NOW)


@pytest.fixture
def get(visit):
    """What the viewer gets."""
    return lambda query="": visit(f"/{query}")


@pytest.fixture
def page(get):
    """The page object of what the viewer gets, and its text."""

    def page(query=""):
        response = get(query)
        return response.context["page"], response.content.decode()

    return page


def application(team, name="Ledger", slug="ledger", **fields):
    return Application.objects.create(name=name, slug=slug, team=team, **fields)


def several(team, sizes):
    for name, size in sizes.items():
        made = application(team, name, name.lower().replace(" ", "-"))
        for _ in range(size):
            fleet.instance(made, {NOW - HOUR / 2: {}})


def names(made):
    return [row.application.name for row in made.rows]


# One row an application


def test_it_shows_each_application_with_its_numbers(page, team):
    ledger = application(team, latest_version="2.0.0")
    fleet.instance(ledger, {NOW - 9 * DAY: {}, NOW - DAY / 2: {}}, app_version="1.0.0")
    fleet.instance(ledger, {NOW - DAY: {}}, app_version="2.0.0", exclusion="test")
    fleet.instance(ledger, {NOW - HOUR / 2: {}}, app_version="2.0.0")
    fleet.instance(ledger, {NOW - 3 * DAY: {}}, app_version="1.0.0")
    fleet.instance(ledger, {NOW - 40 * DAY: {}})
    fleet.instance(ledger, {}, state=Instance.State.PENDING)

    made, text = page()

    [row] = made.rows
    assert (row.count.active, row.count.established, row.count.new, row.count.reporting) == (3, 1, 2, 2)
    assert (row.count.newly_quiet, row.count.heard) == (1, 1)
    assert (row.newest.version, row.newest.share) == ("2.0.0", 1 / 3)
    assert row.past.active.values == [3]
    assert '<a class="shm-link" href="/applications/ledger/">Ledger</a>' in text
    assert "Team Bookkeepers" in text
    assert "Last report" in text
    assert "33" in text.split("On the newest version", 1)[1][:500]
    assert "as of" in text


def test_its_numbers_are_those_of_the_applications_own_page(page, team, client):
    several(team, {"Ledger": 3})
    taking.close_hours(NOW)

    made, _ = page()
    own = client.get("/applications/ledger/").context["page"]

    assert made.rows[0].count.active == own.census.active == 3
    assert made.rows[0].past.active.values == own.active.values


@pytest.mark.parametrize(
    ("reported", "name"), [(None, "none"), (HOUR, "active"), (3 * HOUR, "active"), (4 * HOUR, "stopped")]
)
def test_it_says_how_each_is(page, team, reported, name):
    ledger = application(team, report_minutes=60)
    if reported:
        fleet.instance(ledger, {NOW - reported - DAY: {}, NOW - reported: {}})

    made, text = page()

    assert made.rows[0].health.name == name
    assert (made.rows[0].health.words in text) is True
    assert ("Reports have stopped" in text) is (name == "stopped")


def test_it_says_where_fewer_report_than_usual(page, team):
    several(team, {"Ledger": 3})
    for week in (1, 2):
        close(Application.objects.get(), CLOSED - DAY * 7 * week, reporting=40, active=3)

    made, text = page()

    assert made.rows[0].health.name == "fewer"
    assert "Fewer reports than usual" in text


def test_an_application_whose_instances_have_only_registered_says_so(page, team):
    fleet.instance(application(team), {}, state=Instance.State.PENDING)

    made, text = page()

    assert (made.rows[0].count.active, made.rows[0].count.last_seen_at) == (0, None)
    assert "never" in text
    assert "No active instance" in text


def test_the_pulse_is_of_the_last_24_hours_that_are_known(page, team):
    several(team, {"Ledger": 2})
    ledger = Application.objects.get()
    for back in range(30):
        close(ledger, CLOSED - HOUR * back, heard=back, active=2)
    for days in range(2, 8):
        close(ledger, CLOSED - DAY * days, heard=20, active=2)

    made, text = page()

    pulse = made.rows[0].pulse
    assert list(pulse.hours) == list(reversed(range(24)))
    assert (pulse.now, pulse.usually) == (2, 20)
    assert "<strong>2</strong> in the last hour" in text
    assert "usually 20" in text


def test_the_line_is_that_of_the_closed_days_and_ends_with_the_number_beside_it(page, team):
    ledger, other = application(team), application(team, "Other", "other")
    fleet.instance(ledger, {NOW - 3 * DAY: {}})
    fleet.instance(ledger, {NOW - DAY: {}})
    fleet.instance(other, {NOW - DAY / 48: {}})
    taking.close_hours(NOW)

    made, _ = page()

    assert made.rows[0].past.active.values == [1, 1, 2, 2]
    assert made.rows[1].past.active.values == [1]


def test_a_line_never_runs_ahead_of_the_number_that_it_ends_with(page, team, monkeypatch, clock):
    monkeypatch.setattr(taking, "LIVE_INSTANCES", 0)
    several(team, {"Ledger": 1})
    midnight = NOW.replace(hour=0, minute=0) + DAY
    for at, active in ((midnight - DAY, 7), (midnight, 8)):
        close(Application.objects.get(), at, active=active)
    clock.move_to(midnight - timedelta(seconds=10))
    taking.present(Application.objects.get(), midnight - timedelta(seconds=10))
    clock.move_to(midnight + timedelta(seconds=20))

    made, _ = page()

    assert [point.value for point in made.rows[0].past.active.points] == [7, 1]


# All together


def test_of_several_it_shows_what_they_are_together(page, team):
    several(team, {"Ledger": 3, "Abacus": 2})
    ledger, abacus = Application.objects.order_by("-name")
    for days in range(1, 8):
        close(ledger, CLOSED - DAY * days, heard=30)
        close(abacus, CLOSED - DAY * days, heard=4)
    for days in (1, 2):
        close(ledger, NOW.replace(hour=0, minute=0) - DAY * days, active=5)
    close(abacus, NOW.replace(hour=0, minute=0) - DAY, active=2)

    made, text = page()

    totals = made.totals
    assert (totals.active, totals.new, totals.newly_quiet, totals.heard, totals.usual_heard) == (5, 5, 0, 5, 34)
    assert totals.history.values == [5, 7, 5]
    assert "All applications together" in text


def test_of_a_single_one_there_are_no_totals(page, team):
    several(team, {"Ledger": 3})

    made, text = page()

    assert made.totals is None
    assert "All applications together" not in text


def test_what_is_too_young_for_a_usual_number_counts_in_it_as_it_is(page, team):
    several(team, {"Ledger": 3, "Abacus": 2, "Empty": 0})
    assert page()[0].totals.usual_heard is None

    for days in range(1, 8):
        close(Application.objects.get(slug="ledger"), CLOSED - DAY * days, heard=30)

    assert page()[0].totals.usual_heard == 32


# Few and many


def test_few_have_a_card_each_and_many_stand_in_a_table(page, team):
    several(team, {f"A{number}": 1 for number in range(overview.CARDS)})
    assert "<table" not in page()[1]

    several(team, {"One more": 0})
    text = page()[1]
    assert "<table" in text
    assert "Search applications" in text


def test_the_largest_fleet_comes_first_and_an_empty_one_is_there_too(page, team):
    several(team, {"small": 1, "large": 3, "Empty": 0, "alike": 1})

    assert names(page()[0]) == ["large", "alike", "small", "Empty"]


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("name", ["Abacus", "ledger", "Menu", "Zoo", "Zzz"]),
        ("-name", ["Zzz", "Zoo", "Menu", "ledger", "Abacus"]),
        ("active", ["Zzz", "Menu", "Zoo", "Abacus", "ledger"]),
        ("-active", ["ledger", "Abacus", "Menu", "Zoo", "Zzz"]),
        ("-seen", ["ledger", "Abacus", "Menu", "Zoo", "Zzz"]),
        ("-newest", ["Abacus", "ledger", "Menu", "Zoo", "Zzz"]),
        ("newest", ["ledger", "Abacus", "Menu", "Zoo", "Zzz"]),
        ("nothing", ["ledger", "Abacus", "Menu", "Zoo", "Zzz"]),
    ],
)
def test_the_table_is_sorted_as_the_address_says(page, team, sort, wanted):
    for name, ages, version in (
        ("ledger", (HOUR, 2 * HOUR, 3 * HOUR), ("1", "1", "2")),
        ("Abacus", (2 * HOUR, 2 * HOUR), ("2", "2")),
        ("Menu", (3 * HOUR,), ("",)),
        ("Zoo", (5 * HOUR,), ("",)),
        ("Zzz", (), ()),
    ):
        made = application(team, name, name.lower().replace(" ", "-"))
        for age, app_version in zip(ages, version, strict=True):
            fleet.instance(made, {NOW - age: {}}, app_version=app_version)

    shown, text = page(f"?sort={sort}")

    assert names(shown) == wanted
    assert text.count("aria-sort=") == 1


def test_it_finds_by_name_and_team_and_keeps_the_rest_of_the_address(page, team):
    several(team, {"Ledger": 1, "Abacus": 1, "Ledgerdemain": 1, "Zoo": 1, "Menu": 1})

    assert names(page("?q=LEDGER&sort=-name")[0]) == ["Ledgerdemain", "Ledger"]
    assert len(names(page("?q=bookkeep")[0])) == 5
    assert "sort=name" in page("?q=ledger&sort=-name")[1]
    made, text = page("?q=<b>nothing")
    assert names(made) == []
    assert "No application matches" in text
    assert "<b>nothing" not in text


def test_many_are_paged_and_all_of_them_counted(page, team):
    Application.objects.bulk_create(
        [Application(name=f"A{number:03}", slug=f"a{number}", team=team) for number in range(overview.PAGE_SIZE + 5)]
    )

    first, text = page("?sort=name")
    second, _ = page("?sort=name&page=2")

    assert (len(names(first)), len(names(second))) == (overview.PAGE_SIZE, 5)
    assert names(second)[0] == f"A{overview.PAGE_SIZE:03}"
    assert "sort=name&amp;page=2" in text
    assert f"{overview.PAGE_SIZE + 5} applications" in text


# What needs a look


def test_what_needs_a_look_stands_on_top_by_application(page, team):
    several(team, {"Ledger": 1, "Abacus": 1})
    Instance.objects.filter(application__slug="abacus").update(
        first_report_at=NOW - DAY * 9, last_report_at=NOW - DAY, last_seen_at=NOW - DAY
    )

    made, text = page()

    [group] = made.attention.groups
    assert (group.application.name, [concern.rule for concern in group.concerns]) == ("Abacus", ["stopped"])
    assert [row.concerns for row in made.rows if row.application.name == "Abacus"] == [1]
    assert "Needs a look" in text
    assert text.index("Needs a look") < text.index("All applications together") < text.index("Ledger")
    assert "Nothing needs a look" not in text


def test_where_nothing_does_it_is_calm(page, team):
    several(team, {"Ledger": 1})

    made, text = page()

    assert made.attention.groups == []
    assert "Nothing needs a look." in text
    assert 'id="needs-a-look"' not in text


# To take away


def test_all_that_match_can_be_taken_away(get, team):
    several(team, {"Ledger": 2, "Abacus": 1})
    Application.objects.create(name="Secret", slug="secret")

    lines = b"".join(get("?download=applications.csv").streaming_content).decode().splitlines()
    found = json.loads(b"".join(get("?download=applications.json&q=ledger").streaming_content))

    assert [line.split(",")[0] for line in lines] == ["Application", "Ledger", "Abacus"]
    assert lines[1].startswith("Ledger,ledger,Bookkeepers,Receiving,2,0,2,0,2,2,")
    assert [row[0] for row in found["rows"]] == ["Ledger"]


def test_what_needs_a_look_can_be_taken_away(get, team):
    several(team, {"Ledger": 1})
    Instance.objects.update(first_report_at=NOW - DAY * 9, last_report_at=NOW - DAY, last_seen_at=NOW - DAY)

    found = json.loads(b"".join(get("?download=needs-a-look.json").streaming_content))

    assert [row[:2] for row in found["rows"]] == [["Ledger", "Check"]]


def test_the_hours_of_each_application_can_be_taken_away(get, team):
    several(team, {"Ledger": 1})
    close(Application.objects.get(), CLOSED - HOUR, heard=3, active=4)

    found = json.loads(b"".join(get("?download=reports-ledger.json").streaming_content))

    assert len(found["rows"]) == 24
    assert found["rows"][-3:] == [
        [format_timestamp(CLOSED - 2 * HOUR), None],
        [format_timestamp(CLOSED - HOUR), 3],
        [format_timestamp(CLOSED), None],
    ]


# Where there is none


def test_without_an_application_it_hands_over_commands_with_the_servers_own_address(client, viewer):
    client.force_login(viewer)

    text = unescape(client.get("/", headers={"host": "metrics.example.org:8443"}).content.decode())

    assert 'server, me, key = "http://metrics.example.org:8443", str(uuid.uuid4())' in text
    assert "No application yet" in text
    assert "Ask a superuser to put you into a team" in text
    assert "Nothing needs a look" not in text


def test_a_superuser_without_an_application_is_not_sent_to_a_superuser(client, superuser):
    client.force_login(superuser)

    text = client.get("/").content.decode()

    assert "No application yet" in text
    assert "Ask a superuser" not in text


@pytest.mark.parametrize(
    ("registration", "unknown", "has_commands"),
    [
        ("open", "create", True),
        ("approval", "create", True),
        ("token", "create", False),
        ("closed", "create", False),
        ("open", "refuse", False),
    ],
)
def test_commands_that_would_be_refused_are_not_handed_over(
    client, superuser, settings, registration, unknown, has_commands
):
    settings.REGISTRATION, settings.UNKNOWN_APPLICATIONS = registration, unknown
    client.force_login(superuser)

    text = client.get("/").content.decode()

    assert ("/v1/register" in text) is has_commands
    assert ('href="/admin/instances/application/add/"' in text) is not has_commands
    assert ("A maintainer has to approve" in text) is (registration == "approval")


def test_who_may_not_add_one_is_sent_to_who_may(client, viewer, settings):
    settings.UNKNOWN_APPLICATIONS = "refuse"
    client.force_login(viewer)

    text = client.get("/").content.decode()

    assert "Ask a superuser to make it." in text
    assert "/admin/instances/application/add/" not in text


def test_the_commands_are_python_that_does_what_they_say(client, viewer, settings):
    client.force_login(viewer)
    text = unescape(client.get("/").content.decode())

    code = text.split("<<'END'\n", 1)[1].split("\nEND", 1)[0]

    compile(code, "commands", "exec")


# Whatever comes


@pytest.mark.parametrize("cards", [4, 400])
def test_hostile_names_and_versions_are_shown_as_they_are(page, team, hostile, monkeypatch, cards):
    monkeypatch.setattr(overview, "CARDS", cards)
    for number, name in enumerate(hostile):
        made = application(team, name[:100], f"hostile-{number}", latest_version=name[:100])
        fleet.instance(made, {NOW: {name: 1}}, app_version=name[:100], wrong_clock_at=NOW)

    _, text = page()

    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "{{ 7|add:7 }}" in text
    assert "🦄" in text


def test_it_takes_no_more_queries_for_more_instances_metrics_or_history(page, team):
    made = application(team)

    def fill(instances, keys):
        for _ in range(instances):
            reports = {NOW - DAY * age: {f"k{key}": key for key in range(keys)} for age in range(3)}
            fleet.instance(made, reports, id=uuid4())

    fill(3, 3)
    few = queries(page)
    fill(27, 60)
    taking.close_hours(NOW)

    assert queries(page) == few


def test_it_takes_no_more_queries_for_more_applications(page, team):
    several(team, {"One": 1, "Two": 1})
    taking.close_hours(NOW)
    few = queries(page)
    several(team, {f"More {number}": 1 for number in range(60)})
    taking.close_hours(NOW)

    assert queries(page) == few <= 25
