"""The table: search, filters, order, pages, columns and cells."""

import re

import pytest
from django.http import QueryDict

from instances.models import Instance
from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import listed, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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
