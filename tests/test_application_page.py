"""The page of an application: cards, chart, breakdowns and table, from whatever keys arrive."""

import ast
import csv
import io
import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from dashboard.applications import ApplicationPage
from instances.models import Application, Instance
from instances.slugs import slug_for
from metrics import taking
from metrics.models import Release
from metrics.periods import PERIODS
from tests import fleet
from tests.clock import NOW

DAY = timedelta(days=1)
URL = "/applications/ledger/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def get(client, viewer, ledger, clock):
    """The page as the viewer gets it, for the query given."""
    client.force_login(viewer)

    def get(query="", path=URL):
        response = client.get(f"{path}?{query}" if isinstance(query, str) else f"{path}?{urlencode(query)}")
        assert response.status_code == 200, query
        return response

    return get


def text_of(response):
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


def chart(response):
    """The points that the page hands to its script."""
    found = re.search(
        r'<script id="chart-history" type="application/json">(.*?)</script>', text_of(response), re.DOTALL
    )
    [line] = json.loads(found[1])["lines"]
    return line["points"]


def cards(response):
    return {card.key: card for group in response.context["page"].cards for card in group}


def listed(response):
    return [instance.pk for instance in response.context["page"].rows]


def card_value(response, key):
    """What the card of a key shows, in the page's own text."""
    match = re.search(
        rf'title="{re.escape(key)}" [^>]*>[^<]*</a>\s*<span class="shm-kpi-value">(.*?)</span>', text_of(response)
    )
    return re.sub(r"<[^>]*>", "", match[1])


# Numbers


def test_it_shows_the_fleets_numbers(get, ledger):
    fleet.instance(ledger, {NOW - 3 * DAY: {"documents": 1}, NOW - DAY / 4: {"documents": 1200}})
    fleet.instance(ledger, {NOW - 10 * DAY: {"documents": 34}})
    fleet.instance(ledger, {NOW - DAY: {"documents": 500}}, exclusion="manual")
    fleet.instance(ledger, {NOW - 31 * DAY: {"documents": 7}})

    response = get("metric=documents")

    census = response.context["page"].census
    assert (census.active, census.active_raw, census.established, census.new) == (2, 3, 1, 1)
    assert (census.reporting, census.silent) == (1, 1)
    assert card_value(response, "documents") == "1.23k"
    assert 'title="1,234"' in text_of(response)
    figures = cards(response)["documents"].figures
    assert (figures["sum"], figures["reporters"], figures["min"], figures["max"]) == (1234, 2, 34, 1200)
    assert "3 with excluded ones" in text_of(response)


def test_a_new_key_becomes_a_card_a_column_and_a_chart(get, ledger):
    fleet.instance(ledger, {NOW - DAY: {"documents": 5}})
    assert "stamps" not in text_of(get())

    fleet.instance(ledger, {NOW: {"stamps": 9, "db": {"size_mb": 2.5}}})

    response = get("metric=stamps")
    assert cards(response)["stamps"].figures["sum"] == 9
    assert "m.db.size_mb" in [column.name for column in response.context["page"].table.columns]
    assert chart(response)[-1][1] == 9
    assert "DB › size" in unescape(text_of(response))


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("metric", [None, "documents", "sys_load"])
def test_the_last_point_of_each_chart_is_the_card(get, ledger, period, metric):
    for number in range(3):
        reports = {NOW - age * DAY: {"documents": number + age, "sys_load": 0.1} for age in (60, 20, 3, 0.1, 0)}
        fleet.instance(ledger, reports)
    taking.close(ledger, NOW)

    response = get({"period": period, **({"metric": metric} if metric else {})})

    points = chart(response)
    assert points[-1][0] == int(NOW.timestamp() * 1000)
    expected = cards(response)[metric].value if metric else response.context["page"].census.active
    assert points[-1][1] == expected
    assert len(points) > 20
    assert [at for at, _ in points] == sorted({at for at, _ in points})
    assert f'aria-current="true">{PERIODS[period].title}<' in text_of(response)


def test_the_chart_stands_beside_a_table_with_the_same_numbers(get, ledger):
    fleet.instance(ledger, {NOW - 2 * DAY: {"documents": 1234567}})
    taking.close(ledger, NOW)

    response = get("metric=documents")

    rows = text_of(response).split("The same as a table")[1].split("</table>")[0].count("<tr><td>")
    assert rows == len(chart(response)) > 1
    assert "1,234,567" in text_of(response)


def test_a_text_is_a_breakdown_and_one_that_others_send_as_number_is_counted_as_stray(get, ledger):
    fleet.instance(ledger, {NOW: {"plan": "pro", "users": 3, "beta": True}})
    fleet.instance(ledger, {NOW: {"plan": "free", "users": 4, "beta": False}})
    fleet.instance(ledger, {NOW: {"plan": "free", "users": "many"}})

    response = get()

    breakdowns = {item.key: [(s.label, s.count) for s in item.every] for item in response.context["page"].breakdowns}
    assert breakdowns["plan"] == [("free", 2), ("pro", 1)]
    assert breakdowns["beta"] == [("(not said)", 1), ("false", 1), ("true", 1)]
    assert "plan" not in cards(response)
    assert (cards(response)["users"].figures["sum"], cards(response)["users"].strays) == (7, 1)
    assert "1 not numeric" in text_of(response)


def test_system_metrics_stand_apart(get, ledger):
    fleet.instance(ledger, {NOW: {"documents": 1, "sys_cpu_cores": 8, "app_uptime": 3}})

    business, system = get().context["page"].cards

    assert [card.key for card in business] == ["documents"]
    assert [(card.key, card.label) for card in system] == [("app_uptime", "Uptime"), ("sys_cpu_cores", "CPU cores")]


# Nothing yet


def test_without_an_active_instance_it_hands_over_commands_with_the_servers_own_address(client, viewer, ledger):
    client.force_login(viewer)

    response = client.get(URL, headers={"host": "metrics.example.org"})

    assert 'server, me, key = "http://metrics.example.org", ' in unescape(text_of(response))
    assert "No active instance" in text_of(response)
    assert "No instance has registered yet" in text_of(response)


@pytest.mark.parametrize("name", ["Ledger", "a\\b\"c'd`e", "</script>", "Größe 🦄"])
def test_the_commands_name_the_very_application(get, ledger, name):
    Application.objects.filter(pk=ledger.pk).update(name=name, slug=slug_for(name))
    page = ApplicationPage(Application.objects.get(pk=ledger.pk), QueryDict(), NOW)

    assert ast.literal_eval(page.name_in_code) == name


def test_the_commands_name_an_application_by_its_slug_once_it_has_been_renamed(get, ledger):
    Application.objects.filter(pk=ledger.pk).update(name="Another name")

    assert '"app_name": "ledger"' in unescape(text_of(get()))


def test_the_commands_have_a_place_for_the_token_where_it_takes_one(get, ledger):
    ledger.registration = "token"
    ledger.save()

    assert '"enrolment_token": "TOKEN"' in unescape(text_of(get()))


def test_there_are_no_commands_where_the_registration_is_closed(get, ledger):
    ledger.registration = "closed"
    ledger.save()

    text = text_of(get())
    assert "The registration is closed" in text
    assert "SigningKey" not in text


def test_a_search_that_finds_nothing_leads_back_to_all(get, ledger):
    assert "No instance matches" in text_of(get({"q": "nowhere"}))
    assert "No instance matches" in text_of(get({"state": "revoked"}))


def test_pending_and_silent_instances_are_listed_where_nothing_counts(get, ledger):
    pending = fleet.instance(ledger, {}, state=Instance.State.PENDING)
    silent = fleet.instance(ledger, {NOW - 50 * DAY: {"documents": 1}})

    response = get()

    assert listed(response) == [silent.pk, pending.pk]
    assert "never" in text_of(response)
    assert "Pending" in text_of(response)


def test_metrics_that_are_all_empty_make_no_card(get, ledger):
    fleet.instance(ledger, {NOW: {}})
    fleet.instance(ledger, {NOW: {"nothing": None, "list": [1, 2], "empty": {}}})

    response = get()

    assert response.context["page"].census.active == 2
    assert cards(response) == {}


# Hostile and odd


def test_hostile_keys_and_values_are_shown_as_they_are(get, ledger, hostile):
    numbers = {key: index for index, key in enumerate(hostile)}
    texts = {f"text {index}": value for index, value in enumerate(hostile)}
    fleet.instance(
        ledger, {NOW - DAY: numbers, NOW: {**numbers, **texts}}, app_version=hostile[0], environment=hostile[1]
    )
    ledger.name = hostile[2]
    ledger.save()

    response = get()

    assert sorted(cards(response)) == sorted(set(hostile))
    assert "<script>alert" not in text_of(response)
    assert "<img src=x" not in text_of(response)
    assert "{{ 7|add:7 }}" in text_of(response)
    for key in hostile:
        response = get({"metric": key, "sort": f"-m.{key}"})
        assert response.context["page"].metric == key
        assert response.context["page"].table.sort == f"-m.{key}"
        assert chart(response)[-1][1] == numbers[key]
        assert "<script>alert" not in text_of(response)
    for index, value in enumerate(hostile):
        assert len(listed(get({"sort": f"m.text {index}", "q": value}))) <= 1


def test_links_lead_to_the_very_metric_however_it_is_called(get, ledger, hostile):
    fleet.instance(ledger, {NOW: {key: index for index, key in enumerate(hostile)}})

    links = re.findall(r'<a class="shm-kpi-label" href="([^"]*)#chart"', text_of(get()))[1:]

    assert len(links) == len(hostile)
    assert {get(unescape(link).removeprefix("?")).context["page"].metric for link in links} == set(hostile)


def drawn(response):
    return [line.label for line in response.context["page"].chart.lines]


@pytest.mark.parametrize("period", ["7d", "30d"])
def test_several_metrics_are_drawn_on_one_chart(get, ledger, period):
    fleet.instance(ledger, {NOW - 2 * DAY: {"users": 4, "pages": 0}, NOW: {"users": 5, "pages": 9}})
    taking.close(ledger, NOW)

    response = get(f"metric=users&metric=pages&metric=users&metric=nonsense&period={period}")

    assert drawn(response) == ["Users", "Pages"]
    assert [line.series.values[-1] for line in response.context["page"].chart.lines] == [5, 9]
    assert response.context["page"].chart_title == "Users, Pages"

    changes = get(f"metric=users&metric=pages&as=change&period={period}").context["page"].chart
    assert [line.series.values[-1] for line in changes.lines] == [0.25, 0]


@pytest.mark.parametrize("path", [URL, f"{URL}metric/"])
def test_releases_are_marked_on_the_chart_of_its_time(get, ledger, path):
    fleet.instance(ledger, {NOW - 20 * DAY: {"users": 4}, NOW: {"users": 5}})
    taking.close(ledger, NOW)
    for version, ago in (("1.0", 300), ("2.0", 3)):
        Release.objects.create(application=ledger, version=version, released_at=NOW - ago * DAY, by_hand=True)

    response = get("metric=users&key=users&period=30d", path=path)

    assert [marker.label for marker in response.context["page"].chart.markers] == ["2.0"]


def test_a_metric_is_added_to_the_chart_and_taken_off_again(get, ledger):
    fleet.instance(ledger, {NOW: dict.fromkeys("abcdefgh", 1)})

    def follow(response, key, sign):
        [link] = re.findall(rf'href="([^"]*)#chart" aria-label="{sign} {key.upper()} ', text_of(response))
        return get(unescape(link).removeprefix("?"))

    assert "Add A to the chart" not in text_of(get())  # Which shows no metric that another could be added to.
    response = get("metric=a")
    for key in "bcdef":
        response = follow(response, key, "Add")
    assert drawn(response) == ["A", "B", "C", "D", "E", "F"]
    assert "Add G to the chart" not in text_of(response)
    assert drawn(follow(response, "c", "Take")) == ["A", "B", "D", "E", "F"]


def test_it_bears_500_metrics(get, ledger):
    fleet.instance(ledger, {NOW: {f"metric_{number}": number for number in range(500)}})

    response = get()

    assert len(cards(response)) == 500
    assert "476 more metrics" in text_of(response)


@pytest.mark.parametrize(("metric", "opened"), [("metric_000", False), ("metric_499", True)])
def test_the_fold_over_many_cards_is_open_where_the_chosen_one_is_in_it(get, ledger, metric, opened):
    fleet.instance(ledger, {NOW: {f"metric_{number:03}": number for number in range(500)}})

    text = text_of(get({"metric": metric}))

    assert ('<details class="shm-more" open><summary>476 more metrics' in text) == opened


def test_the_largest_and_smallest_numbers_do_not_break_it(get, ledger):
    odd = {"huge": 10**308, "tiny": 5e-324, "exact": 2**70, "negative": -1.7e308, "zero": 0, "minus": -0.0}
    for _ in range(30):
        fleet.instance(ledger, {NOW - DAY: {**odd, "tiny": 1e300}, NOW: odd})

    response = get("metric=huge")

    assert cards(response)["exact"].figures["sum"] == 30 * 2**70
    assert cards(response)["huge"].figures["sum"] == 30 * 10**308
    assert chart(response)[-1][1] is None  # Beyond what a script can hold; the table has it.
    for key in odd:
        get({"metric": key, "sort": f"m.{key}"})


GARBAGE = [
    "",
    "\0",
    "a\0b",
    "x" * 5000,
    "9" * 5000,
    "-1",
    "--id",
    "m.",
    "-m.nothing",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "é",
    "🦄",
]


@pytest.mark.parametrize(
    "name",
    ["metric", "period", "sort", "page", "q", "state", "c", "f.plan", "min.documents", "max.plan", "f.", "f", "min."],
)
def test_an_address_that_means_nothing_is_no_error(get, ledger, name):
    fleet.instance(ledger, {NOW: {"documents": 1, "plan": "pro"}})

    for value in [*GARBAGE, "plan", "None", "application__team", "claims", "id; DROP TABLE", "1e9", "NaN"]:
        get({name: value})
        text_of(get({name: value}, path=f"{URL}instances.csv"))
    get(f"{name}=%ff%fe&{name}[]=1&{name}={quote('ä')}")


def test_an_unknown_slug_is_not_found(get, client):
    assert client.get("/applications/nothing/").status_code == 404
    assert client.get("/applications/nothing/instances.csv").status_code == 404


# The table


def test_the_table_is_searched_filtered_sorted_and_paged(get, ledger):
    made = [
        fleet.instance(ledger, {NOW - number * DAY / 48: {"n": number}}, app_version=f"1.{number}")
        for number in range(53)
    ]
    ids = [instance.pk for instance in made]

    assert listed(get()) == ids[:50]
    assert listed(get("page=2")) == ids[50:]
    assert listed(get("sort=-m.n"))[:3] == ids[:-4:-1]
    assert listed(get("sort=m.n"))[:3] == ids[:3]
    assert listed(get("q=1.52")) == [ids[52]]
    assert listed(get(f"q={str(ids[7])[:13].upper()}")) == [ids[7]]
    assert listed(get("state=revoked")) == []
    assert "1 – 50 of 53" in text_of(get())


def test_sorting_puts_those_without_a_number_last_either_way(get, ledger):
    number = fleet.instance(ledger, {NOW: {"n": 5}})
    larger = fleet.instance(ledger, {NOW: {"n": 10}})
    text = fleet.instance(ledger, {NOW: {"n": "five"}})
    none = fleet.instance(ledger, {NOW: {}})

    assert listed(get("sort=m.n")) == [number.pk, larger.pk, text.pk, none.pk]
    assert listed(get("sort=-m.n")) == [larger.pk, number.pk, text.pk, none.pk]


@pytest.mark.parametrize("state", ["active", "silent", "excluded", "revoked", "pending"])
def test_each_state_lists_its_own(get, ledger, state):
    cast = {
        "active": fleet.instance(ledger, {NOW: {}}),
        "silent": fleet.instance(ledger, {NOW - 40 * DAY: {}}),
        "excluded": fleet.instance(ledger, {NOW: {}}),
        "revoked": fleet.instance(ledger, {NOW: {}}),
        "pending": fleet.instance(ledger, {}, state=Instance.State.PENDING),
    }
    cast["excluded"].exclude("manual")
    cast["revoked"].revoke()

    response = get(f"state={state}")

    assert listed(response) == [cast[state].pk]


def test_a_bar_leads_to_its_instances(get, ledger):
    paying = fleet.instance(ledger, {NOW: {"plan": "pro"}}, app_version="1.0")
    fleet.instance(ledger, {NOW: {"plan": "free"}}, app_version="1.0")
    silent = fleet.instance(ledger, {NOW - 60 * DAY: {"plan": "pro"}}, app_version="1.0")
    unsaid = fleet.instance(ledger, {NOW: {}}, app_version="1.0")

    def bar(page, key, label):
        section = text_of(page).split(f'title="{key}"')[1].split("</ul>")[0]
        return unescape(re.search(rf'href="([^"]*)#instances"( aria-current="true")?><span [^>]*>{label}<', section)[1])

    pro = get(bar(get(), "plan", "pro").removeprefix("?"))
    assert listed(pro) == [paying.pk]
    assert listed(get(bar(get(), "plan", r"\(not said\)").removeprefix("?"))) == [unsaid.pk]
    assert listed(get("f.plan=pro")) == [paying.pk, silent.pk]
    # Chosen again it is given up, and so is another value for this one.
    assert len(listed(get(bar(pro, "plan", "pro").removeprefix("?")))) == 3
    assert "f.plan=free" in bar(pro, "plan", "free")
    assert "f.plan=pro" not in bar(pro, "plan", "free")


@pytest.mark.parametrize(("value", "opened"), [("1.00", False), ("1.09", True), ("other", False)])
def test_the_fold_over_rare_values_is_open_where_the_chosen_one_is_in_it(get, ledger, value, opened):
    for number in range(10):
        fleet.instance(ledger, {NOW: {}}, app_version=f"1.{number:02}")

    assert ('<details class="shm-others" open>' in text_of(get({"f.app_version": value}))) == opened


def test_every_breakdown_can_be_taken_away(get, ledger, hostile):
    fleet.instance(ledger, {NOW: dict.fromkeys(hostile, "x")}, app_version="1.0")

    text = text_of(get("sort=id"))

    files = [unescape(link) for link in re.findall(r'href="\?([^"]*download=by-[^"]*\.csv)"', text)]
    assert len(files) == len(hostile) + 1
    for file in files:
        head, *rows = csv.reader(io.StringIO(text_of(get(file))))
        assert head == ["Value", "Instances", "Share"]
        assert [row[1:] for row in rows] == [["1", "1.0"]]


def test_what_is_asked_for_is_shown_and_can_be_taken_away(get, ledger):
    wanted = fleet.instance(ledger, {NOW: {"plan": "pro", "users": 5000}}, environment="production")
    fleet.instance(ledger, {NOW: {"plan": "free", "users": 5000}}, environment="production")

    response = get("f.plan=pro&f.plan=team&f.environment=production&min.users=5e3&state=new&q=prod&min.users=x")

    assert listed(response) == [wanted.pk]
    chips = response.context["page"].panel.chips
    assert [(chip.label, chip.text) for chip in chips] == [
        ("State", "New"),
        ("Plan", "pro"),
        ("Plan", "team"),
        ("Environment", "production"),
        ("Users", "≥ 5,000"),
    ]
    without = QueryDict(chips[1].address[1:])
    assert without == QueryDict("q=prod&state=new&f.plan=team&f.environment=production&min.users=5e3")
    assert "min.users=x" in text_of(response)
    assert "1 of 2" in text_of(response)


def test_the_panel_offers_the_values_of_the_census_and_those_that_are_asked_for(get, ledger):
    for number in range(15):
        fleet.instance(
            ledger, {NOW: {"plan": "pro", "users": number, "db": {"size_mb": 5}}}, app_version=f"1.{number:02}"
        )

    panel = get("f.app_version=0.1&f.gone=x").context["page"].panel

    dimensions = {choices.name: choices for choices in panel.dimensions}
    versions = dimensions["f.app_version"]
    assert [choice.value for choice in versions.choices] == [*(f"1.{number:02}" for number in range(12)), "0.1"]
    assert [choice.value for choice in versions.choices if choice.checked] == ["0.1"]
    assert versions.left_out == 3
    assert [(choice.value, choice.count, choice.checked) for choice in dimensions["f.gone"].choices] == [("x", 0, True)]
    assert [(bounds.metric.key, bounds.least, bounds.unit) for bounds in panel.bounds] == [
        ("db.size_mb", "", "Megabytes"),
        ("users", "", ""),
    ]
    assert {choice.value: choice.count for choice in panel.states.choices}["active"] == 15


def test_all_500_metrics_can_be_chosen_but_a_few_are_shown(get, ledger):
    fleet.instance(ledger, {NOW: {f"metric_{number:03}": number for number in range(500)}})

    response = get()

    head = text_of(response).split("<thead>")[-1].split("</thead>")[0]
    assert head.count("<th ") == 14
    assert text_of(response).count('type="checkbox" name="c"') == 510
    assert text_of(get("c=m.metric_499")).split("<thead>")[-1].split("</thead>")[0].count("<th ") == 2
    assert text_of(get("c=all")).split("<thead>")[-1].split("</thead>")[0].count("<th ") == 511


def test_cells_are_shown_by_what_is_in_them(get, ledger):
    fleet.instance(
        ledger,
        {NOW - 3 * DAY: {}, NOW: {"n": 1234567, "sso": True, "plan": "pro", "long": "y" * 90}},
    )

    row = text_of(get("c=all")).split("<tbody")[-1]

    cells = [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
    assert cells == [*"––––", "just now", "3\xa0days ago", "3\xa0days ago", "Active", "–", "Yes", "y" * 39 + "…"] + [
        "1.23M",
        "pro",
        "true",
    ]
    assert row.count('class="shm-number"') == 1


# Swapping the table alone


def part(client, query="", **headers):
    return client.get(f"{URL}?{query}", headers={"HX-Request": "true", "HX-Target": "instances", **headers})


def test_htmx_is_given_the_table_alone_and_its_address(get, client, ledger):
    for number in range(60):
        fleet.instance(ledger, {NOW: {"n": number}})

    response = part(client, "min.n=&f.nothing&max.n=55&sort=-m.n&page=2&period=7d")

    assert text_of(response).lstrip().startswith("<section")
    assert "<html" not in text_of(response)
    assert re.findall(r'<section [^>]*id="(\w+)"', text_of(response)) == ["instances"]
    assert len(listed(response)) == 6
    assert response.headers["HX-Push-Url"] == f"{URL}?f.nothing=&max.n=55&sort=-m.n&page=2&period=7d"


def test_the_bars_come_along_as_they_know_what_is_asked_for(get, client, ledger):
    fleet.instance(ledger, {NOW: {"plan": "pro"}})

    response = part(client, "f.plan=pro&metric=n&metric=m&as=change")

    bars = text_of(response).split('id="breakdowns" hx-swap-oob="true"')[1]
    assert 'aria-current="true"' in bars
    assert "metric=n&amp;metric=m&amp;as=change" in bars
    assert "hx-swap-oob" not in text_of(get("f.plan=pro"))


def test_what_is_typed_replaces_the_address(get, client, ledger):
    response = part(client, "q=1.2&state=active", **{"HX-Trigger": "instances-search"})

    assert response.headers["HX-Replace-Url"] == f"{URL}?q=1.2&state=active"
    assert "HX-Push-Url" not in response.headers


def test_htmx_is_given_no_more_than_whoever_asks_may_see(client, other_maintainer, ledger):
    assert part(client).status_code == 302
    client.force_login(other_maintainer)
    assert part(client).status_code == 404


def test_the_part_takes_fewer_queries_than_the_page(get, client, ledger):
    fleet.instance(ledger, {NOW: {"n": 1}})
    whole = queries(get)

    with CaptureQueriesContext(connection) as captured:
        part(client)

    assert len(captured) < whole


# The export


def test_the_export_holds_what_the_table_shows(get, ledger):
    made = fleet.instance(ledger, {NOW: {"n": 1.5, "plan": "pro"}}, app_version="1.0.0", environment="production")
    fleet.instance(ledger, {NOW - DAY: {"n": 2}}, app_version="2.0.0")

    rows = list(csv.DictReader(io.StringIO(text_of(get("q=1.0.0", path=f"{URL}instances.csv")))))

    [row] = rows
    assert (row["instance"], row["state"], row["Version"], row["n"], row["plan"]) == (
        str(made.pk),
        "active",
        "1.0.0",
        "1.5",
        "pro",
    )


def test_no_cell_of_the_export_is_taken_for_a_formula(get, ledger):
    fleet.instance(ledger, {NOW: {"=cmd|' /C calc'!A0": 1, "t": "@SUM(A1)", "n": -5}}, app_version="=1+1")

    header, row = csv.reader(io.StringIO(text_of(get(path=f"{URL}instances.csv"))))

    assert not [cell for cell in [*header, *row] if cell.startswith(("=", "@", "+"))]
    assert "-5" in row


def test_the_export_writes_hostile_texts_as_they_are(get, ledger, hostile):
    fleet.instance(ledger, {NOW: {f"t{number}": text for number, text in enumerate(hostile)}})

    [row] = csv.DictReader(io.StringIO(text_of(get("c=all", path=f"{URL}instances.csv")), newline=""))

    assert [row.get(f"t{number}", "").removeprefix("'") for number in range(len(hostile))] == [
        text.removeprefix("'") for text in hostile
    ]


# Cost


def queries(get):
    with CaptureQueriesContext(connection) as captured:
        get()
    return len(captured)


def test_it_takes_no_more_queries_for_more_instances(get, ledger):
    def fill(number):
        for _ in range(number):
            fleet.instance(ledger, {NOW - DAY: {"n": 1}, NOW: {"n": 2}})

    fill(3)
    few = queries(get)
    fill(27)

    assert queries(get) == few


def test_it_takes_no_more_queries_for_more_metrics(get, ledger):
    fleet.instance(ledger, {NOW - DAY: {"n": 1}, NOW: {"a": 1, "b": 2, "c": 3}})
    few = queries(get)
    fleet.instance(ledger, {NOW: {f"metric_{number}": number for number in range(60)}})

    assert queries(get) == few
