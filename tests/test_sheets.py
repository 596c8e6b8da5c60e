"""Taking tables and charts away, as CSV and as JSON."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.http import Http404
from django.test import RequestFactory

from dashboard.charts import Band, Chart, Line, Point, Series
from dashboard.sheets import Sheet, answer
from instances.models import Application
from tests import fleet

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHEET = Sheet("who-1", "Who", ["Time", "=Name", "Count"], [[NOON, "-1+1", 2**70], [None, "é", 0.5], [NOON, True, -3]])


def taken(query, sheets=(SHEET,)):
    response = answer(RequestFactory().get("/", query), sheets, "ledger")
    return response and (b"".join(response.streaming_content).decode(), response.headers)


def test_as_csv_a_spreadsheet_runs_nothing_of_it():
    text, headers = taken({"download": "who-1.csv"})

    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["Time", "'=Name", "Count"],
        ["2026-11-22T12:00:00.000000Z", "'-1+1", "1180591620717411303424"],
        ["", "é", "0.5"],
        ["2026-11-22T12:00:00.000000Z", "true", "-3"],
    ]
    assert headers["Content-Disposition"] == 'attachment; filename="ledger-who-1.csv"'
    assert headers["Content-Type"] == "text/csv; charset=utf-8"


def test_as_json_values_are_what_they_are():
    text, headers = taken({"download": "who-1.json"})

    time = "2026-11-22T12:00:00.000000Z"
    rows = [[time, "-1+1", 2**70], [None, "é", 0.5], [time, True, -3]]
    assert json.loads(text) == {"title": "Who", "columns": ["Time", "=Name", "Count"], "rows": rows}
    assert headers["Content-Type"] == "application/json"


def test_as_json_no_rows_are_an_empty_list():
    assert json.loads(taken({"download": "none.json"}, [Sheet("none", "None", [], [])])[0])["rows"] == []


def test_who_asks_for_no_file_gets_the_page():
    assert taken({"page": "2"}) is None


@pytest.mark.parametrize("name", ["", "who-1", "who-1.xls", "other.csv", ".csv", "who-1.csv.csv"])
def test_what_there_is_not_is_not_found(name):
    with pytest.raises(Http404, match="Go back to the page"):
        taken({"download": name})


def series(*values, step=timedelta(hours=1)):
    return Series([Point(NOON + step * place, value) for place, value in enumerate(values)])


def test_a_charts_sheet_has_a_row_for_each_time_of_any_line():
    late = Series([Point(NOON + timedelta(hours=1), 7), Point(NOON + timedelta(hours=9), 8)])
    chart = Chart(
        "c", "C", [Line("one", series(1, None, 3)), Line("late", late)], bands=[Band("half", series(0), series(9))]
    )

    assert chart.sheet.columns == ["Time", "one", "late", "half ↓", "half ↑"]
    assert [[at.hour, *values] for at, *values in chart.sheet.rows] == [
        [12, 1, None, 0, 9],
        [13, None, 7, None, None],
        [14, 3, None, None, None],
        [21, None, 8, None, None],
    ]


def test_a_legend_tells_lines_apart_where_there_are_several():
    one, other = Line("one", series(1)), Line("before", series(2), faint=True)

    assert Chart("c", "C", [one]).legend == []
    assert Chart("c", "C", [one, other]).legend == [("1", "one"), ("faint", "before")]
    assert Chart("c", "C", [one], bands=[Band("half", series(0), series(9))]).legend == [
        ("1", "one"),
        ("band-1", "half"),
    ]


@pytest.mark.django_db
def test_the_chart_of_a_page_is_taken_away_as_it_is_there(admin_client):
    application = Application.objects.create(slug="ledger", name="Ledger")
    fleet.instance(application, {datetime.now(UTC): {"users": 12}})

    response = admin_client.get("/applications/ledger/", {"metric": "users", "download": "history.json"})

    assert json.loads(b"".join(response.streaming_content))["rows"][-1][1] == 12
    assert admin_client.get("/applications/ledger/", {"download": "secrets.csv"}).status_code == 404
