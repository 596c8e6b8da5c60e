"""What one instance has reported over a time."""

import itertools
from datetime import timedelta

import pytest

from dashboard import reports
from dashboard.charts import MAX_POINTS
from dashboard.reports import SPARKLINE_POINTS, Report
from metrics.keys import Metric
from metrics.models import Snapshot
from tests import fleet
from tests.clock import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def told(*values):
    """A report an hour, the last one now."""
    return [Report(NOW - HOUR * (len(values) - 1 - place), "", value) for place, value in enumerate(values)]


# Read


def test_no_more_snapshots_are_read_than_are_drawn(ledger, monkeypatch):
    instance = fleet.instance(ledger, {NOW: {"users": 0, "plan": "pro"}})
    Snapshot.objects.bulk_create(
        Snapshot(instance=instance, timestamp=NOW - MINUTE * ago, metrics={"users": ago}) for ago in range(1, 3000)
    )
    read = []
    monkeypatch.setattr(reports, "scalars", lambda metrics: read.append(metrics) or metrics)

    found = reports.between(instance, NOW - MINUTE * 3000, NOW)

    assert len(read) == len(found) == MAX_POINTS
    assert (found[-1].at, found[-1].values) == (NOW, {"users": 0, "plan": "pro"})
    gaps = {later.at - earlier.at for earlier, later in itertools.pairwise(found)}
    assert gaps <= {MINUTE * 7, MINUTE * 8}


def test_both_ends_of_the_time_belong_to_it(ledger):
    instance = fleet.instance(ledger, {NOW - HOUR * ago: {"hours": ago} for ago in range(4)}, app_version="1.2")

    found = reports.between(instance, NOW - 2 * HOUR, NOW)

    assert [(report.at, report.version, report.values["hours"]) for report in found] == [
        (NOW - HOUR * ago, "1.2", ago) for ago in (2, 1, 0)
    ]


def test_the_newest_until_a_time_is_found(ledger):
    instance = fleet.instance(ledger, {NOW - HOUR: {"db": {"size": 1}}, NOW: {"db": {"size": 2}}})

    assert reports.newest(instance, NOW - MINUTE).values == {"db.size": 1}
    assert reports.newest(instance, NOW - DAY) is None


# What they say


def test_a_series_has_gaps_where_no_number_was_reported():
    series = reports.series(told({"n": 1}, {}, {"n": "many"}, {"n": True}, {"n": 2.5}), "n")

    assert [point.value for point in series.points] == [1, None, None, None, 2.5]


@pytest.mark.parametrize("number", [0, 1, SPARKLINE_POINTS, SPARKLINE_POINTS + 1, 399, 400])
def test_a_sparklines_points_are_few_and_have_the_newest(number):
    every = told(*({"n": place} for place in range(number)))

    few = reports.thinned(every)

    assert len(few) <= SPARKLINE_POINTS
    assert few[-1:] == every[-1:]
    assert len(few) * 2 >= min(number, SPARKLINE_POINTS)


def test_texts_change_and_the_newest_change_is_first():
    every = told({"plan": "free"}, {"plan": "free"}, {"plan": "team"}, {}, {"plan": "team"}, {"plan": True})

    found = reports.text_changes(every, "plan")

    assert [(change.before, change.after) for change in found] == [
        ("team", True),
        (None, "team"),
        ("team", None),
        ("free", "team"),
    ]
    assert found[0].at == NOW
    assert reports.text_changes([], "plan") == reports.text_changes(every[:2], "plan") == []


def metrics(*keys):
    return list(map(Metric.named, keys))


def test_what_came_and_went_is_told_before_texts_and_these_before_numbers():
    before = Report(NOW - HOUR, "1", {"same": 1, "gone": 1, "plan": "free", "little": 100, "much": 1, "flag": 1})
    after = Report(NOW, "2", {"same": 1, "new": 1, "plan": "team", "little": 101, "much": 50, "flag": True})

    found = reports.differences(before, after, metrics(*sorted(before.values.keys() | after.values.keys())))

    assert [difference.metric.key for difference in found] == ["gone", "new", "flag", "plan", "much", "little"]
    assert [difference.change for difference in found][-2:] == [">\xa0+999\xa0%", "+1.0\xa0%"]
    assert (found[0].after, found[1].before) == (None, None)


def test_numbers_beyond_a_doubles_reach_differ_without_an_error():
    before, after = Report(NOW, "", {"n": -(10**308), "z": 0}), Report(NOW, "", {"n": 1.7e308, "z": 5e-324})

    assert [difference.metric.key for difference in reports.differences(before, after, metrics("n", "z"))] == ["n", "z"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (10**20, "1" + "0" * 20), (0.5, "0.5"), (True, "true"), (None, "null"), ([1], "[1]")],
)
def test_values_are_written_by_their_shape(value, text):
    assert reports.as_text(value) == text
