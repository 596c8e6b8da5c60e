"""In which language, and by which clock, an answer is written."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone, translation

from instances.models import Application
from metrics.models import KeyFlag
from tests import fleet

pytestmark = pytest.mark.django_db

MACHINES = ["/v1/nothing", "/api/v1/healthcheck", "/readyz", "/badge/ledger/instances", "/badge/none/version"]


@pytest.fixture
def french() -> Client:
    return Client(headers={"accept-language": "fr-CA,fr;q=0.9,en;q=0.5"})


def language_of(response) -> str:
    assert f'<html lang="{response["Content-Language"]}"' in response.content.decode()
    return response["Content-Language"]


@pytest.mark.parametrize(
    ("asked_for", "answered"),
    [
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9", "fr"),
        ("FR-ch", "fr"),
        ("en-GB,fr;q=0.5", "en"),
        ("de,fr;q=0.5,en;q=0.1", "fr"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        (";;,=,q", "en"),
        ("x" * 5000, "en"),
        ("fr-" + "x" * 600, "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_a_page_is_in_the_browsers_language(client, asked_for, answered):
    assert language_of(client.get("/admin/login/", headers={"accept-language": asked_for})) == answered


def test_where_the_browser_asks_for_none_of_ours_the_setting_says_which(client, settings):
    settings.PAGE_LANGUAGE = "fr"

    assert language_of(client.get("/admin/login/", headers={"accept-language": "de"})) == "fr"
    assert language_of(client.get("/admin/login/")) == "fr"
    assert language_of(client.get("/admin/login/", headers={"accept-language": "en-GB"})) == "en"


def test_the_one_that_is_chosen_stays(client):
    answer = client.post("/preferences/", {"language": "fr", "next": "/admin/login/?next=/"})

    assert answer.status_code == 302
    assert answer["Location"] == "/admin/login/?next=/"
    assert language_of(client.get("/admin/login/", headers={"accept-language": "en"})) == "fr"
    client.post("/preferences/", {"language": "en"})
    assert language_of(client.get("/admin/login/", headers={"accept-language": "fr"})) == "en"


def test_its_cookie_lasts_a_year_and_is_out_of_reach_of_scripts(client):
    cookie = client.post("/preferences/", {"language": "fr"}).cookies["shm_language"]

    assert (cookie["max-age"], cookie["path"]) == (365 * 24 * 3600, "/")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize(
    "data", [{}, {"language": "xx"}, {"language": ""}, {"clock": "mars"}, {"language": "fr\r\nA: b"}]
)
def test_what_cannot_be_chosen_is_not_kept(client, data):
    answer = client.post("/preferences/", data)

    assert answer.status_code == 302
    assert not answer.cookies


@pytest.mark.parametrize(
    "page", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", "", "\\\\x"]
)
def test_nobody_is_sent_to_another_site(client, page):
    assert client.post("/preferences/", {"language": "fr", "next": page})["Location"] == "/"


def test_another_sites_form_chooses_nothing():
    assert Client(enforce_csrf_checks=True).post("/preferences/", {"language": "fr"}).status_code == 403


def test_pages_that_refuse_are_in_the_readers_language_too(french, superuser):
    assert language_of(french.get("/nothing/here")) == "fr"
    french.force_login(superuser)
    assert language_of(french.get("/nothing/here")) == "fr"
    assert language_of(french.get("/applications/none/")) == "fr"


def test_a_page_says_what_it_depends_on(french):
    vary = french.get("/admin/login/")["Vary"]

    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in vary.split(",")}


@pytest.mark.parametrize("path", MACHINES)
def test_programs_and_badges_get_the_same_whoever_asks(client, path):
    Application.objects.create(name="Ledger", slug="ledger")
    plain = client.get(path)
    client.cookies["shm_language"], client.cookies["shm_time_zone"] = "fr", "Asia/Tokyo"
    asked = client.get(path, headers={"accept-language": "fr"})

    assert asked.content == plain.content
    for response in (plain, asked):
        assert "Content-Language" not in response
        assert not {"Accept-Language", "Cookie"} & {name.strip() for name in response.get("Vary", "").split(",")}


def test_a_page_leaves_no_language_behind_for_the_next_request_of_the_thread(french, client):
    client.cookies["shm_time_zone"] = "Asia/Tokyo"
    assert language_of(french.get("/admin/login/")) == "fr"

    assert client.get("/admin/login/").status_code == 200
    assert translation.get_language() == "en"
    assert timezone.get_current_timezone_name() == "UTC"
    refused = client.post("/v1/register", {"instance_id": "x"}, content_type="application/json")
    assert refused.json()["detail"].isascii()


# Times


@pytest.fixture
def reported(client, superuser):
    """An instance whose newest report is of 2026-01-31 23:30 UTC, and its page as a superuser reads it."""
    at = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    application = Application.objects.create(name="Ledger", slug="ledger")
    reporting = fleet.instance(application, {at: {"documents": 5}})
    client.force_login(superuser)

    def page(zone: str | None = None, clock: str = "", language: str = "en") -> str:
        client.cookies["shm_language"], client.cookies["shm_clock"] = language, clock
        if zone is not None:
            client.cookies["shm_time_zone"] = zone
        return client.get(f"/instances/{reporting.pk}/").content.decode()

    return page


IN_UTC = '<time datetime="2026-01-31T23:30:00.000000Z">2026-01-31 23:30 UTC</time>'


def test_times_are_utc_where_nothing_is_known_of_the_browser(reported):
    assert IN_UTC in reported()


def test_times_are_by_the_readers_clock_with_utc_beside_them(reported):
    page = reported("Asia/Tokyo")

    assert '<time datetime="2026-01-31T23:30:00.000000Z" title="2026-01-31 23:30 UTC">2026-02-01 08:30</time>' in page
    assert 'data-time-zone="Asia/Tokyo"' in page
    assert "Times in Asia/Tokyo" in page


def test_a_zone_by_the_name_that_some_browsers_still_call_it(reported):
    assert "2026-02-01 05:00" in reported("Asia/Calcutta")


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "../../../etc/passwd", "/etc/localtime", "Europe/Paris ", "x" * 3000, "é", "Europe", "utc"],
)
def test_a_zone_that_there_is_not_is_not_believed(reported, zone):
    assert IN_UTC in reported(zone)


def test_who_wants_utc_has_utc(reported, client):
    reported("Asia/Tokyo")
    cookie = client.post("/preferences/", {"clock": "utc"}).cookies["shm_clock"]

    assert (cookie.value, cookie["httponly"]) == ("utc", True)
    page = reported("Asia/Tokyo", clock="utc")
    assert IN_UTC in page
    assert "Show by my clock" in page
    assert "Show in UTC" in reported("Asia/Tokyo", clock="local")


def test_dates_are_in_the_order_of_the_language(reported):
    assert "01/02/2026 08:30" in reported("Asia/Tokyo", language="fr")


def test_what_is_taken_away_is_in_utc_and_in_english(client, superuser):
    application = Application.objects.create(name="Ledger", slug="ledger")
    reporting = fleet.instance(application, {datetime.now(UTC): {"documents": 5}})
    reporting.exclude("test")
    fleet.instance(application, {datetime.now(UTC): {"documents": 5}})
    client.force_login(superuser)
    page = client.get("/applications/ledger/").content.decode()
    links = re.findall(r'href="(/[^"]*\.csv[^"]*|\?[^"]*download=[^"]*)"', page)
    assert len(links) > 2
    for link in [*links, "/applications/ledger/history.csv"]:
        path = "/applications/ledger/" * link.startswith("?") + link.replace("&amp;", "&")
        taken = {}
        for language in ("en", "fr"):
            client.cookies["shm_language"], client.cookies["shm_time_zone"] = language, "Asia/Tokyo"
            content = b"".join(client.get(path).streaming_content).decode()
            # Of the present it says another time when it is asked again.
            taken[language] = re.sub(r"[\d-]+T[\d:.]+Z", "time", content)
        assert taken["fr"] == taken["en"], path


# What is kept


def test_what_is_filed_is_in_english_whoever_does_it(client, superuser):
    application = Application.objects.create(name="Ledger", slug="ledger")
    done = fleet.instance(application, {datetime.now(UTC): {"documents": 5}})
    flag = KeyFlag.objects.create(application=application, key="owner", kind="email")
    client.force_login(superuser)
    client.cookies["shm_language"] = "fr"

    client.post(f"/instances/{done.pk}/revoke")
    client.post(f"/applications/ledger/flags/{flag.pk}/allow")
    client.post("/applications/ledger/views/", {"name": "Mine", "for_all": "on", "query": "state=active"})

    filed = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert len(filed) == 3
    assert filed[0].startswith("Revoked: nothing it signs")
    assert filed[1:] == ["What is sent under owner is kept from now on.", "The view “Mine” is saved."]
    log = client.get("/admin/admin/logentry/").content.decode()
    assert "Révoquée" in log
