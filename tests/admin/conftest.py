"""The admin as a superuser gets it, and something to look at there."""

import pytest
from django.utils import timezone

from instances.models import Instance
from metrics.periods import DAY
from tests import fleet


@pytest.fixture
def reporting(ledger) -> Instance:
    now = timezone.now()
    return fleet.instance(
        ledger, {now - DAY: {"documents": 3}, now: {"documents": 1234, "plan": "pro"}}, app_version="1.4.2"
    )


@pytest.fixture
def page(client, superuser):
    """The page as a superuser gets it."""
    client.force_login(superuser)

    def get(path):
        response = client.get(path)
        assert response.status_code == 200, path
        return response.content.decode()

    return get


@pytest.fixture
def send(client, superuser):
    """What a superuser's form leads to."""
    client.force_login(superuser)
    return lambda path, data: client.post(path, data, follow=True)
