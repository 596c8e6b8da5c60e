"""One figure of each metric out of closed censuses: what cards' sparklines are made of."""

from datetime import UTC, datetime, timedelta

import pytest

from metrics import taking
from metrics.models import ClosedCensus
from tests import fleet
from tests.conftest import HOSTILE

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


def headlines(application, figures):
    return list(ClosedCensus.objects.filter(application=application).headlines(figures))


def test_each_metric_has_the_figure_that_is_asked_for(ledger):
    for users in (1, 2, 9):
        fleet.instance(ledger, {NOW: {"users": users, "load": users, "peak": users, "low": users, "mean": users}})
    taking.close(ledger, NOW + HOUR)

    wanted = {"users": "sum", "load": "median", "peak": "max", "low": "min", "mean": "mean", "nobody's": "sum"}
    *_, (_, _, numbers) = headlines(ledger, wanted)

    assert numbers == {"users": 12, "load": 2, "peak": 9, "low": 1, "mean": 4}


def test_what_is_not_asked_for_is_left_where_it_is(ledger):
    fleet.instance(ledger, {NOW: {"users": 1, "files": 2}})
    taking.close(ledger, NOW + HOUR)

    assert {
        key for _, _, numbers in headlines(ledger, {"users": "sum"}) for key, n in numbers.items() if n is not None
    } == {"users"}
    assert [numbers for _, _, numbers in headlines(ledger, {}) if any(numbers.values())] == []


def test_times_before_there_was_anything_have_no_numbers(ledger):
    fleet.instance(ledger, {NOW: {"users": 1}})
    taking.close(ledger, NOW)
    ClosedCensus.objects.update_or_create(
        application=ledger, at=NOW - HOUR, defaults={"document": {"instances": {"active": 0}, "metrics": {}}}
    )

    first, *_ = headlines(ledger, {"users": "sum"})

    assert first == (NOW - HOUR, 0, {})


def test_keys_of_any_kind_are_found(ledger):
    fleet.instance(ledger, {NOW: {key: index for index, key in enumerate(HOSTILE)}})
    taking.close(ledger, NOW + HOUR)

    *_, (_, _, numbers) = headlines(ledger, dict.fromkeys(HOSTILE, "median"))

    assert numbers == {key: index for index, key in enumerate(HOSTILE)}


@pytest.mark.parametrize("number", [2**70, 0.1, 1e-300, -(10**300)])
def test_numbers_stay_exact(ledger, number):
    fleet.instance(ledger, {NOW: {"n": number}})
    taking.close(ledger, NOW + HOUR)

    *_, (_, _, numbers) = headlines(ledger, {"n": "sum"})

    assert numbers == {"n": number}
    assert type(numbers["n"]) is type(number)
