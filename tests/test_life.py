"""One instance's life: its picture, and the table behind it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dashboard.life import MAX_EVENTS, Life
from instances.models import Event, Instance, PublicKey
from metrics.models import Snapshot
from tests import fleet
from tests.clock import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def life_of(instance):
    instance.refresh_from_db()
    return Life(instance, list(instance.keys.all()), timezone.now())


def instance_of(ledger, versions, **fields):
    """One that has reported a day, each day, by these versions; the last report is now."""
    first = NOW - DAY * (len(versions) - 1)
    instance = fleet.instance(ledger, {first: {}, NOW: {}}, app_version=versions[-1], **fields)
    Snapshot.objects.filter(instance=instance).delete()
    Snapshot.objects.bulk_create(
        Snapshot(instance=instance, timestamp=first + DAY * day, app_version=version, metrics={})
        for day, version in enumerate(versions)
    )
    return instance


def test_its_versions_stand_in_the_order_and_length_of_their_time(ledger):
    life = life_of(instance_of(ledger, ["1.0"] * 10 + ["1.1"] * 10 + ["2.0"] * 21))

    assert [(bar.name, bar.x, bar.width, bar.kind) for bar in life.drawn_versions] == [
        ("1.0", 0, 25, "even"),
        ("1.1", 25, 25, "odd"),
        ("2.0", 50, 50, "newest"),
    ]
    assert life.drawn_versions[1].title == "1.1: from 2026-10-23 09:30 to 2026-11-01 09:30"


def test_a_long_life_of_hourly_reports_takes_a_few_queries_of_few_rows(ledger, django_assert_num_queries):
    instance = fleet.instance(ledger, {NOW - 300 * DAY: {}, NOW: {}}, app_version="1")
    hours = [NOW - HOUR * hour for hour in range(1, 24 * 300)]
    Snapshot.objects.bulk_create(
        [Snapshot(instance=instance, timestamp=at, app_version="1", metrics={}) for at in hours], 2000
    )
    life = life_of(instance)

    with django_assert_num_queries(1):
        assert len(life.sightings) <= 800
    assert not life.silences


@pytest.mark.parametrize("reports", [{}, {NOW: {}}])
def test_a_life_that_has_just_begun_has_a_picture(ledger, reports):
    life = life_of(fleet.instance(ledger, reports))

    assert len(life.drawn_versions) == len(reports)
    assert [bar.kind for bar in life.drawn_reports] == ["reports"] * len(reports)
    assert all(bar.width > 0 and bar.x + bar.width <= 100 for bar in [*life.drawn_versions, *life.drawn_reports])
    assert life.drawn_moments
    assert [title for _, title in life.ticks] == ["2026-11-22 09:30"]
    assert list(life.sheet.rows)


def test_silences_are_told_from_what_was_thinned(ledger, settings):
    settings.KEEP_ALL, settings.KEEP_DAILY = 30 * DAY, 100 * DAY
    monthly = [datetime(2026, month, 28, tzinfo=UTC) for month in (1, 2, 3, 4, 7)]
    daily = [NOW - DAY * age for age in (99, 98, 60, 40, 20, 0)]
    life = life_of(fleet.instance(ledger, {at: {} for at in [*monthly, *daily]}, registered_at=monthly[0]))

    assert [(silence.start, silence.end) for silence in life.silences] == [
        (monthly[3], monthly[4]),
        (NOW - 98 * DAY, NOW - 60 * DAY),
    ]


def test_a_silence_that_lasts_is_drawn_to_the_end(ledger):
    life = life_of(fleet.instance(ledger, {NOW - 100 * DAY: {}, NOW - 75 * DAY: {}}))

    reports, silence = life.drawn_reports
    assert (reports.x, reports.width) == (0, 25)
    assert (silence.kind, silence.x, silence.width, silence.name) == ("silent", 25, 75, "75 days")


def test_short_windows_take_no_report_that_was_not_looked_at_for_a_silence(ledger):
    ledger.active_days = 1
    ledger.save()
    instance = fleet.instance(ledger, {NOW - 700 * DAY: {}, NOW: {}})
    Snapshot.objects.bulk_create(
        Snapshot(instance=instance, timestamp=NOW - DAY * age / 2, metrics={}) for age in range(1, 1400)
    )

    assert life_of(instance).silences == []


def decide(instance, *events):
    Event.objects.bulk_create(
        Event(application=instance.application, instance=instance, kind=kind, at=NOW - DAY * age, detail=detail)
        for kind, age, detail in events
    )


def test_what_was_decided_is_drawn_from_when_until_when(ledger):
    instance = fleet.instance(ledger, {NOW - 100 * DAY: {}, NOW: {}})
    decide(
        instance,
        ("excluded", 80, "test"),
        ("included", 60, ""),
        ("revoked", 50, "Cloned"),
        ("restored", 40, "New key"),
        ("excluded", 20, "manual: A robot's"),
    )

    life = life_of(instance)

    assert [(bar.kind, bar.x, bar.width) for bar in life.drawn_spans] == [
        ("excluded", 20, 20),
        ("revoked", 50, 10),
        ("excluded", 80, 20),
    ]
    assert [(span.detail, span.end) for span in life.spans] == [
        ("Test", NOW - 60 * DAY),
        ("Cloned", NOW - 40 * DAY),
        ("By hand: A robot's", None),
    ]


@pytest.mark.parametrize("approved", [True, False])
def test_who_has_waited_since_it_registered_is_drawn_so(ledger, approved):
    instance = fleet.instance(ledger, {}, state="pending", awaits_approval=True, registered_at=NOW - 10 * DAY)
    if approved:
        Instance.objects.update(state="active", awaits_approval=False)
        decide(instance, ("approved", 5, ""))

    [span] = life_of(instance).spans

    assert (span.kind, span.start) == ("waiting", NOW - 10 * DAY)
    assert span.end == (NOW - 5 * DAY if approved else None)


def test_keys_clocks_and_beginnings_are_moments(ledger):
    instance = fleet.instance(ledger, {NOW - 10 * DAY: {}, NOW: {}})
    instance.keys.update(created_at=NOW - 10 * DAY, retired_at=NOW - 5 * DAY)
    PublicKey.objects.create(instance=instance, hex="cd" * 32, created_at=NOW - 5 * DAY)
    decide(instance, ("wrong_clock", 3, "it sent 2031-01-01 00:00:00 UTC"), ("changed", 2, "Version: 1 → 2"))

    life = life_of(instance)

    assert [(moment.kind, moment.at) for moment in life.moments] == [
        ("begun", NOW - 10 * DAY),
        ("begun", NOW - 10 * DAY),
        ("begun", NOW - 10 * DAY),
        ("key", NOW - 5 * DAY),
        ("wrong_clock", NOW - 3 * DAY),
    ]
    assert dict(life.legend).keys() == {"begun", "key", "wrong_clock"}


def test_the_table_holds_all_that_is_drawn_newest_first(ledger):
    instance = instance_of(ledger, ["1.0"] * 40 + ["2.0"])
    decide(instance, ("revoked", 10, "Cloned"))

    rows = list(life_of(instance).sheet.rows)

    assert rows == sorted(rows, key=lambda row: row[0], reverse=True)
    assert [NOW, NOW, "Version", "2.0"] in rows
    assert [NOW - 40 * DAY, NOW - DAY, "Version", "1.0"] in rows
    assert [NOW - 10 * DAY, None, "Revoked", "Cloned"] in rows


def test_very_many_events_are_not_all_read(ledger):
    instance = fleet.instance(ledger, {NOW - 100 * DAY: {}})
    decide(instance, *[("wrong_clock", age / 10, "") for age in range(MAX_EVENTS + 50)])

    life = life_of(instance)

    assert len(life.events) == MAX_EVENTS
    assert life.events[-1].at == NOW


def test_a_version_that_says_nothing_has_a_name(ledger):
    assert life_of(instance_of(ledger, [""])).drawn_versions[0].name == "(not said)"
