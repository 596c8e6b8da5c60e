"""What is answered where no view gets to answer."""

import pytest
from django.db import OperationalError
from django.urls import reverse

from instances.models import Application
from tests import fleet


@pytest.mark.django_db
def test_a_host_that_is_not_allowed_is_told_so_in_json(client, settings):
    settings.ALLOWED_HOSTS = ["metrics.example"]
    response = client.post("/v1/register", b"{}", content_type="application/json", headers={"host": "other.example"})
    assert response.status_code == 400
    assert response.json()["code"] == "bad_request"
    assert "SHM_ALLOWED_HOSTS" in response.json()["detail"]


@pytest.mark.django_db
def test_a_person_gets_a_page_instead(client, settings):
    settings.ALLOWED_HOSTS = ["metrics.example"]
    response = client.get("/", headers={"host": "other.example"})
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/nowhere", "/applications/nowhere/", "/badge-of-nothing"])
def test_an_address_of_nothing_leads_a_person_back(admin_client, address):
    response = admin_client.get(address)
    assert response.status_code == 404
    assert "There is nothing here" in response.text
    assert f'href="{reverse("dashboard:overview")}"' in response.text


def test_who_may_not_do_something_is_told_whom_to_ask(client, viewer, team):
    application = Application.objects.create(name="Ledger", slug="ledger", team=team)
    instance = fleet.instance(application, {})
    client.force_login(viewer)
    response = client.post(reverse("dashboard:instance_action", args=[instance.pk, "revoke"]))
    assert response.status_code == 403
    assert "Ask a superuser for the permission to manage instances." in response.text


@pytest.mark.django_db
def test_a_person_gets_a_page_about_a_failure_without_a_word_of_what_failed(admin_client, monkeypatch):
    def fail(*args: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("dashboard.views.OverviewPage", fail)
    admin_client.raise_request_exception = False
    response = admin_client.get("/")
    assert response.status_code == 500
    assert "The server has failed" in response.text
    assert "secret" not in response.text


@pytest.mark.django_db
def test_a_failure_is_json_without_a_word_of_what_failed(client, monkeypatch):
    def fail(*args: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("instances.views.register", fail)
    client.raise_request_exception = False
    body = {
        "instance_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "app_name": "Ledger",
    }
    response = client.post("/v1/register", body, content_type="application/json")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert b"secret" not in response.content


@pytest.mark.parametrize(
    "address",
    [
        "/admin/instances/instance/?state__exact=%00",
        "/admin/instances/instance/?q=a%00b",
        "/admin/instances/instance/?state__exact=%%0000",
        "/admin/instances/instance/?state__exact=%0%000%000",
        "/?x=%00",
        "/badge/x/instances?label=a%00b",
    ],
)
def test_a_nul_character_in_an_address_is_left_out(admin_client, address):
    path, _, query = address.partition("?")
    assert admin_client.get(path, QUERY_STRING=query).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("value", [r'"\000aaaaaaaaaa"', r'"aaaaaaaaaa\000"', "\0aaaaaaaaaa"])
def test_who_sends_a_nul_character_in_a_cookie_is_nobody(client, value):
    response = client.get("/", HTTP_COOKIE=f"sessionid={value}")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.django_db
def test_a_database_that_is_lost_outside_a_view_is_unavailable_and_no_failure(client, superuser, monkeypatch):
    def lost(*args: object, **kwargs: object) -> None:
        raise OperationalError("the connection is closed")

    client.raise_request_exception = False
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", lost)
    client.cookies["sessionid"] = "a" * 32
    inside = client.get("/")
    monkeypatch.undo()
    client.force_login(superuser)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.save", lost)
    # Kept when the view is done already.
    monkeypatch.setattr("django.contrib.sessions.backends.base.SessionBase.is_empty", lambda session: False)
    outside = client.post("/admin/login/", {"username": "superuser", "password": "correct horse battery"})

    for response in (inside, outside):
        assert response.status_code == 503
        assert int(response["Retry-After"]) >= 1
