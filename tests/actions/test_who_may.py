"""Who may do it, and by which requests."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client

from instances.models import Application, Instance
from tests.actions.forms import ACTIONS, confirmed
from tests.installation import row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_only_a_post_does_it(client, maintainer, reporting, name, method):
    client.force_login(maintainer)
    before = Instance.objects.values().get()

    response = getattr(client, method)(f"/instances/{reporting.id}/{name}", confirmed(reporting, name))

    assert response.status_code == (200 if method in ("get", "head") else 405)
    assert Instance.objects.values().get() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_another_sites_form_does_not_do_it(maintainer, reporting, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(maintainer)
    before = Instance.objects.values().get()

    response = client.post(f"/instances/{reporting.id}/{name}", confirmed(reporting, name))

    assert response.status_code == 403
    assert Instance.objects.values().get() == before
    assert not LogEntry.objects.exists()


def test_the_pages_own_form_does_it(maintainer, reporting):
    client = Client(enforce_csrf_checks=True)
    client.force_login(maintainer)
    page = client.get(f"/instances/{reporting.id}/revoke")

    token = str(page.context["csrf_token"])
    assert token in page.content.decode()
    response = client.post(f"/instances/{reporting.id}/revoke", {"csrfmiddlewaretoken": token})

    assert response.status_code == 302
    assert row(reporting).state == Instance.State.REVOKED


@pytest.mark.parametrize("name", ACTIONS)
def test_without_the_permission_it_is_forbidden(client, viewer, reporting, name):
    client.force_login(viewer)
    before = Instance.objects.values().get()

    assert client.post(f"/instances/{reporting.id}/{name}", confirmed(reporting, name)).status_code == 403
    assert client.get(f"/instances/{reporting.id}/{name}").status_code == 403
    assert Instance.objects.values().get() == before
    assert not LogEntry.objects.exists()


def test_erasing_is_a_permission_of_its_own(client, maintainer, maintainers, reporting):
    maintainers.permissions.remove(*maintainers.permissions.filter(codename="delete_instance"))
    client.force_login(maintainer)

    assert client.post(f"/instances/{reporting.id}/erase", confirmed(reporting, "erase")).status_code == 403
    assert client.post(f"/instances/{reporting.id}/revoke").status_code == 302


def test_nobody_is_sent_to_the_login(reporting):
    response = Client().post(f"/instances/{reporting.id}/erase")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")
    assert Instance.objects.exists()


def test_an_action_that_there_is_not_names_those_there_are(act):
    response = act("explode")

    assert response.status_code == 400
    for name in ACTIONS:
        assert name in response.content.decode()


def test_one_that_moves_to_another_team_at_this_moment_is_out_of_reach(act, reporting, other_team, monkeypatch):
    elsewhere = Application.objects.create(name="Menagerie", slug="menagerie", team=other_team)
    atomic = transaction.atomic

    def moving():
        # The last thing before the transaction in which the instance is acted on.
        Instance.objects.filter(pk=reporting.id).update(application=elsewhere)
        return atomic()

    monkeypatch.setattr("dashboard.actions.transaction.atomic", moving)

    assert act("revoke").status_code == 404
    assert row(reporting).state == Instance.State.ACTIVE
    assert not LogEntry.objects.exists()
