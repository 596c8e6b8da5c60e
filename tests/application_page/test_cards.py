"""The cards: the numbers of the fleet, and one for each metric that arrives."""

from html import unescape

import pytest

from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import card_value, cards, chart, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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


def test_system_metrics_stand_apart(get, ledger):
    fleet.instance(ledger, {NOW: {"documents": 1, "sys_cpu_cores": 8, "app_uptime": 3}})

    business, system = get().context["page"].cards

    assert [card.key for card in business] == ["documents"]
    assert [(card.key, card.label) for card in system] == [("app_uptime", "Uptime"), ("sys_cpu_cores", "CPU cores")]


@pytest.mark.parametrize(("metric", "opened"), [("metric_000", False), ("metric_499", True)])
def test_the_fold_over_many_cards_is_open_where_the_chosen_one_is_in_it(get, ledger, metric, opened):
    fleet.instance(ledger, {NOW: {f"metric_{number:03}": number for number in range(500)}})

    text = text_of(get({"metric": metric}))

    assert ('<details class="shm-more" open><summary>476 more metrics' in text) == opened
