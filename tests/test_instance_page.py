"""The page of one instance: what it is, its metrics and their history, its keys, and what it sent."""

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.utils.html import escape

from instances.models import Application, Instance, PublicKey
from metrics.fields import SentJSONField
from metrics.models import MetricSetting, Snapshot
from metrics.periods import PERIODS
from tests import fleet
from tests.clock import NOW
from tests.installation import Installation
from tests.queries import queries

DAY = timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


@pytest.fixture
def get(visit):
    """The page of an instance as the viewer gets it."""

    def get(instance, query=""):
        return visit(f"/instances/{instance.pk}/?{query if isinstance(query, str) else urlencode(query)}")

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
    """Each leaf's value as the table's text, by its key; all of it where it stands below what it is at a glance."""
    rows = re.findall(
        r'<span class="shm-mono [^"]*">([^<]*)</span></th>\s*<td class="(?:shm-number )?shm-leaf">(.*?)</td>',
        response.content.decode(),
        re.DOTALL,
    )
    values = ((key, value.rpartition("<br>")[2]) for key, value in rows)
    return {unescape(key): unescape(re.sub(r"<[^>]*>", "", value)) for key, value in values}


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
    assert re.search(r"Until <time[^>]*>2026-11-21<", text)
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
    assert 'data-chart="' not in text


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


# How it is


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ({}, "It counts, and will until 2026-12-22 even if it never reports again. New: it becomes established"),
        ({"first_report_at": NOW - 2 * DAY}, "Established: it has reported across 24 hours or more."),
        ({"state": "revoked"}, "what it signs is refused, and it counts nowhere"),
        ({"exclusion": "manual"}, "Not counted, as a maintainer has decided."),
        ({"exclusion": "ephemeral"}, "by the rule for short-lived ones"),
        ({"exclusion": "test", "environment": "<ci>"}, "its environment is “&lt;ci&gt;”"),
        ({"last_report_at": NOW - 31 * DAY}, "it has not reported for more than 30 days"),
        ({"last_report_at": None}, "It has signed in, but has never reported."),
        ({"state": "pending", "activated_at": None}, "has not signed anything yet"),
        ({"state": "pending", "awaits_approval": True}, "It counts nowhere until a maintainer approves it."),
    ],
)
def test_its_condition_is_explained(get, ledger, change, meaning):
    instance = fleet.instance(ledger, {NOW: {}})
    Instance.objects.filter(pk=instance.pk).update(**change)

    assert meaning in get(instance).content.decode()


def test_why_it_was_decided_stands_with_its_condition(get, ledger, hostile):
    instance = fleet.instance(ledger, {NOW: {}})
    instance.exclude("manual", "Old reason")
    instance.include()
    instance.exclude("manual", hostile[0])

    text = get(instance).content.decode()

    assert f'The reason given: <strong class="shm-wrap"><bdi>{escape(hostile[0])}</bdi></strong>' in text
    instance.revoke("Cloned disk")
    assert (
        'The reason given: <strong class="shm-wrap"><bdi>Cloned disk</bdi></strong>' in get(instance).content.decode()
    )


def at_a_glance(response):
    """The text of each card at the top by its title."""
    cards = re.findall(r'<div class="shm-card shm-kpi">(.*?)</div>', response.content.decode(), re.DOTALL)
    parts = [[" ".join(part.split()) for part in re.split(r"(?:<[^>]*>)+", card) if part.strip()] for card in cards]
    return {title: rest for title, *rest in parts}


def test_a_regular_one_is_told_so_and_when_its_next_report_is_due(get, ledger):
    times = [NOW - timedelta(minutes=20) - timedelta(hours=hour) for hour in range(50)]
    cards = at_a_glance(get(fleet.instance(ledger, {at: {} for at in times}, app_version="1.4")))

    assert cards["Reports every"] == ["1 hour", "none missed of the last 50"]
    assert cards["Last report"] == ["20 minutes ago", "next one expected in 40 minutes"]
    assert cards["Reporting for"] == ["2 days", "first report", "2026-11-20"]
    assert cards["Version"] == ["1.4", "since", "2026-11-20"]


def test_what_it_has_missed_is_counted(get, ledger):
    hours = [hour for hour in range(5, 105) if hour not in (20, 21, 22, 50)]
    cards = at_a_glance(get(fleet.instance(ledger, {NOW - timedelta(hours=hour): {} for hour in hours})))

    assert cards["Reports every"] == ["1 hour", "4 missed, 96 % came; longest wait 4 hours"]
    assert cards["Last report"][1:] == ["4 reports are overdue"]


def test_days_of_which_one_snapshot_was_kept_are_no_misses(get, ledger):
    recent = [NOW - timedelta(hours=hour) for hour in range(24 * 30)]
    instance = fleet.instance(ledger, {NOW: {}})
    old = [NOW - DAY * day for day in range(31, 300)]
    Snapshot.objects.bulk_create(Snapshot(instance=instance, timestamp=at, metrics={}) for at in [*recent[1:], *old])

    assert at_a_glance(get(instance, "period=1y"))["Reports every"][1].startswith("none missed of the last 7")


def test_of_a_few_reports_no_interval_is_told(get, ledger):
    cards = at_a_glance(get(fleet.instance(ledger, {NOW: {}})))

    assert cards["Reports every"] == ["–", "too few reports to tell"]
    assert cards["Last report"] == ["just now", "next one expected in 1 hour"]


def test_how_many_run_its_version_is_told(get, ledger):
    for number in range(4):
        instance = fleet.instance(ledger, {NOW: {}}, app_version="2.0" if number else "1.0")

    assert "75 % of the fleet run it" in at_a_glance(get(instance))["Version"]
    assert "newest is" not in at_a_glance(get(instance))["Version"]


def test_the_newest_version_is_told_to_who_looks_at_an_older_one(get, ledger):
    fleet.instance(ledger, {NOW: {}}, app_version="1.10")
    old = fleet.instance(ledger, {NOW: {}}, app_version="1.9")

    assert at_a_glance(get(old))["Version"][-2:] == ["newest is", "1.10"]
    for version in ("1.10.0", "v1.10", "2.0-rc.1"):
        same = fleet.instance(ledger, {NOW: {}}, app_version=version)
        assert "newest is" not in at_a_glance(get(same))["Version"]


def test_the_current_key_stands_open_and_retired_ones_are_folded(get, ledger):
    instance = fleet.instance(ledger, {NOW: {}})
    PublicKey.objects.create(instance=instance, hex="ab" * 32, retired_at=NOW - DAY)

    text = get(instance).content.decode()

    folded = text.partition("1 retired key</summary>")[2].partition("</details>")[0]
    old, new = instance.keys.get(hex="ab" * 32), instance.current_key
    assert old.fingerprint in folded
    assert new.fingerprint in text
    assert new.fingerprint not in folded


# What became of each value, and how it is among the fleet's


def test_values_are_compared_with_those_at_the_beginning_of_the_period(get, ledger):
    reports = {NOW - 40 * DAY: {"n": 50}, NOW - 20 * DAY: {"n": 80}, NOW: {"n": 100}}
    instance = fleet.instance(ledger, reports)

    assert [value.change for _, group in get(instance).context["page"].groups for value in group] == ["+100\xa0%"]
    assert [value.change for _, group in get(instance, "period=7d").context["page"].groups for value in group] == [
        "+25\xa0%"
    ]
    assert get(instance, "period=1y").context["page"].baseline.at == NOW - 40 * DAY


def test_what_stands_out_in_the_fleet_is_told(get, ledger):
    for number in range(20):
        fleet.instance(ledger, {NOW: {"users": number, "files": 7}})
    odd = fleet.instance(ledger, {NOW: {"users": 5000, "files": 7}})
    usual = fleet.instance(ledger, {NOW: {"users": 10, "files": 7}})

    page = get(odd).context["page"]
    places = {value.key: value.place for _, group in page.groups for value in group}
    assert places == {"users": "the highest", "files": "as all others"}
    assert [value.key for value in page.stand_outs] == ["users"]
    assert "Stands out in its fleet" in get(odd).content.decode()
    assert "Stands out in its fleet" not in get(usual).content.decode()


def test_texts_tell_when_they_changed_and_who_says_the_same(get, ledger):
    reports = {NOW - 3 * DAY: {"plan": "free"}, NOW - 2 * DAY: {"plan": "team"}, NOW: {"plan": "team"}}
    instance = fleet.instance(ledger, reports)
    fleet.instance(ledger, {NOW: {"plan": "free"}})

    [(title, [value])] = get(instance).context["page"].groups
    text = get(instance).content.decode()

    assert (title, value.share) == ("Dimensions", 0.5)
    assert [(change.at, change.before, change.after) for change in value.changes] == [(NOW - 2 * DAY, "free", "team")]
    assert "<bdi>free</bdi> → <bdi>team</bdi>" in text
    assert "50\xa0%" in text


def test_several_metrics_are_drawn_together_each_once_and_no_more_than_six(get, ledger):
    metrics = {f"m{number}": number for number in range(9)}
    instance = fleet.instance(ledger, {NOW - DAY: metrics, NOW: metrics})

    asked = [("metric", f"m{number}") for number in (3, 1, 3, 2)]
    page = get(instance, asked).context["page"]
    assert [line.label for line in page.chart.lines] == ["M3", "M1", "M2"]
    toggled = {value.key: value.toggled for _, group in page.groups for value in group}
    assert get(instance, toggled["m1"][1:]).context["page"].chosen == ["m3", "m2"]
    assert get(instance, toggled["m8"][1:]).context["page"].chosen == ["m3", "m1", "m2", "m8"]

    every = [("metric", key) for key in metrics]
    assert len(get(instance, every).context["page"].chart.lines) == 6


def test_several_can_be_drawn_as_change(get, ledger):
    instance = fleet.instance(ledger, {NOW - DAY: {"a": 10, "b": 1000}, NOW: {"a": 15, "b": 900}})

    page = get(instance, "metric=a&metric=b&as=change").context["page"]

    assert [line.series.values for line in page.chart.lines] == [[0, 0.5], [0, -0.1]]
    assert get(instance, "metric=a&as=change").context["page"].chart.lines[0].series.values == [10, 15]
    assert get(instance, page.drawn_links[0][1][1:]).context["page"].chart.unit == "number"


def upgraded(ledger, before, after):
    """One that has reported by 1.0 until a day ago, and by 2.0 since."""
    instance = fleet.instance(ledger, {NOW - 2 * DAY: before, NOW - DAY: after, NOW: after}, app_version="2.0")
    Snapshot.objects.filter(instance=instance, timestamp=NOW - 2 * DAY).update(app_version="1.0")
    return instance


def test_what_the_last_upgrade_changed_is_told(get, ledger):
    instance = upgraded(ledger, {"n": 100, "old": 1, "same": 5}, {"n": 150, "new": "x", "same": 5})

    page = get(instance).context["page"]
    text = get(instance).content.decode()

    assert [(each.metric.key, each.before, each.after) for each in page.upgrade.differences] == [
        ("new", None, "x"),
        ("old", 1, None),
        ("n", 100, 150),
    ]
    assert "What the last upgrade changed" in text
    assert "<bdi>1</bdi> → (not sent)" in text
    assert [marker.label for marker in page.chart.markers] == ["2.0"]


def test_one_that_was_never_upgraded_has_no_such_table(get, ledger):
    assert "What the last upgrade changed" not in get(fleet.instance(ledger, {NOW: {"n": 1}})).content.decode()


def test_hidden_keys_are_in_no_table_of_it(get, ledger):
    MetricSetting.objects.create(application=ledger, key="secret", hidden=True)
    instance = upgraded(ledger, {"secret": 1, "n": 1}, {"secret": 2, "n": 2})

    assert "secret" not in get(instance).content.decode().partition('id="snapshots"')[0]
    assert get(instance, "metric=secret").context["page"].chosen == ["n"]
    for name in ("values", "reports"):
        assert "secret" not in taken(get(instance, {"download": f"{name}.csv"}))


# What it sent


def test_an_older_snapshot_can_be_looked_at(get, ledger):
    old = NOW - timedelta(hours=3, microseconds=7)
    instance = fleet.instance(ledger, {old: {"n": 10**30}, NOW: {"n": 2}})

    links = re.findall(r'href="(\?[^"]*snapshot=[^"]*)#snapshots"', get(instance).content.decode())
    assert len(links) == 2
    response = get(instance, unescape(links[1])[1:])

    assert json.loads(raw(response)) == {"n": 10**30}
    assert shown(response)["n"] == "2"


def test_just_the_newest_snapshots_are_listed(get, ledger):
    instance = fleet.instance(ledger, {NOW - timedelta(hours=hour): {} for hour in range(30)})

    listed = get(instance).context["page"].newest_snapshots

    assert [at for at, _, _ in listed] == [NOW - timedelta(hours=hour) for hour in range(20)]


@pytest.mark.parametrize("asked", ["2020-01-01T00:00:00Z", "yesterday", "2026-13-45T99:99:99Z", "\0", "9" * 5000])
def test_a_snapshot_that_there_is_not_is_explained(get, ledger, asked):
    response = get(fleet.instance(ledger, {NOW: {"n": 1}}), {"snapshot": asked})

    assert "There is no snapshot of that time." in response.content.decode()


def test_anothers_snapshot_is_not_shown(get, ledger):
    fleet.instance(ledger, {NOW - DAY: {"theirs": 1}})
    instance = fleet.instance(ledger, {NOW: {"n": 1}})

    response = get(instance, {"snapshot": (NOW - DAY).isoformat()})

    assert "theirs" not in response.content.decode()


# To take away


def taken(response):
    return b"".join(response.streaming_content).decode()


def test_all_of_it_can_be_taken_away(get, ledger):
    instance = fleet.instance(
        ledger, {NOW - DAY: {"a": 1, "t": "x"}, NOW: {"a": 10**30, "b": 0.5, "t": "=y"}}, app_version="1.4"
    )

    def rows(name):
        return json.loads(taken(get(instance, {"download": f"{name}.json"})))["rows"]

    assert [row[1:] for row in rows("reports")] == [["1.4", 1, None], ["1.4", 10**30, 0.5]]
    assert rows("values") == [["a", 10**30, 1, ""], ["b", 0.5, None, ""], ["t", "=y", "x", ""]]
    assert [row[1] for row in rows("history")] == [1, 10**30]
    assert ["Version", "1.4"] in [row[2:] for row in rows("life")]
    assert "'=y" in taken(get(instance, {"download": "values.csv"}))


def test_one_without_a_snapshot_has_tables_to_take_away_as_well(get, ledger):
    instance = fleet.instance(ledger, {})

    for name in ("reports", "values", "life"):
        assert taken(get(instance, {"download": f"{name}.csv"})).count("\n") <= 2


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
        assert response.context["page"].chosen == [key]
        assert chart(response)[-1][1] == index
        assert "<script>alert" not in response.content.decode()
    links = re.findall(r'<a class="shm-link shm-two-lines" href="\?([^"]*)#chart"', text)
    assert {get(instance, unescape(link)).context["page"].chosen[0] for link in links} == set(hostile)


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


def test_a_year_of_hourly_snapshots_is_not_read_whole(get, ledger, monkeypatch):
    instance = fleet.instance(ledger, {NOW - 365 * DAY: {"n": 0}, NOW: {"n": 1}})
    hours = [NOW - timedelta(hours=hour) for hour in range(1, 24 * 365)]
    Snapshot.objects.bulk_create([Snapshot(instance=instance, timestamp=at, metrics={"n": 1}) for at in hours], 2000)
    loaded = []
    load = SentJSONField.from_db_value

    def counted(self, *arguments):
        loaded.append(1)
        return load(self, *arguments)

    monkeypatch.setattr(SentJSONField, "from_db_value", counted)

    points = chart(get(instance, "period=1y"))

    assert len(points) == 400
    assert len(loaded) <= 410  # The newest, what the period began with and what an upgrade changed are read besides.


def test_it_takes_no_more_queries_for_more_snapshots_or_metrics(get, ledger):
    few = fleet.instance(ledger, {NOW - DAY: {"n": 1}, NOW: {"a": 1, "b": 2, "c": 3}})
    many = fleet.instance(ledger, {NOW - DAY / 24 * age: {f"k{key}": key for key in range(60)} for age in range(30)})

    get(few)
    assert queries(lambda: get(many)) == queries(lambda: get(few))
