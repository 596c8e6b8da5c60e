"""Three hundred runaway instances, each with five hundred keys of its own, among honest ones."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from instances.models import Application, Instance
from metrics import taking
from metrics.bounds import MAX_CENSUS_KEYS, MAX_DIMENSIONS
from metrics.census import Census, State, count
from metrics.models import ClosedCensus, Snapshot
from metrics.periods import hour
from tests import fleet

HONEST = ("documents", "users", "zz_last_by_name")
RUNAWAY, OWN_KEYS = 300, 497  # With the honest keys, as many as are counted of one.


def state(number: int, metrics: dict, at: datetime) -> State:
    return State(number, False, "", at, at, None, "1.0", "", "", "", metrics)  # type: ignore[arg-type]


def counted(*metrics: dict) -> Census:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return count([state(number, one, at) for number, one in enumerate(metrics)], at, at - timedelta(days=30))


def test_a_census_keeps_the_keys_that_most_report_and_says_how_many_it_leaves_out():
    own = [{f"i{number}.k{key:03}": 1 for key in range(400)} for number in range(3)]

    census = counted(*({"shared": 1, "zz": number, **keys} for number, keys in enumerate(own)))

    assert len(census.figures) == MAX_CENSUS_KEYS
    assert census.left_out == 2 + 3 * 400 - MAX_CENSUS_KEYS
    assert census.figures["zz"]["reporters"] == census.figures["shared"]["reporters"] == 3
    # Of equals the first by name.
    assert set(census.figures) == {"shared", "zz", *sorted(key for keys in own for key in keys)[:498]}


def test_texts_are_bounded_by_themselves_and_push_out_no_number():
    texts = {f"t{number:03}": "text" for number in range(300)}

    census = counted({**texts, "zz_number": 1}, {**texts, "zz_text": "x", "zz_number": 1}, {"zz_text": "y"})

    assert len(census.dimensions.keys() - {"app_version"}) == MAX_DIMENSIONS
    assert list(census.figures) == ["zz_number"]
    assert census.left_out == 301 - MAX_DIMENSIONS


def test_a_key_of_mostly_text_takes_the_room_of_a_text():
    texts = {f"t{number:03}": "text" for number in range(300)}

    census = counted(dict.fromkeys(texts, 1), texts, texts)

    assert len(census.dimensions.keys() - {"app_version"}) == MAX_DIMENSIONS
    assert len(census.figures) == MAX_DIMENSIONS
    assert census.left_out == 300 - MAX_DIMENSIONS


def test_within_the_bounds_nothing_is_left_out():
    census = counted({f"k{number}": 1 for number in range(MAX_CENSUS_KEYS)})

    assert len(census.figures) == MAX_CENSUS_KEYS
    assert census.left_out == 0


def test_a_census_from_before_there_were_bounds_is_read():
    at = datetime(2026, 11, 22, tzinfo=UTC)
    document = counted({"documents": 1}).document()
    assert Census.from_document(at, document).document() == document
    del document["left_out"]

    assert Census.from_document(at, document).left_out == 0


@pytest.fixture
def runaway(team) -> Application:
    application = Application.objects.create(name="Ledger", slug="ledger", team=team)
    at = hour(datetime.now(UTC)) - timedelta(minutes=30)
    instances, snapshots = [], []
    for number in range(RUNAWAY):
        own = {f"i{number:03}_{key:03}": "x" if key % 5 == 0 else key for key in range(OWN_KEYS)}
        metrics = {**own, **dict.fromkeys(HONEST, 2)}
        reported = {"registered_at": at, "activated_at": at, "first_report_at": at, "last_report_at": at}
        instance = Instance(application=application, state="active", metrics=metrics, last_seen_at=at, **reported)
        instances.append(instance)
        snapshots.append(Snapshot(instance=instance, timestamp=at, metrics=metrics))
    Instance.objects.bulk_create(instances)
    Snapshot.objects.bulk_create(snapshots, batch_size=50)
    return application


def test_everything_stays_usable(client, viewer, runaway):
    now = datetime.now(UTC)
    client.force_login(viewer)

    with CaptureQueriesContext(connection) as captured:
        page = client.get("/applications/ledger/")
    assert page.status_code == 200
    assert len(captured) < 40
    assert len(page.content) < 4_000_000
    text = page.content.decode()
    assert "beyond the 500 that most instances report are left out" in text
    for key in HONEST:
        assert f'title="{key}"' in text

    overview = client.get("/")
    assert len(overview.content) < 100_000
    badge = client.get("/badge/ledger/metric/zz_last_by_name")
    assert b"600" in badge.content
    table = b"".join(client.get("/applications/ledger/instances.csv?c=all").streaming_content)
    assert len(table.splitlines()) == RUNAWAY + 1
    assert len(table) < 2_000_000
    assert table.splitlines()[0].count(b",") == 10 + MAX_CENSUS_KEYS

    taking.close_hours(now)
    [closed] = ClosedCensus.objects.filter(at=hour(now))
    census = Census.from_document(closed.at, closed.document)
    assert len(census.keys) == MAX_CENSUS_KEYS
    assert census.left_out == RUNAWAY * OWN_KEYS + len(HONEST) - MAX_CENSUS_KEYS
    assert len(str(closed.document)) < 500_000
    assert set(HONEST) <= census.figures.keys()

    # Taken again from the snapshots it is the same.
    taking.rebuild(runaway, [hour(now)], lambda done: None)
    assert ClosedCensus.objects.get(pk=closed.pk).document == closed.document


def test_a_snapshot_stored_with_too_many_keys_is_counted_alike_live_and_again(team):
    application = Application.objects.create(name="Ledger", slug="ledger", team=team)
    at = hour(datetime.now(UTC)) - timedelta(minutes=30)
    metrics = {f"k{number}": number for number in range(700)} | {"text": "v" * 300, "x" * 300: 1}
    fleet.instance(application, {at: dict(reversed(metrics.items()))})

    taking.close_hours(datetime.now(UTC))
    [closed] = ClosedCensus.objects.filter(at=hour(datetime.now(UTC)))
    taking.rebuild(application, [closed.at], lambda done: None)

    assert len(closed.document["metrics"]) == 500
    assert ClosedCensus.objects.get(pk=closed.pk).document == closed.document


def test_the_page_of_a_runaway_instance_is_bounded(client, viewer, team):
    application = Application.objects.create(name="Ledger", slug="ledger", team=team)
    now = datetime.now(UTC)
    reports = {now - timedelta(hours=hours): {f"k{number:04}": number for number in range(4000)} for hours in range(5)}
    instance = fleet.instance(application, reports)
    client.force_login(viewer)

    text = client.get(f"/instances/{instance.pk}/").content.decode()

    assert "3000 more keys beyond the first 1000 are only in the snapshot below" in text
    assert text.count("<polyline") <= 500
    assert len(text) < 2_000_000
