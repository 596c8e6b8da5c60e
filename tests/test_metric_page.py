"""The page of one metric: how it went, how it is spread, who reports how much."""

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metrics import splits, taking
from metrics.models import MetricSetting
from metrics.periods import PERIODS
from tests import fleet
from tests.clock import NOW

DAY = timedelta(days=1)
URL = "/applications/ledger/metric/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def get(admin_client):
    return lambda key="users", **query: admin_client.get(URL, {"key": key, **query})


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def drawn(response):
    found = re.search(
        r'<script id="chart-history" type="application/json">(.*?)</script>', text_of(response), re.DOTALL
    )
    return json.loads(found[1])


def taken(get, name, **query):
    return json.loads(b"".join(get(download=f"{name}.json", **query).streaming_content))["rows"]


@pytest.mark.parametrize(("of", "expected"), [("sum", 60), ("mean", 20), ("median", 10), ("reporters", 3), ("?", 60)])
def test_each_measure_ends_with_the_fleets_own_figure(get, ledger, of, expected):
    for users in (5, 10, 45):
        fleet.instance(ledger, {NOW - 3 * DAY: {"users": 1}, NOW: {"users": users}})
    taking.close(ledger, NOW)

    data = drawn(get(of=of))

    assert data["lines"][0]["points"][-1] == [int(NOW.timestamp() * 1000), expected]
    assert len(data["bands"]) == (2 if of in ("mean", "median") else 0)


def test_bands_hold_the_percentiles(get, ledger):
    for users in range(21):
        fleet.instance(ledger, {NOW: {"users": users}})

    wide, narrow = drawn(get(of="median"))["bands"]

    ends = [wide["low"], narrow["low"], narrow["high"], wide["high"]]
    assert [side[-1][1] for side in ends] == [1, 5, 15, 19]


@pytest.mark.parametrize("period", [name for name, period in PERIODS.items() if period.steps])
def test_the_period_before_stands_beside_it(get, ledger, period):
    span = PERIODS[period].step * PERIODS[period].steps
    ledger.active_days = 3650
    ledger.save()
    fleet.instance(ledger, {NOW - 2.5 * span: {"users": 3}, NOW - 0.5 * span: {"users": 5}, NOW: {"users": 8}})
    taking.close(ledger, NOW)

    line, before = drawn(get(period=period, before="1"))["lines"]

    assert {value for _, value in before["points"]} == {3}
    assert {value for _, value in line["points"]} == {3, 5, 8}
    assert [at for at, _ in before["points"]] == [at for at, _ in line["points"][:-1]]
    assert before["faint"]


def test_of_all_time_there_is_no_period_before(get, ledger):
    fleet.instance(ledger, {NOW: {"users": 3}})

    assert len(drawn(get(period="all", before="1"))["lines"]) == 1


def test_it_is_split_by_what_instances_say(get, ledger):
    fleet.instance(ledger, {NOW: {"users": 1, "plan": "pro", "beta": True}}, app_version="2")
    fleet.instance(ledger, {NOW: {"users": 2, "plan": "pro"}}, app_version="2")
    fleet.instance(ledger, {NOW: {"users": 6, "plan": "free", "beta": False}}, app_version="1")
    fleet.instance(ledger, {NOW: {"plan": "free"}}, app_version="1")
    fleet.instance(ledger, {NOW: {"users": 100}}, exclusion="manual")
    fleet.instance(ledger, {NOW - 31 * DAY: {"users": 100}})

    def rows(by):
        return [row[:5] for row in taken(get, "split", split=by)]

    assert rows("app_version") == [["2", 2, 3, 1.5, 1.5], ["1", 1, 6, 6.0, 6.0]]
    assert rows("plan") == [["pro", 2, 3, 1.5, 1.5], ["free", 1, 6, 6.0, 6.0]]
    assert rows("beta") == [["", 1, 2, 2.0, 2.0], ["false", 1, 6, 6.0, 6.0], ["true", 1, 1, 1.0, 1.0]]
    assert rows("nonsense") == rows("app_version")


def test_groups_beyond_the_first_are_one(ledger):
    for number in range(5):
        fleet.instance(ledger, {NOW: {"users": number}}, app_version=f"{number}")

    groups = splits.split(splits.reporters(ledger, "users", "app_version", NOW), most=3)

    assert [(group.said, group.figures["sum"]) for group in groups] == [("0", 0), ("1", 1), ("2", 2), (None, 7)]


def test_of_many_dimensions_a_few_are_offered_and_the_rest_is_folded(get, ledger):
    fleet.instance(ledger, {NOW: {"users": 5, **{f"text_{number:02d}": "a" for number in range(20)}}})

    page = get(split="text_15").context["page"]
    text = text_of(get(split="text_15"))

    assert [each.key for each in page.splits][-1] == "text_15"
    assert len(page.splits) == 9
    assert {each.key for each in page.splits + page.splits_folded} == set(page.dimensions)
    assert f"{len(page.splits_folded)} more dimensions" in text
    assert all(f"split=text_{number:02d}#split" in text for number in range(20))


def test_of_a_single_instance_one_figure_is_enough(get, ledger):
    fleet.instance(ledger, {NOW: {"users": 5}})
    assert [measure.name for measure, _ in get().context["page"].now] == ["sum"]

    fleet.instance(ledger, {NOW: {"users": 7}})
    taking.refresh(ledger, NOW)
    assert [measure.name for measure, _ in get().context["page"].now] == ["sum", "median", "mean"]


def test_what_is_split_adds_up_to_the_whole_exactly(get, ledger):
    for number in (2**60 + 1, 2**60 + 2, 3):
        fleet.instance(ledger, {NOW: {"users": number}}, app_version=str(number))

    response = get()

    assert sum(figures["sum"] for _, figures in response.context["page"].groups) == 2**61 + 6
    assert response.context["page"].figures["sum"] == 2**61 + 6


def test_those_who_report_most_come_first(get, ledger):
    made = [fleet.instance(ledger, {NOW: {"users": users}}) for users in range(15)]

    rows = taken(get, "most")

    assert [(pk, value) for pk, _, value in rows] == [(str(one.pk), n) for n, one in reversed(list(enumerate(made)))][
        :10
    ]
    assert f"/instances/{made[-1].pk}/?metric=users" in text_of(get())


@pytest.mark.parametrize("key", ["", "no such", "plan"])
def test_what_is_no_number_of_the_fleet_is_not_found(get, ledger, key):
    fleet.instance(ledger, {NOW: {"users": 3, "plan": "pro"}})

    assert get(key).status_code == 404


def test_a_hidden_one_is_not_found(get, ledger):
    fleet.instance(ledger, {NOW: {"users": 3}})
    MetricSetting.objects.create(application=ledger, key="users", hidden=True)

    assert get().status_code == 404


@pytest.mark.parametrize(
    "key", ["<script>alert(1)</script>", "a/b?c&d=e#f", "\u202egnp", "😀" * 50, "'\"", "$.x[0]", "%s"]
)
def test_hostile_keys_are_shown_as_they_are(get, ledger, key):
    fleet.instance(ledger, {NOW: {key: 3, f"{key} said": key}})

    response = get(key, split=f"{key} said")

    assert "<script>alert" not in text_of(response)
    assert [group.said for group in response.context["page"].groups] == [key]


def test_it_takes_no_more_queries_for_more_instances_and_more_history(get, ledger):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            text_of(get())
        return len(captured)

    fleet.instance(ledger, {NOW: {"users": 3}})
    queries()
    few = queries()
    for number in range(20):
        fleet.instance(ledger, {NOW - 20 * DAY: {"users": 1}, NOW: {"users": number}}, app_version=str(number))
    taking.close(ledger, NOW)

    assert queries() == few


def test_an_old_address_that_asks_for_a_sum_shows_what_stands_for_the_metric(get, ledger):
    for ratio in (0.2, 0.4):
        fleet.instance(ledger, {NOW: {"hit_ratio": ratio}})

    page = get("hit_ratio", of="sum").context["page"]

    assert page.measure == page.headline
    assert page.measure.name != "sum"
    assert taken(get, "history", key="hit_ratio", of="sum")[-1][1] == pytest.approx(0.3)


def test_what_is_not_to_be_added_up_has_no_sum(get, ledger):
    for _ in range(2):
        fleet.instance(ledger, {NOW: {"hit_ratio": 0.5, "users": 3}}, app_version="1.0")

    ratio, users = get("hit_ratio"), get("users")

    assert [measure.name for measure, _ in ratio.context["page"].now] == ["median", "mean"]
    assert [measure.name for measure, _ in users.context["page"].now] == ["sum", "median", "mean"]
    assert "sum" not in [measure.name for measure in ratio.context["page"].measures]
    assert users.context["page"].measures[0].name == "sum"
    assert "of=sum" not in text_of(ratio)
    assert "of=sum" in text_of(users)
    assert taken(get, "split", key="hit_ratio") == [["1.0", 2, 0.5, 0.5, 0.5, 0.5]]
    assert taken(get, "split", key="users") == [["1.0", 2, 6, 3.0, 3.0, 3.0, 3.0]]
    assert "50\u00a0%" in text_of(ratio)
