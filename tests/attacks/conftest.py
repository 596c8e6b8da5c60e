"""Whom is attacked, and by whom."""

from datetime import timedelta

import pytest

from tests.clock import NOW
from tests.installation import Installation


@pytest.fixture
def victim(clock, no_limits):
    """Registered, activated and with a report."""
    victim = Installation(environment="production")
    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    assert victim.snapshot({"users": 1}, NOW - timedelta(hours=1)).status_code == 202
    return victim


@pytest.fixture
def mallory(victim):
    """Hostile, with a key of her own, and registered like any other."""
    mallory = Installation()
    assert mallory.register().status_code == 201
    assert mallory.activate().status_code == 200
    return mallory
