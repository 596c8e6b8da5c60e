"""The chart: what it draws, beside which table, and what is added to it."""

import re
from html import unescape

import pytest

from metrics import taking
from metrics.models import Release
from metrics.periods import DAY, PERIODS
from tests import fleet
from tests.application_page.reading import URL, cards, chart, drawn, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


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
