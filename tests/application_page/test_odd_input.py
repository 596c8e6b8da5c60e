"""Keys, values, numbers and addresses that nobody sends who means well."""

import re
from html import unescape
from urllib.parse import quote

import pytest

from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import URL, cards, chart, listed, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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
