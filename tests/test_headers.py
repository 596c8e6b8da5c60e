"""What every answer tells a browser about itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.test import Client, override_settings

from instances.models import Application

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.django_db

NOTHING = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"


@pytest.mark.parametrize(
    "path", ["/v1/register", "/v1/nothing", "/api/v1/healthcheck", "/readyz", "/badge/x/instances"]
)
def test_what_is_no_page_may_do_nothing(client, path):
    assert client.get(path)["Content-Security-Policy"] == NOTHING


@pytest.mark.parametrize("path", ["/admin/login/", "/", "/admin/instances/instance/"])
def test_pages_load_nothing_from_elsewhere(client, superuser, path):
    if "login" not in path:
        client.force_login(superuser)

    response = client.get(path)

    policy = response["Content-Security-Policy"]
    assert response.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; ")
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert "http" not in policy
    assert "<style" not in response.content.decode()


def test_an_answer_that_has_a_policy_keeps_it(rf):
    from django.http import HttpResponse

    from shm_site.middleware import BrowserMiddleware

    own = HttpResponse(headers={"Content-Security-Policy": "sandbox"})
    assert BrowserMiddleware(lambda request: own)(rf.get("/"))["Content-Security-Policy"] == "sandbox"


@override_settings(DEBUG=True)
def test_djangos_pages_for_developers_may_use_their_own_styles():
    assert "Content-Security-Policy" not in Client().get("/nothing/here")
    assert "Content-Security-Policy" in Client().get("/admin/login/")


def test_an_error_page_has_a_policy_too(client):
    response = client.get("/nothing/here")

    assert response.status_code == 404
    assert response["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")


# What is kept, and where


@pytest.mark.parametrize("path", ["/v1/register", "/api/v1/healthcheck", "/nothing/here", "/admin/jsi18n/"])
def test_what_says_nothing_else_is_kept_nowhere(client, superuser, path):
    client.force_login(superuser)

    assert client.get(path)["Cache-Control"] == "no-store"


def test_pages_and_tables_are_kept_nowhere(client, superuser):
    Application.objects.create(name="Ledger", slug="ledger")
    client.force_login(superuser)

    for path in ("/", "/applications/ledger/", "/applications/ledger/instances.csv", "/admin/", "/admin/login/"):
        assert {"no-store", "private"} <= set(client.get(path)["Cache-Control"].split(", ")), path


def test_badges_are_kept_by_whoever_shows_them(client):
    assert client.get("/badge/ledger/instances")["Cache-Control"] == "public, max-age=300"


def test_pages_use_nothing_of_the_device_and_tell_nobody_where_one_was(client):
    response = client.get("/admin/login/")

    assert "camera=(), " in response["Permissions-Policy"]
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


# Sessions


def sign_in(client, user):
    return client.post("/admin/login/", {"username": user.username, "password": "correct horse battery"})


def test_the_session_is_out_of_reach_of_scripts_and_of_other_sites(client, superuser):
    cookie = sign_in(client, superuser).cookies["sessionid"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 14 * 24 * 3600
    assert client.get("/admin/password_change/").status_code == 200
    assert client.cookies["csrftoken"]["httponly"]


def test_signing_in_makes_a_new_session(client, superuser, viewer):
    client.force_login(viewer)
    before = client.cookies["sessionid"].value

    after = sign_in(client, superuser).cookies["sessionid"].value

    assert after != before
    assert not Session.objects.filter(pk=before).exists()


def test_a_session_that_was_signed_out_is_worth_nothing(client, superuser):
    sign_in(client, superuser)
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value
    assert stolen.get("/").status_code == 200

    client.post("/admin/logout/")

    assert stolen.get("/").status_code == 302


# By HTTPS only

ASK = """
import django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
client = Client(REMOTE_ADDR="127.0.0.1", headers={"host": "shm.example.org"})
over_https = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
for path in ("/admin/login/", "/", "/static/nothing", "/v1/register", "//v1/register", "/api/v1/healthcheck",
             "/readyz", "/badge/ledger/instances"):
    answer = client.post(path) if path == "/v1/register" else client.get("/", PATH_INFO=path)
    print(path, answer.status_code, answer.get("Location", "-"))
answer = client.get("/admin/login/", headers=over_https)
print(answer.status_code, answer["Strict-Transport-Security"])
for cookie in answer.cookies.values():
    print(cookie.OutputString())
from dashboard.browsers import COOKIE
from django.conf import settings
print(settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE, COOKIE)
"""


@pytest.fixture(scope="module")
def by_https(tmp_path_factory):
    """What a server with the settings of production answers, line by line."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "shm_site.settings",
        "SHM_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SHM_SECURE_COOKIES": "true",
        "SHM_TRUSTED_PROXIES": "127.0.0.1",
        "SHM_ALLOWED_HOSTS": "shm.example.org",
    }
    for command in (["manage.py", "migrate", "-v0"], ["manage.py", "collectstatic", "-v0", "--noinput"], ["-c", ASK]):
        run = [sys.executable, *command]
        done = subprocess.run(run, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.splitlines()


def test_pages_are_redirected_to_https_and_what_programs_ask_for_is_not(by_https):
    answers = {path: (status, location) for path, status, location in (line.split() for line in by_https[:8])}

    for path in ("/admin/login/", "/", "/static/nothing"):
        assert answers.pop(path) == ("301", f"https://shm.example.org{path}")
    assert {location for _, location in answers.values()} == {"-"}
    assert answers["/v1/register"][0] == "400"
    assert answers["/badge/ledger/instances"][0] == answers["/api/v1/healthcheck"][0] == "200"


def test_cookies_are_this_hosts_own_and_https_is_insisted_on(by_https):
    login, *cookies, names = by_https[8:]

    assert login == "200 max-age=31536000"
    [csrf] = cookies
    assert csrf.startswith("__Host-csrftoken=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(csrf.split("; "))
    assert names == "__Host-sessionid True __Secure-shm_browser"
