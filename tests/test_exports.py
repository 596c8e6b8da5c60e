"""GET /applications/<slug>/instances.csv: the table as a file that a spreadsheet opens without harm."""

import csv
import io
import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User

from dashboard.columns import METRIC_COLUMNS
from dashboard.sheets import cell
from instances.models import Instance
from metrics.models import MetricSetting
from tests.clock import NOW
from tests.fleet import instance

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ADDRESS = "/applications/ledger/instances.csv"
OWN = ["instance", "state", "excluded", "Version", "Environment", "System", "Deployment", "Last report"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def reporting(application, metrics, ago=MINUTE, **fields):
    return instance(application, {NOW - ago: metrics}, **fields)


def lines(client, **query):
    response = client.get(ADDRESS, query)
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode(), newline="")))


def column(client, title, **query):
    head, *rows = lines(client, **query)
    return [row[head.index(title)] for row in rows]


# What is in it


def test_it_has_the_columns_of_the_table(admin_client, ledger):
    said = {"app_version": "1.2", "environment": "prod", "os_arch": "linux/amd64", "deployment_mode": "docker"}
    made = reporting(ledger, {"users": 42, "db": {"mb": 1.5}, "plan": "pro", "backups": True}, **said)

    assert lines(admin_client) == [
        [*OWN, "backups", "db.mb", "plan", "users"],
        [str(made.pk), "active", "", "1.2", "prod", "linux/amd64", "docker", "2026-11-22T09:29:00.000000Z"]
        + ["true", "1.5", "pro", "42"],
    ]


def test_an_application_of_nobody_has_a_head_only(admin_client, ledger):
    assert lines(admin_client) == [OWN]


def test_what_is_missing_is_empty(admin_client, ledger):
    reporting(ledger, {"users": 0, "files": None}, id=UUID(int=1))
    reporting(ledger, {"files": False}, id=UUID(int=2))
    instance(ledger, {}, id=UUID(int=3))

    assert [row[7:] for row in lines(admin_client, sort="id")[1:]] == [
        ["2026-11-22T09:29:00.000000Z", "", "0"],
        ["2026-11-22T09:29:00.000000Z", "false", ""],
        ["", "", ""],
    ]


def test_numbers_are_whole(admin_client, ledger):
    for value in (2**70 + 1, -5, -0.25, 0.1):
        reporting(ledger, {"value": value})

    assert sorted(column(admin_client, "value")) == sorted(["1180591620717411303425", "-5", "-0.25", "0.1"])


def test_it_is_a_csv_file_named_for_the_application(admin_client, ledger):
    response = admin_client.get(ADDRESS)

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="ledger-instances.csv"'
    assert response.streaming


def test_it_is_streamed_line_by_line_and_not_by_the_page(admin_client, ledger, django_assert_num_queries):
    Instance.objects.bulk_create(
        Instance(application=ledger, state="active", first_report_at=NOW, last_report_at=NOW, metrics={"users": users})
        for users in range(1201)
    )
    response = admin_client.get(ADDRESS, {"sort": "m.users", "page": "2"})

    with django_assert_num_queries(1):
        parts = list(response.streaming_content)

    assert len(parts) == 1202
    assert [part.decode().rsplit(",", 1)[1] for part in parts[1:]] == [f"{users}\r\n" for users in range(1201)]


def test_unicode_quotes_and_line_ends_read_back(admin_client, ledger):
    texts = {"größe,😀": 'say "hi", twice', "日本": "two\nlines", "e\u0301": "a;b\tc"}
    reporting(ledger, texts, app_version="1.0, “beta”")

    head, row = lines(admin_client)
    assert dict(zip(head[8:], row[8:], strict=True)) == texts
    assert row[3] == "1.0, “beta”"


# Columns


def test_it_has_the_chosen_columns_and_no_other(admin_client, ledger):
    made = reporting(ledger, {"users": 5, "plan": "pro"}, DAY * 2, app_version="1.2", environment="prod")
    query = {"c": ["established", "state", "m.plan", "first_report_at"]}

    assert lines(admin_client, **query) == [
        ["instance", "state", "excluded", "First report", "Established", "plan"],
        [str(made.pk), "active", "", "2026-11-20T09:30:00.000000Z", "false", "pro"],
    ]
    assert lines(admin_client, c="id")[0] == OWN[:3]


def test_without_a_choice_it_has_the_metrics_that_the_table_shows_and_all_on_demand(admin_client, ledger):
    keys = [f"metric_{number:02}" for number in range(20)]
    reporting(ledger, dict.fromkeys(keys, 1))

    assert lines(admin_client)[0] == [*OWN, *keys[:METRIC_COLUMNS]]
    assert lines(admin_client, c="all")[0][-20:] == keys


# JSON


def test_the_json_file_holds_the_same_with_its_types(admin_client, ledger):
    made = reporting(ledger, {"users": 2**70 + 1, "ratio": 0.1, "plan": "pro", "sso": True}, app_version="=1")
    reporting(ledger, {"plan": "free"})

    response = admin_client.get("/applications/ledger/instances.json", {"f.plan": "pro", "c": [*"xy", "app_version"]})

    assert response.headers["Content-Disposition"] == 'attachment; filename="ledger-instances.json"'
    assert json.loads(b"".join(response.streaming_content)) == {
        "title": "Instances of Ledger",
        "columns": ["instance", "state", "excluded", "Version"],
        "rows": [[str(made.pk), "active", "", "=1"]],
    }
    response = admin_client.get("/applications/ledger/instances.json", {"f.plan": "pro"})
    document = json.loads(b"".join(response.streaming_content))
    row = dict(zip(document["columns"], document["rows"][0], strict=True))
    assert row["users"] == 2**70 + 1
    assert (row["ratio"], row["plan"], row["sso"], row["Environment"]) == (0.1, "pro", True, "")


# Filters and sort


def test_it_lists_what_the_filters_let_through(admin_client, ledger):
    for users, plan in ((5, "pro"), (50, "pro"), (500, "free"), (7, True)):
        reporting(ledger, {"users": users, "plan": plan})

    assert column(admin_client, "users", **{"f.plan": ["pro", "true"], "sort": "m.users"}) == ["5", "7", "50"]
    assert column(admin_client, "users", **{"f.plan": "pro", "min.users": "10"}) == ["50"]
    assert column(admin_client, "users", **{"f.plan": ""}) == []


def test_a_hidden_key_is_neither_a_column_nor_a_filter(admin_client, ledger):
    reporting(ledger, {"users": 5, "secret": "a"})
    MetricSetting.objects.create(application=ledger, key="secret", hidden=True)

    assert lines(admin_client, c=["m.secret", "m.users"])[0] == [*OWN[:3], "users"]
    assert len(lines(admin_client, **{"f.secret": "b"})) == 2


def test_it_lists_what_the_table_lists_in_its_order(admin_client, ledger):
    for users, version in ((5, "1.0"), (50, "2.0"), (500, "1.0"), (7, "2.0")):
        reporting(ledger, {"users": users}, app_version=version)
    reporting(ledger, {"users": 9}, DAY * 60, app_version="1.0")
    reporting(ledger, {"users": 8}, app_version="1.0").exclude(Instance.Exclusion.TEST)

    assert column(admin_client, "users", sort="-m.users") == ["500", "50", "9", "8", "7", "5"]
    assert column(admin_client, "users", sort="m.users", q="1.0") == ["5", "8", "9", "500"]
    assert column(admin_client, "users", sort="m.users", q="1.0", state="active") == ["5", "500"]
    assert column(admin_client, "users", state="silent") == ["9"]
    assert column(admin_client, "excluded", state="excluded") == ["test"]
    assert column(admin_client, "users", state="revoked") == []


def test_a_query_that_means_nothing_is_ignored(admin_client, ledger):
    reporting(ledger, {"users": 5})

    assert column(admin_client, "users", sort="m.nonsense", state="x", q="", page="garbage") == ["5"]


def test_pending_and_revoked_ones_are_listed_as_such(admin_client, ledger):
    Instance.objects.create(application=ledger, id=UUID(int=1))
    reporting(ledger, {}, id=UUID(int=2)).revoke()

    assert column(admin_client, "state", sort="id") == ["pending", "revoked"]


# Formulas


@pytest.mark.parametrize(
    "text",
    ["=1+1", '=HYPERLINK("http://x")', "+1", "-1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"],
)
def test_text_that_looks_like_a_formula_is_neutralised_wherever_it_stands(admin_client, ledger, text):
    reporting(ledger, {"plan": text, text: "x"}, app_version=text, environment=text, os_arch=text, deployment_mode=text)

    head, row = lines(admin_client)

    assert sorted(head[8:]) == sorted(["plan", f"'{text}"])
    assert row[3:7] == [f"'{text}"] * 4
    assert row[head.index("plan")] == f"'{text}"


@pytest.mark.parametrize("text", ["pro", "1.0", "a=b", "x-1", "'=1", "", " x", "e@mail"])
def test_other_text_stays(text):
    assert cell(text) == text


@pytest.mark.parametrize("value", [-5, -0.5, 0, 10**30, None])
def test_numbers_stay_numbers(value):
    assert cell(value) is value


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false")])
def test_booleans_are_written_as_json_writes_them(value, text):
    assert cell(value) == text


# Who may have it


def test_a_stranger_is_sent_to_sign_in(client, ledger):
    response = client.get(ADDRESS)

    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]


def test_a_team_has_its_own_applications_only(client, ledger):
    member = User.objects.create_user("member", is_staff=True)
    member.groups.add(Group.objects.create(name="Ours"))
    client.force_login(member)

    assert client.get(ADDRESS).status_code == 404

    ledger.team = member.groups.get()
    ledger.save()

    assert lines(client) == [OWN]


def test_an_unknown_application_is_not_found(admin_client):
    assert admin_client.get(ADDRESS).status_code == 404
