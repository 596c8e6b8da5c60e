"""The table as a file."""

import csv
import io

import pytest

from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import URL, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_the_export_holds_what_the_table_shows(get, ledger):
    made = fleet.instance(ledger, {NOW: {"n": 1.5, "plan": "pro"}}, app_version="1.0.0", environment="production")
    fleet.instance(ledger, {NOW - DAY: {"n": 2}}, app_version="2.0.0")

    rows = list(csv.DictReader(io.StringIO(text_of(get("q=1.0.0", path=f"{URL}instances.csv")))))

    [row] = rows
    assert (row["instance"], row["state"], row["Version"], row["n"], row["plan"]) == (
        str(made.pk),
        "active",
        "1.0.0",
        "1.5",
        "pro",
    )


def test_no_cell_of_the_export_is_taken_for_a_formula(get, ledger):
    fleet.instance(ledger, {NOW: {"=cmd|' /C calc'!A0": 1, "t": "@SUM(A1)", "n": -5}}, app_version="=1+1")

    header, row = csv.reader(io.StringIO(text_of(get(path=f"{URL}instances.csv"))))

    assert not [cell for cell in [*header, *row] if cell.startswith(("=", "@", "+"))]
    assert "-5" in row


def test_the_export_writes_hostile_texts_as_they_are(get, ledger, hostile):
    fleet.instance(ledger, {NOW: {f"t{number}": text for number, text in enumerate(hostile)}})

    [row] = csv.DictReader(io.StringIO(text_of(get("c=all", path=f"{URL}instances.csv")), newline=""))

    assert [row.get(f"t{number}", "").removeprefix("'") for number in range(len(hostile))] == [
        text.removeprefix("'") for text in hostile
    ]
