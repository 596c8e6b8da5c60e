"""GET /badge/<slug>/...: what a README shows, to anybody, of the applications that publish it."""

from datetime import timedelta
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard import svg
from instances.models import Instance
from metrics import taking
from metrics.models import PresentCensus
from tests.fleet import instance

SVG = "{http://www.w3.org/2000/svg}"
ENDPOINTS = ["instances", "version", "metric/users_count", "combined"]

pytestmark = pytest.mark.django_db


def reporting(application, metrics, **fields):
    return instance(application, {timezone.now() - timedelta(minutes=1): metrics}, **fields)


def shown(response):
    """(label, value, colour) of a badge."""
    assert response.status_code == 200, response.content
    root = ElementTree.fromstring(response.content)
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    return texts[0], texts[2], root.findall(f"{SVG}rect")[1].get("fill")


# What each says


def test_instances_are_those_of_the_census(client, ledger):
    for _ in range(6):
        reporting(ledger, {})
    reporting(ledger, {}).exclude(Instance.Exclusion.TEST)
    reporting(ledger, {}).revoke()
    instance(ledger, {timezone.now() - timedelta(days=31): {}})
    Instance.objects.create(application=ledger)

    assert shown(client.get("/badge/ledger/instances")) == ("instances", "6", svg.YELLOW)
    assert taking.present(ledger, timezone.now()).active == 6


def test_version_is_the_one_that_most_run(client, ledger):
    for version in ("1.0", "1.1", "1.1", "", "", ""):
        reporting(ledger, {}, app_version=version)

    assert shown(client.get("/badge/ledger/version")) == ("version", "1.1", svg.PURPLE)


def test_of_two_versions_as_frequent_it_is_always_the_same(client, ledger):
    for version in ("b", "a", "b", "a"):
        reporting(ledger, {}, app_version=version)

    assert shown(client.get("/badge/ledger/version"))[1] == "a"


def test_a_metric_called_app_version_is_not_taken_for_the_version(client, ledger):
    reporting(ledger, {"app_version": 3}, app_version="1.0")
    reporting(ledger, {"app_version": "x"}, app_version="1.0")

    assert shown(client.get("/badge/ledger/version"))[1] == "1.0"


def test_a_metric_is_the_sum_of_the_census(client, ledger):
    for users in (12_000, 345, 0.5):
        reporting(ledger, {"users_count": users})
    reporting(ledger, {"users_count": 10**9}).exclude(Instance.Exclusion.MANUAL)

    assert shown(client.get("/badge/ledger/metric/users_count")) == ("users_count", "12.3k", svg.GREEN)
    assert taking.present(ledger, timezone.now()).figures["users_count"]["sum"] == 12345.5


def test_text_where_others_send_numbers_spoils_nothing(client, ledger):
    for users in (40, 60, "a lot", True):
        reporting(ledger, {"users_count": users})

    assert shown(client.get("/badge/ledger/metric/users_count")) == ("users_count", "100", svg.BLUE)
    assert shown(client.get("/badge/ledger/combined")) == ("adoption", "100 / 4", svg.INDIGO)


def test_combined_is_a_metric_and_the_instances(client, ledger):
    reporting(ledger, {"users_count": 1500, "files": 2})
    reporting(ledger, {"users_count": 1, "files": 0.5})

    assert shown(client.get("/badge/ledger/combined")) == ("adoption", "1.5k / 2", svg.INDIGO)
    assert shown(client.get("/badge/ledger/combined?metric=files")) == ("adoption", "2.5 / 2", svg.INDIGO)
    assert shown(client.get("/badge/ledger/combined?metric=")) == ("adoption", "1.5k / 2", svg.INDIGO)
    assert shown(client.get("/badge/ledger/combined?metric=nobody's"))[1] == "0 / 2"


def test_sums_beyond_a_double_are_shown(client, ledger):
    for _ in range(2):
        reporting(ledger, {"bytes": 10**308})
        reporting(ledger, {"bytes": 1.5e308})

    assert shown(client.get("/badge/ledger/metric/bytes")) == ("bytes", "5.00e308", svg.GREEN)
    assert shown(client.get("/badge/ledger/combined?metric=bytes"))[1] == "5.00e308 / 4"


def test_an_application_without_reports_says_so(client, ledger):
    assert shown(client.get("/badge/ledger/instances")) == ("instances", "0", svg.RED)
    assert shown(client.get("/badge/ledger/version")) == ("version", "no data", svg.PURPLE)
    assert shown(client.get("/badge/ledger/metric/users_count")) == ("users_count", "no data", svg.GRAY)
    assert shown(client.get("/badge/ledger/combined")) == ("adoption", "0 / 0", svg.INDIGO)


@pytest.mark.parametrize(
    "name",
    [
        "db.size_mb",
        "http/requests",
        "with space",
        "größe",
        "😀",
        "a//b",
        "/a",
        "a/",
        "50%",
        "a?b#c",
        "<b>&",
        "'\"\\",
        "..",
        "%2F",
    ],
)
def test_a_metric_may_be_called_anything(client, ledger, name):
    reporting(ledger, {name: 42})

    assert shown(client.get(f"/badge/ledger/metric/{quote(name, safe='/')}")) == (name, "42", svg.YELLOW)
    assert shown(client.get("/badge/ledger/combined", {"metric": name}))[1] == "42 / 1"


def test_a_nested_metric_goes_by_its_path(client, ledger):
    reporting(ledger, {"db": {"size_mb": 7}})

    assert shown(client.get("/badge/ledger/metric/db.size_mb"))[1] == "7"


# How it is shown


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_it_is_an_svg_that_may_be_kept_for_five_minutes_and_do_nothing(client, ledger, endpoint):
    response = client.get(f"/badge/ledger/{endpoint}")

    assert response.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "Set-Cookie" not in response.headers
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_label_and_colour_can_be_chosen(client, ledger, endpoint):
    label, _, color = shown(client.get(f"/badge/ledger/{endpoint}", {"label": "größe & <b>", "color": "abc"}))

    assert (label, color) == ("größe & <b>", "#abc")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_empty_choice_is_none(client, ledger, endpoint):
    assert shown(client.get(f"/badge/ledger/{endpoint}?label=&color=")) == shown(
        client.get(f"/badge/ledger/{endpoint}")
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "hostile",
    [
        "</text><script>alert(1)</script>",
        '"/><script>alert(1)</script>',
        "\0\x1b[31m",
        "‮txet",
        "x" * 5000,
        "&#0;",
        "]]>",
        "\ufffe",
    ],
)
def test_hostile_choices_are_harmless(client, ledger, endpoint, hostile):
    response = client.get(f"/badge/ledger/{endpoint}", {"label": hostile, "color": hostile})

    label, _, color = shown(response)
    assert len(label) <= svg.MAX_TEXT
    assert color == shown(client.get(f"/badge/ledger/{endpoint}"))[2]
    assert b"<script" not in response.content
    assert len(response.content) < 4000


@pytest.mark.parametrize(
    "query",
    ["label=%ff%fe", "color=%00", "label=%ed%a0%80", "label[]=x", "&&&", "metric=%00", "color=%23abc&color=zzz"],
)
def test_queries_that_are_none_are_survived(client, ledger, query):
    for endpoint in ENDPOINTS:
        shown(client.get(f"/badge/ledger/{endpoint}?{query}"))


def test_a_hostile_metric_name_or_version_is_text(client, ledger):
    reporting(ledger, {"users_count": 1}, app_version="<script>alert(1)</script>")

    assert shown(client.get("/badge/ledger/version"))[1] == "<script>alert(1)</script>"
    assert shown(client.get("/badge/ledger/metric/%3Cscript%3E"))[:2] == ("<script>", "no data")
    assert len(shown(client.get(f"/badge/ledger/metric/{'x' * 3000}"))[0]) == svg.MAX_TEXT


def test_a_version_with_characters_that_xml_cannot_hold_is_well_formed(client, ledger):
    reporting(ledger, {}, app_version="1\x1b\x08.0\ufffe")

    assert shown(client.get("/badge/ledger/version"))[1] == "1.0"


# Who sees it


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_unknown_and_unpublished_applications_look_the_same(client, ledger, endpoint):
    reporting(ledger, {"users_count": 5}, app_version="1.0")
    ledger.publishes_badges = False
    ledger.save()

    unpublished = client.get(f"/badge/ledger/{endpoint}?label=mine&color=abc")
    unknown = client.get(f"/badge/nobodys/{endpoint}?label=mine&color=abc")

    assert shown(unknown) == ("badge", "unknown or not published", svg.GRAY)
    assert unpublished.content == unknown.content
    assert unpublished.headers == unknown.headers


def test_signed_in_or_not_it_is_the_same(admin_client, client, ledger):
    reporting(ledger, {})

    assert admin_client.get("/badge/ledger/instances").content == client.get("/badge/ledger/instances").content


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_for_reading_only(client, ledger, endpoint, method):
    response = getattr(client, method)(f"/badge/ledger/{endpoint}")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_head_has_the_headers_and_no_body(client, ledger, endpoint):
    response = client.head(f"/badge/ledger/{endpoint}")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert response.content == b""


@pytest.mark.parametrize(
    "path", ["/badge/ledger/", "/badge/ledger/metric/", "/badge/ledger/other", "/badge//instances"]
)
def test_there_is_no_other_badge(client, ledger, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_it_takes_as_many_queries_however_many_instances_and_snapshots_there_are(client, ledger, endpoint):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/badge/ledger/{endpoint}")
        assert not [query for query in captured if "metrics_snapshot" in query["sql"]]
        return len(captured)

    few = queries()
    for _ in range(4):
        reporting(ledger, {"users_count": 1, **{f"k{number}": number for number in range(60)}})

    assert queries() == few <= 5


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_of_a_large_fleet_it_shows_the_census_that_all_are_shown(client, ledger, endpoint, monkeypatch):
    monkeypatch.setattr(taking, "LIVE_INSTANCES", 0)
    reporting(ledger, {"users_count": 7}, app_version="1.0")
    first = shown(client.get(f"/badge/ledger/{endpoint}"))
    reporting(ledger, {"users_count": 1000}, app_version="0.9")

    assert shown(client.get(f"/badge/ledger/{endpoint}")) == first

    PresentCensus.objects.update(at=timezone.now() - timedelta(minutes=1))

    assert shown(client.get(f"/badge/ledger/{endpoint}")) != first
