"""What is said and asked before it is done."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils.html import escape

from dashboard.decisions import DECISIONS
from instances.models import Instance
from tests.actions.forms import ACTIONS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.mark.parametrize("name", ACTIONS)
def test_what_happens_is_said_before(client, maintainer, reporting, name):
    client.force_login(maintainer)
    changes = {
        "approve": {"state": "pending", "awaits_approval": True},
        "restore": {"state": "revoked"},
        "include": {"exclusion": "manual"},
    }
    Instance.objects.update(**changes.get(name, {}))

    response = client.get(f"/instances/{reporting.id}/{name}")

    text = response.content.decode()
    for consequence in DECISIONS[name].consequences:
        assert escape(str(consequence)) in text
    assert reporting.id[:8] in text
    assert 'name="reason"' in text
    assert ('name="confirmation"' in text) == (name == "erase")
    assert ("1 snapshot is deleted" in text) == (name == "erase")


@pytest.mark.parametrize("name", ["approve", "restore", "include"])
def test_what_is_so_already_is_not_asked(client, maintainer, reporting, name):
    client.force_login(maintainer)

    text = client.get(f"/instances/{reporting.id}/{name}").content.decode()

    assert "That is so already" in text
    assert 'name="reason"' not in text


@pytest.mark.parametrize("typed", [None, "", "yes", "00000000", "short"])
def test_nothing_is_erased_without_the_beginning_of_its_id(client, maintainer, reporting, typed):
    client.force_login(maintainer)
    typed = reporting.id[:7] if typed == "short" else typed

    response = client.post(f"/instances/{reporting.id}/erase", {} if typed is None else {"confirmation": typed})

    assert response.status_code == 400
    assert f"Nothing was erased. Type {reporting.id[:8]} here" in response.content.decode()
    assert Instance.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("typed", [lambda pk: f" {pk[:8].upper()} ", lambda pk: pk])
def test_its_id_may_be_typed_large_or_whole(act, reporting, typed):
    assert act("erase", confirmation=typed(reporting.id)).redirect_chain
    assert not Instance.objects.exists()
