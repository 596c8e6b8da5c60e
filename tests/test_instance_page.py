"""The page of one instance: what it is, its metrics and their history, its keys, and what it sent."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from instances.models import Application, Instance, PublicKey
from metrics.periods import PERIODS
from tests import fleet
from tests.installation import Installation

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def ledger(team) -> Application:
    return Application.objects.create(name="Ledger", slug="ledger", team=team)


@pytest.fixture
def get(client, viewer, clock):
    """The page of an instance as the viewer gets it."""
    client.force_login(viewer)

    def get(instance, query=""):
        query = query if isinstance(query, str) else urlencode(query)
        response = client.get(f"/instances/{instance.pk}/?{query}")
        assert response.status_code == 200, query
        return response

    return get


def chart(response):
    found = re.search(
        r'<script id="chart-history" type="application/json">(.*?)</script>', response.content.decode(), re.DOTALL
    )
    [line] = json.loads(found[1])["lines"]
    return line["points"]


def raw(response):
    """The newest snapshot as the page shows it, in its text."""
    return unescape(
        re.findall(r'<pre tabindex="0" class="shm-code shm-mono">(.*?)</pre>', response.content.decode(), re.DOTALL)[-1]
    )


def shown(response):
    """Each leaf's value as the table's text, by its key."""
    rows = re.findall(
        r'<span class="shm-mono shm-muted">([^<]*)</span></th>\s*<td class="shm-number shm-leaf">(.*?)</td>',
        response.content.decode(),
        re.DOTALL,
    )
    return {unescape(key): unescape(re.sub(r"<[^>]*>", "", value)) for key, value in rows}


def test_it_says_what_the_instance_is_and_how_it_is(get, ledger):
    instance = fleet.instance(
        ledger,
        {NOW - 3 * DAY: {"documents": 1}, NOW - DAY: {"documents": 1234}},
        app_version="1.4.2",
        environment="production",
        os_arch="linux/arm64",
        deployment_mode="docker",
    )
    PublicKey.objects.create(instance=instance, hex="ab" * 32, retired_at=NOW - DAY)

    response = get(instance)

    text = response.content.decode()
    for expected in ("1.4.2", "production", "linux/arm64", "docker", str(instance.pk), "Ledger", "shm-tag-active"):
        assert expected in text
    for key in instance.keys.all():
        assert key.fingerprint in text
    assert "Until 2026-11-21" in text
    assert instance.current_key.hex not in text
    assert "2026-11-21 09:30 UTC" in text
    assert shown(response) == {"documents": "1,234"}


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({}, "active"),
        ({"state": "revoked", "revoked_at": NOW}, "revoked"),
        ({"exclusion": "manual", "excluded_at": NOW}, "excluded"),
        ({"last_report_at": NOW - 31 * DAY}, "silent"),
    ],
)
def test_it_names_the_instances_condition(get, ledger, change, condition):
    instance = fleet.instance(ledger, {NOW: {}})
    Instance.objects.filter(pk=instance.pk).update(**change)

    assert f'class="shm-tag shm-tag-{condition}">{condition.capitalize()}' in get(instance).content.decode()


def test_one_that_has_only_registered_is_explained(get, ledger):
    response = get(fleet.instance(ledger, {}, state=Instance.State.PENDING))

    text = response.content.decode()
    assert "Pending" in text
    assert "No metrics yet" in text
    assert "has not sent a snapshot" in text
    assert "not said" in text
    assert "data-chart" not in text


def test_one_whose_snapshot_is_empty_is_explained(get, ledger):
    assert "holds no keys" in get(fleet.instance(ledger, {NOW: {}})).content.decode()


def test_a_wrong_clock_is_pointed_out(get, ledger):
    instance = fleet.instance(ledger, {NOW: {}})
    assert "Its clock is wrong" not in get(instance).content.decode()

    instance.mark_wrong_clock()

    assert "Its clock is wrong" in get(instance).content.decode()


@pytest.mark.parametrize("period", PERIODS)
def test_each_period_is_drawn_and_ends_with_the_newest_value(get, ledger, period):
    ages = (400, 100, 20, 3, 0.5, 0)
    instance = fleet.instance(ledger, {NOW - age * DAY: {"documents": int(age) + 7} for age in ages})

    response = get(instance, {"period": period})

    assert chart(response)[-1] == [int(NOW.timestamp() * 1000), 7]
    assert shown(response)["documents"] == "7"
    assert f'aria-current="true">{PERIODS[period].title}<' in response.content.decode()


def test_the_chart_is_of_the_metric_asked_for(get, ledger):
    instance = fleet.instance(ledger, {NOW: {"a": 1, "b": 2, "text": "x"}})

    assert chart(get(instance))[-1][1] == 1
    assert chart(get(instance, "metric=b"))[-1][1] == 2
    assert chart(get(instance, "metric=text"))[-1][1] == 1


def test_a_metric_that_is_no_longer_recent_is_still_shown(get, ledger):
    """Its newest snapshot lies before the period: there is a value, but no history in it."""
    instance = fleet.instance(ledger, {NOW - 60 * DAY: {"documents": 3}})

    assert shown(get(instance, "period=24h"))["documents"] == "3"


# What is sent is shown, whatever it is


ODD = """{
  "zulu": 1,
  "alpha": [1, [2, [3, {"deep": null}]], "x"],
  "nothing": null,
  "big": 123456789012345678901234567890,
  "tiny": 5e-324,
  "float": 1.10,
  "yes": true,
  "nested": {"b": {"c": -0.0}, "a": "ü🦄"},
  "empty": {},
  "list": []
}"""


def test_every_shape_of_value_is_shown_and_the_order_of_keys_kept(get, team):
    installation = Installation("Ledger")
    installation.register()
    body = f'{{"instance_id":"{installation.id}","timestamp":"2026-11-22T09:30:00Z","metrics":{ODD}}}'
    assert installation.post("/v1/snapshot", body.encode()).status_code == 202
    Application.objects.update(team=team)

    response = get(Instance.objects.get())

    values = shown(response)
    assert values["big"] == "123,456,789,012,345,678,901,234,567,890"
    assert values["tiny"] == "5e-324"
    assert values["alpha"] == '[1, [2, [3, {"deep": null}]], "x"]'
    assert (values["nothing"], values["yes"], values["list"], values["nested.a"]) == ("null", "true", "[]", "ü🦄")
    assert "empty" not in values
    assert [key for key, _ in json.loads(raw(response), object_pairs_hook=list)] == [
        key for key, _ in json.loads(ODD, object_pairs_hook=list)
    ]
    assert json.loads(raw(response)) == json.loads(ODD)
    assert "123456789012345678901234567890" in raw(response)


def test_hostile_keys_and_values_are_shown_as_they_are(get, ledger, hostile):
    metrics = {key: index for index, key in enumerate(hostile)}
    metrics.update({f"text {index}": value for index, value in enumerate(hostile)})
    metrics["list"] = hostile
    description = {"app_version": hostile[0], "environment": hostile[1], "os_arch": hostile[3]}
    instance = fleet.instance(ledger, {NOW - DAY: metrics, NOW: metrics}, **description)

    response = get(instance)

    text = response.content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert json.loads(raw(response)) == metrics
    for index, key in enumerate(hostile):
        response = get(instance, {"metric": key})
        assert response.context["page"].metric == key
        assert chart(response)[-1][1] == index
        assert "<script>alert" not in response.content.decode()
    links = re.findall(r'<a class="shm-link" href="\?([^"]*)#chart"', text)
    assert {get(instance, unescape(link)).context["page"].metric for link in links} == set(hostile)


def test_it_bears_500_metrics_and_deep_nesting(get, ledger):
    deep: dict = {"end": 1}
    for _ in range(60):
        deep = {"x": deep}
    metrics = {**{f"metric_{number}": number for number in range(500)}, "deep": deep}

    assert len(shown(get(fleet.instance(ledger, {NOW: metrics})))) == 501


def test_numbers_beyond_a_doubles_reach_are_no_error(get, ledger):
    instance = fleet.instance(ledger, {NOW - DAY: {"n": -(10**308), "m": 5e-324}, NOW: {"n": 10**308, "m": 1e308}})

    for metric in ("n", "m"):
        get(instance, {"metric": metric})


@pytest.mark.parametrize("name", ["metric", "period", "page", "sort"])
def test_an_address_that_means_nothing_is_no_error(get, ledger, name):
    instance = fleet.instance(ledger, {NOW: {"documents": 1}})

    for value in ("", "\0", "a\0b", "x" * 5000, "-1", "%", "None", "🦄"):
        get(instance, {name: value})
    get(instance, f"{name}=%ff%fe&{name}[]=1")


def test_an_unknown_id_is_not_found(client, viewer):
    client.force_login(viewer)

    assert client.get(f"/instances/{uuid4()}/").status_code == 404
    assert client.get("/instances/not-an-id/").status_code == 404


# Who may do what


def test_a_viewer_is_offered_no_action_and_a_maintainer_is(get, client, ledger, maintainer):
    instance = fleet.instance(ledger, {NOW: {}})
    assert f"/instances/{instance.pk}/revoke" not in get(instance).content.decode()

    client.force_login(maintainer)

    text = get(instance).content.decode()
    for name in ("revoke", "exclude", "erase"):
        assert f'href="/instances/{instance.pk}/{name}"' in text
    assert "/restore" not in text
    assert "/include" not in text


def test_what_was_done_is_offered_to_be_taken_back(get, client, ledger, maintainer):
    client.force_login(maintainer)
    instance = fleet.instance(ledger, {NOW: {}})
    instance.revoke()
    instance.exclude("manual")

    text = get(instance).content.decode()

    for name in ("restore", "include"):
        assert f'href="/instances/{instance.pk}/{name}"' in text
    assert "/revoke" not in text


# Cost


def test_it_takes_no_more_queries_for_more_snapshots_or_metrics(get, ledger):
    def queries(instance):
        with CaptureQueriesContext(connection) as captured:
            get(instance)
        return len(captured)

    few = fleet.instance(ledger, {NOW - DAY: {"n": 1}, NOW: {"a": 1, "b": 2, "c": 3}})
    many = fleet.instance(ledger, {NOW - DAY / 24 * age: {f"k{key}": key for key in range(60)} for age in range(30)})

    queries(few)
    assert queries(many) == queries(few)
