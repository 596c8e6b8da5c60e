"""An instance, and a maintainer who acts on it."""

import pytest

from instances.models import Application
from tests.actions.forms import confirmed


@pytest.fixture
def reporting(installation, team):
    """An installation of the team's that has reported once."""
    Application.objects.update(team=team)
    assert installation.snapshot({"documents": 5}).status_code == 202
    return installation


@pytest.fixture
def act(client, maintainer, reporting):
    client.force_login(maintainer)

    def act(name, **form):
        return client.post(f"/instances/{reporting.id}/{name}", {**confirmed(reporting, name), **form}, follow=True)

    return act
