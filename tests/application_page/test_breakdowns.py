"""The bars of a breakdown: what they count, where they lead, and as a file."""

import csv
import io
import re
from html import unescape

import pytest

from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import cards, listed, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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
