from datetime import timedelta

import pytest

from instances.rates import Rate, verdict

NOW = 1_795_337_777.25
RATE = Rate(requests=6, period=timedelta(minutes=1), burst=3)


def test_a_rate_knows_its_spacing():
    assert RATE.interval == 10
    assert RATE.tolerance == 30


@pytest.mark.parametrize(("taken", "remaining"), [(1, 2), (2, 1), (3, 0)])
def test_what_remains_of_a_burst(taken, remaining):
    said = verdict(RATE, NOW + taken * RATE.interval, NOW, allowed=True)

    assert said.allowed
    assert said.limit == 6
    assert said.remaining == remaining
    assert said.reset == 1_795_337_778 + taken * 10


def test_a_bucket_fills_again_as_time_passes():
    assert verdict(RATE, NOW + 30, NOW + 9.9, allowed=True).remaining == 0
    assert verdict(RATE, NOW + 30, NOW + 10, allowed=True).remaining == 1
    assert verdict(RATE, NOW + 30, NOW + 1000, allowed=True).remaining == 3


@pytest.mark.parametrize(("waited", "retry_after"), [(0, 10), (0.5, 10), (9, 1), (9.99, 1)])
def test_a_refused_client_is_told_how_long_to_wait(waited, retry_after):
    said = verdict(RATE, NOW + 30, NOW + waited, allowed=False)

    assert not said.allowed
    assert said.remaining == 0
    assert said.retry_after == retry_after


def test_nobody_is_told_to_wait_for_nothing():
    assert verdict(RATE, NOW - 500, NOW, allowed=False).retry_after == 1


@pytest.mark.parametrize(
    ("requests", "seconds", "burst"), [(60, 60, 60), (1, 60, 2), (7, 60, 11), (1000, 1, 1000), (3, 86400, 1)]
)
def test_a_full_bucket_holds_exactly_its_burst(requests, seconds, burst):
    rate = Rate(requests, timedelta(seconds=seconds), burst)
    arrival = NOW
    for left in reversed(range(burst)):
        arrival += rate.interval
        assert verdict(rate, arrival, NOW, allowed=True).remaining == left
