"""The lifecycle page: who comes, who comes back, who goes quiet, who is gone, and whether they stay."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.charts import MAX_POINTS
from instances.models import Application, Instance
from metrics import taking
from metrics.census import Census
from metrics.models import ClosedCensus
from metrics.periods import DAY, WEEK, hour, midnight, monday
from tests import fleet
from tests.clock import NOW
from tests.queries import queries

HOUR = timedelta(hours=1)
PAGE = "/applications/ledger/lifecycle/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


@pytest.fixture
def get(visit):
    return lambda **query: visit(PAGE, query)


def reports(first: int, last: int) -> dict:
    """A report each day, from so many days ago until so many days ago."""
    return {NOW - DAY * back: {} for back in range(first, last - 1, -1)}


def close(application):
    """As the worker would have, as far as the page needs it: the midnights, and the hour a week ago."""
    times = taking.closing_times(NOW - DAY * 110, NOW)
    wanted = [at for at in times if at in (midnight(at), hour(NOW) - WEEK)]
    taking.rebuild(application, wanted, lambda done: None)


@pytest.fixture
def lives(ledger) -> Application:
    """Two that stay, one that came this week, one that is quiet, one gone three days ago, one that is back after two
    months."""
    fleet.instance(ledger, reports(100, 0))
    fleet.instance(ledger, reports(60, 0))
    fleet.instance(ledger, reports(3, 0))
    fleet.instance(ledger, reports(50, 5))
    fleet.instance(ledger, reports(90, 33))
    fleet.instance(ledger, {**reports(95, 65), **reports(4, 0)})
    close(ledger)
    return ledger


def text_of(response) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", response.content.decode()))


def cards(response) -> dict:
    return {card.label: (card.value, card.note) for card in response.context["page"].cards}


def chart(response, name="flows") -> dict:
    found = re.search(rf'<script id="chart-{name}" type="application/json">(.*?)</script>', response.content.decode())
    return json.loads(found[1])


def sheet(response, name):
    """The page's sheet with a name: its columns, and its rows."""
    [found] = [sheet for sheet in response.context["page"].sheets if sheet.name == name]
    return found.columns, list(found.rows)


# At a glance


def test_the_week_at_a_glance(get, lives):
    response = get()

    assert cards(response) == {
        "New": ("1", "0 the week before"),
        "Returned": ("1", "0 the week before"),
        "Gone quiet": ("1", "1 quiet now"),
        "Gone": ("1", "0 the week before"),
        "Net": ("+1", "4 → 5 active"),
        "Stay 4 weeks": ("100\xa0%", ""),
        "Stay 12 weeks": (None, "Too few are that old"),
    }
    assert response.context["page"].census.active == 5


def test_the_week_adds_up_at_a_glance_too(get, lives):
    Instance.objects.filter(application=lives).order_by("first_report_at").first().exclude(Instance.Exclusion.MANUAL)

    assert cards(get())["Net"] == ("0", "4 → 4 active, other −1")


def test_who_is_gone_can_be_looked_at_one_by_one(get, lives):
    assert '<a href="/applications/ledger/?state=silent#instances" class="shm-card shm-kpi"' in get().content.decode()


def test_what_is_not_known_is_said_to_be_not_known(get, ledger):
    fleet.instance(ledger, reports(20, 0))

    shown = cards(get())

    assert shown["New"] == ("0", "")
    assert shown["Net"] == (None, "There is no census of a week ago")
    assert shown["Stay 4 weeks"] == (None, "Too few are that old")


def test_before_the_first_report_there_was_nobody(get, ledger):
    fleet.instance(ledger, reports(2, 0))

    assert cards(get())["Net"] == ("+1", "0 → 1 active")


# What came and went


def test_the_picture_adds_up(get, lives):
    for period in ("30d", "3m", "1y", "all"):
        columns, rows = sheet(get(period=period), "flows")
        assert columns == ["From", "New", "Returned", "Gone", "Other", "Net", "Active at the end"]
        before = rows[0][-1] - rows[0][-2]
        for _, new, returned, gone, other, net, active in rows:
            assert (new + returned + gone + other, before + net) == (net, active)
            before = active


def test_each_is_where_it_came_and_went(get, lives):
    response = get(period="all")
    assert "what was before" not in text_of(response)
    _, rows = sheet(response, "flows")
    weeks = {row[0]: row[1:5] for row in rows}

    def week(days_ago):
        return monday(NOW - DAY * days_ago)

    came = {week(days) for days in (100, 60, 50, 90, 95)}
    assert {at for at, (new, *_) in weeks.items() if new} == came
    # Thirty days after their last report; the others went and came in the week that is not over yet.
    assert {at for at, (_, _, gone, _) in weeks.items() if gone} == {week(65 - 30)}
    assert rows[-1][0] == monday(NOW) - WEEK
    assert {other for *_, other in weeks.values()} == {0}


def test_days_show_the_week_that_is_not_over(get, lives):
    _, rows = sheet(get(period="30d"), "flows")

    days = {row[0]: row[1:4] for row in rows if any(row[1:4])}
    midnight = NOW.replace(hour=0, minute=0)
    assert days == {midnight - DAY * 3: [1, 0, -1], midnight - DAY * 4: [0, 1, 0]}
    assert len(rows) == 30


def test_what_decisions_changed_stands_under_other(get, lives):
    one = Instance.objects.filter(application=lives).order_by("first_report_at").first()
    with time_machine.travel(NOW - DAY * 10, tick=False):
        one.exclude(Instance.Exclusion.MANUAL)
    close(lives)

    _, rows = sheet(get(period="3m"), "flows")

    assert {row[0]: row[4] for row in rows if row[4]} == {monday(NOW - DAY * 10): -1}


def test_the_picture_has_bars_for_what_there_is_and_signs_for_these(get, lives):
    response = get(period="3m")

    drawn = chart(response)
    assert (drawn["kind"], drawn["step"]) == ("bars", WEEK / timedelta(milliseconds=1))
    assert [line["sign"] for line in drawn["lines"]] == ["new", "returned", "gone", "other", "net"]
    assert [label for _, label in response.context["page"].chart.legend] == ["New", "Gone", "Net"]


def test_a_young_application_is_shown_by_day_an_older_one_by_week(get, ledger):
    one = fleet.instance(ledger, reports(20, 0))
    close(ledger)
    assert get().context["page"].period.name == "30d"

    Instance.objects.filter(pk=one.pk).update(first_report_at=NOW - DAY * 40)
    assert get().context["page"].period.name == "3m"


@pytest.mark.parametrize(
    "query", [{"period": "x"}, {"weeks": "13"}, {"weeks": "\0"}, {"measure": "<b>"}, {"period": "24h"}]
)
def test_what_means_nothing_is_ignored(get, lives, query):
    page = get(**query).context["page"]

    assert (page.period.name, page.weeks, page.measure_name) == ("3m", "12", "reported")


def test_chips_keep_what_else_was_asked_for(get, lives):
    text = unescape(get(period="1y", weeks="26", measure="active").content.decode())

    assert '"?period=30d&weeks=26&measure=active#flows"' in text
    assert '"?period=1y&weeks=52&measure=active#stay"' in text
    assert '"?period=1y&weeks=26&measure=reported#stay"' in text
    assert text.count('aria-current="true"') == 3


# Who stays


def test_the_table_of_cohorts(get, lives):
    text = get(weeks="26", measure="reported").content.decode()
    body = text[text.index('class="shm-table shm-cohorts"') :]
    row = r'<th scope="row"[^>]*><time[^>]*>([^<]*)</time></th><td class="shm-number">(\d+)</td>(.*?)</tr>'
    found = re.findall(row, body)
    table = {
        week: (int(size), re.findall(r'shm-heat-(\w+)" title="([^"]*)">([^<]*)<', row)) for week, size, row in found
    }

    assert list(table) == [str(monday(NOW - DAY * days).date()) for days in (100, 95, 90, 60, 50)]
    stayed = table[str(monday(NOW - DAY * 60).date())]
    assert stayed == (1, [("9", "1 of 1", "100")] * len(stayed[1]))
    size, cells = table[str(monday(NOW - DAY * 90).date())]
    gone_at = [text for _, _, text in cells].index("0")
    assert (size, cells[gone_at]) == (1, ("0", "0 of 1", "0"))
    assert {text for _, _, text in cells[gone_at:]} == {"0"}


def test_an_active_instance_is_there_for_as_long_as_the_window(get, lives):
    columns, reported = sheet(get(weeks="26", measure="reported"), "cohorts")
    _, active = sheet(get(weeks="26", measure="active"), "cohorts")

    assert columns == ["Week of the first report", "Weeks later", "Instances", "Still there", "Share"]
    week = str(monday(NOW - DAY * 95).date())
    left = [min(row[1] for row in rows if row[0] == week and row[4] == 0) for rows in (reported, active)]
    assert left[1] - left[0] in (3, 4)


def test_the_curve_and_what_it_says(get, lives):
    response = get(weeks="26", measure="active")

    drawn = chart(response, "stays")
    assert drawn["over"] == "weeks"
    assert drawn["lines"][0]["points"][:4] == [[0, 1.0], [1, 1.0], [2, 1.0], [3, 1.0]]
    assert "Half are gone after" in text_of(response) or "More than half stay" in text_of(response)
    _, rows = sheet(response, "stays")
    assert [row[:3] for row in rows] == [
        [age, size, share] for (age, share), (_, size, *_) in zip(drawn["lines"][0]["points"], rows, strict=True)
    ]


def test_reports_that_come_seldom_say_nothing_of_one_week(get, lives):
    Application.objects.update(report_minutes=7 * 24 * 60)

    assert get().context["page"].measure_name == "active"


def test_tables_and_charts_can_be_taken_away(client, viewer, lives):
    client.force_login(viewer)
    for name in ("flows", "stays", "cohorts"):
        response = client.get(PAGE, {"weeks": "26", "download": f"{name}.csv"})
        lines = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
        assert len(lines) > 5
        assert {len(line) for line in lines} == {len(lines[0])}
    assert client.get(PAGE, {"download": "flows.xml"}).status_code == 404


# Little, and much


def test_nobody_has_come_yet(get, ledger):
    Instance.objects.create(application=ledger)

    text = text_of(get())

    assert "Nobody has come yet" in text
    assert "How to send the first one" in text


def test_the_first_hour(get, ledger):
    fleet.instance(ledger, {NOW: {}})

    text = text_of(get())

    assert "The first bar is drawn when the first day or week is over." in text
    assert "The curve begins when the first who came in these weeks are a week old" in text
    assert "The first cohort has its row when it is a week old." in text


def test_where_nobody_is_left_the_past_is_still_there(get, ledger):
    fleet.instance(ledger, reports(80, 60))
    close(ledger)

    response = get(weeks="26", measure="active")

    assert response.context["page"].census.active == 0
    assert "Half are gone after" in text_of(response)
    assert sum(row[3] for row in sheet(response, "flows")[1]) == -1


def old(document):
    """A census's document from before comings and goings were counted."""
    counts = {name: count for name, count in document["instances"].items() if name not in Census.LATER}
    cohorts = {week: counts[:2] for week, counts in document["cohorts"].items()}
    return {**document, "instances": counts, "cohorts": cohorts}


@pytest.fixture
def lives_before(lives) -> Application:
    rows = list(ClosedCensus.objects.filter(application=lives))
    for row in rows:
        row.document = old(row.document)
    ClosedCensus.objects.bulk_update(rows, ["document"])
    return lives


def test_older_censuses_show_what_they_know_and_say_what_they_do_not(get, lives_before):
    response = get(period="3m")

    _, rows = sheet(response, "flows")
    assert {row[3] for row in rows} == {None}
    assert sum(row[4] for row in rows) == -1  # Who is gone is in it.
    assert all(new + returned + other == net for _, new, returned, _, other, net, _ in rows)
    assert response.context["page"].measure_name == "active"
    assert "manage.py rebuild_census ledger" in text_of(response)
    assert cards(response)["Gone"] == ("1", "")


def test_older_days_are_a_line_without_bars(get, lives_before):
    response = get(period="30d", measure="reported")

    _, rows = sheet(response, "flows")
    assert {tuple(row[1:5]) for row in rows} == {(None,) * 4}
    assert all(row[5] is not None for row in rows)
    assert "A dash stands for a week" in text_of(response)
    assert response.context["page"].curve is None


def test_after_a_rebuild_it_is_all_known(get, lives_before):
    close(lives_before)

    response = get(period="3m")

    assert "rebuild_census" not in text_of(response)
    assert [line["points"] for line in chart(response)["lines"]] == [
        line["points"] for line in chart(get(period="3m"))["lines"]
    ]
    assert sum(row[3] for row in sheet(response, "flows")[1]) == -1


def test_names_are_shown_as_they_are(client, viewer, ledger, hostile):
    client.force_login(viewer)
    fleet.instance(ledger, reports(3, 0))
    for name in hostile:
        Application.objects.update(name=name[:100])
        text = client.get(PAGE).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text


@pytest.fixture
def ten_years(ledger) -> Application:
    """A census of each midnight of ten years, of a fleet in which ten come each week, and five stay."""
    fleet.instance(ledger, {NOW - DAY * 3650: {}, NOW - HOUR: {}})
    made = Census(NOW, active=9, new=10, gone=5).document()
    newest = monday(NOW) + DAY * 6
    weeks = [(monday(NOW) - WEEK * back).date().isoformat() for back in range(521, -1, -1)]
    rows = []
    for back in range(3650):
        at = newest - DAY * back
        there = {week: [10, 5, 5] for week in weeks if week <= at.date().isoformat()}
        rows.append(ClosedCensus(application=ledger, at=at, document={**made, "cohorts": there}))
    ClosedCensus.objects.bulk_create(rows, batch_size=200)
    return ledger


def test_ten_years_are_read_within_bounds(get, ten_years):
    for query in ({"period": "all", "weeks": "52"}, {"period": "1y", "weeks": "12"}):
        with CaptureQueriesContext(connection) as captured:
            page = get(**query).context["page"]
        read = [query for query in captured if 'FROM "metrics_closedcensus"' in query["sql"]]
        assert len(read) == 2
        assert len(page.counts) <= MAX_POINTS
        assert len(page.mondays) <= MAX_POINTS
        assert not [query for query in captured if "metrics_snapshot" in query["sql"]]


def test_ten_years_are_a_picture_of_months(get, ten_years):
    response = get(period="all")
    page = response.context["page"]

    assert "what was before is too long ago" in text_of(response)
    assert "what was before" not in text_of(get(period="1y"))
    assert page.chart.title == "Comings and goings by four weeks"
    assert len(page.flows) <= 104
    assert {flow.end - flow.start for flow in page.flows[1:]} == {WEEK * 4}
    assert page.flows[-1].new == 40
    assert cards(get())["Stay 12 weeks"] == ("50\xa0%", "50\xa0% before")


def test_it_takes_as_many_queries_whatever_there_is(get, ledger):
    fleet.instance(ledger, reports(3, 0))
    close(ledger)
    get()
    few = queries(get)
    for _ in range(4):
        fleet.instance(ledger, reports(90, 0))
    close(ledger)

    assert queries(get) == few
