"""The table alone, for htmx to put into the page."""

import re

import pytest

from tests import fleet
from tests.application_page.reading import URL, listed, text_of
from tests.clock import NOW
from tests.queries import queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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

    assert queries(lambda: part(client)) < whole
