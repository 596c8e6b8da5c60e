"""What a large fleet costs, and one with many metrics."""

import pytest

from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import cards, text_of
from tests.clock import NOW
from tests.queries import queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_it_bears_500_metrics(get, ledger):
    fleet.instance(ledger, {NOW: {f"metric_{number}": number for number in range(500)}})

    response = get()

    assert len(cards(response)) == 500
    assert "476 more metrics" in text_of(response)


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
