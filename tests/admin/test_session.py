"""Signing in and out by a password."""

from urllib.parse import quote

import pytest

pytestmark = pytest.mark.django_db


def test_who_has_logged_out_is_told_so_in_the_sites_own_words(client, superuser):
    client.force_login(superuser)

    text = client.post("/admin/logout/").content.decode()

    assert "You are logged out" in text
    assert 'href="/"' in text
    assert "quality time" not in text
    assert 'lang="' in text


def test_the_login_renders_and_leads_where_one_wanted_to_go(client, viewer):
    page = client.get("/admin/login/", {"next": "/applications/ledger/"})
    assert page.status_code == 200
    assert 'name="password"' in page.content.decode()

    wrong = client.post("/admin/login/", {"username": "viewer", "password": "wrong"})
    assert wrong.status_code == 200
    assert "Please enter the correct" in wrong.content.decode()
    data = {"username": "viewer", "password": "correct horse battery", "next": "/applications/ledger/"}
    assert client.post("/admin/login/", data)["Location"] == "/applications/ledger/"


def test_the_login_leads_to_no_other_site(client, viewer):
    away = "https://example.org/"
    data = {"username": "viewer", "password": "correct horse battery", "next": away}

    assert away not in client.post(f"/admin/login/?next={quote(away)}", data)["Location"]


def test_signing_out_ends_the_session(client, viewer):
    client.force_login(viewer)
    assert client.get("/").status_code == 200

    client.post("/admin/logout/")

    assert client.get("/").status_code == 302


def test_the_sign_in_page_leads_nobody_in_a_circle(client, db):
    assert "Return to site" not in client.get("/admin/login/").content.decode()
