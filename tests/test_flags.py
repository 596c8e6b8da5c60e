import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from instances.models import Application, Instance
from metrics import flags, ingestion
from metrics.ingestion import Sent
from metrics.models import KeyFlag, Snapshot
from metrics.screening import Finding
from tests import fleet
from tests.installation import Installation
from tests.queries import queries
from tests.test_concurrency import at_once

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EMAIL = "[removed: e-mail address]"

pytestmark = pytest.mark.usefixtures("no_limits")


def rows() -> list[tuple[str, str]]:
    return list(KeyFlag.objects.values_list("key", "kind"))


# What is stored


def test_what_looks_personal_is_stored_nowhere(installation):
    answer = installation.snapshot({"documents": 5, "owner": "alice@example.com", "bob@example.com": {"x": 1}})

    assert answer.status_code == 202
    assert Snapshot.objects.get().metrics == {"documents": 5, "owner": EMAIL, EMAIL: {"x": 1}}
    assert Instance.objects.get().metrics == {"documents": 5, "owner": EMAIL, f"{EMAIL}.x": 1}
    assert rows() == [(EMAIL, "email"), ("owner", "email")]


def test_harmless_snapshots_cost_no_query_more(ledger):
    instance = fleet.instance(ledger, {})

    with CaptureQueriesContext(connection) as captured:
        fleet.store(instance, NOW, {"documents": 5, "os": "linux"}, NOW)

    assert not [query for query in captured if "keyflag" in query["sql"]]


def test_what_is_beyond_the_bounds_is_stored_but_not_counted(ledger):
    metrics = {f"k{number}": number for number in range(600)} | {"text": "v" * 300}
    instance = fleet.instance(ledger, {NOW: metrics})

    assert Snapshot.objects.get().metrics == metrics
    assert len(instance.metrics) == 500
    assert rows() == [("", "many_keys"), ("text", "long_text")]


def test_what_an_instance_says_of_itself_is_checked_too(db):
    described = {"environment": "db01.corp.example.com", "deployment_mode": "/home/alice/app", "os_arch": "linux/amd64"}
    installation = Installation(version="1.2.3.4", **described)

    assert installation.register().status_code == 201

    instance = Instance.objects.get()
    assert instance.app_version == "1.2.3.4"
    assert instance.os_arch == "linux/amd64"
    assert instance.environment == "[removed: host name]"
    assert instance.deployment_mode == "[removed: path of a user's folder]"
    assert rows() == [("deployment_mode", "home"), ("environment", "host")]

    assert installation.register(environment="bob@example.com").status_code == 201
    instance.refresh_from_db()
    assert instance.claims["environment"] == EMAIL


def test_what_an_instance_says_of_itself_can_be_allowed_too(client, maintainer, ledger):
    installation = Installation(environment="db01.corp.example.com")
    assert installation.register().status_code == 201
    client.force_login(maintainer)
    client.post(f"/applications/ledger/flags/{KeyFlag.objects.get().pk}/allow")

    assert installation.register().status_code == 201
    assert installation.activate().status_code == 200

    assert Instance.objects.get().environment == "db01.corp.example.com"


@pytest.mark.parametrize("name", ["alice@example.com", "/home/alice/app", "https://a:secret1@example.com"])
def test_an_applications_name_is_a_name(db, name):
    answer = Installation(application=name).register()

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_app_name"
    assert not Application.objects.exists()


@pytest.mark.parametrize("name", ["nginx.org", "db01.corp.example.com", "4.4.8.8", "0612345678", "Alice's notes"])
def test_a_name_may_look_like_a_hosts_or_a_number(db, name):
    assert Installation(application=name).register().status_code == 201


# Flags


def test_a_flag_is_written_once_an_hour(ledger):
    findings = [Finding("owner", "email")]

    flags.note(ledger.pk, findings, NOW)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(5):
            flags.note(ledger.pk, findings, NOW + HOUR - timedelta(seconds=1))
    assert {query["sql"].split()[0] for query in captured} == {"SELECT"}
    assert len(captured) == 5

    flags.note(ledger.pk, findings, NOW + HOUR)
    flag = KeyFlag.objects.get()
    assert (flag.first_at, flag.last_at) == (NOW, NOW + HOUR)


def test_a_fleet_costs_one_flag(ledger):
    for number in range(10):
        fleet.instance(ledger, {NOW: {"owner": f"user{number}@example.com"}})

    assert rows() == [("owner", "email")]


def test_flags_are_bounded(ledger):
    flags.note(ledger.pk, [Finding(f"k{number}", "ip") for number in range(1000)], NOW)
    assert KeyFlag.objects.count() == flags.MAX_FINDINGS

    for batch in range(30):
        flags.note(ledger.pk, [Finding(f"b{batch}k{number}", "ip") for number in range(20)], NOW)
    assert KeyFlag.objects.count() == flags.MAX_FLAGS
    assert KeyFlag.objects.filter(key="k0").exists()


def test_old_flags_make_room_for_new_ones_but_decisions_stay(ledger):
    for batch in range(10):
        flags.note(ledger.pk, [Finding(f"b{batch}k{number}", "ip") for number in range(20)], NOW)
    flags.allow(KeyFlag.objects.get(key="b3k3"), NOW)

    flags.note(ledger.pk, [Finding("new", "ip")], NOW + timedelta(days=31))

    assert {key for key, _ in rows()} == {"b3k3", "new"}


def test_nothing_is_noted_of_an_application_that_has_gone(ledger):
    pk = ledger.pk
    ledger.erase()

    flags.note(pk, [Finding("owner", "email")], NOW)

    assert rows() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_two_at_once_make_one_flag_and_do_not_pass_the_bound(team):
    ledger = Application.objects.create(name="Ledger", slug="ledger", team=team)
    for batch in range(9):
        flags.note(ledger.pk, [Finding(f"b{batch}k{number}", "ip") for number in range(20)], NOW)
    start = threading.Barrier(6)
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            start.wait()
            flags.note(
                ledger.pk, [Finding("owner", "email"), *(Finding(f"t{number}k{i}", "ip") for i in range(15))], NOW
            )
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert KeyFlag.objects.filter(key="owner").count() == 1
    assert KeyFlag.objects.count() == flags.MAX_FLAGS


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_nobody_waits_for_whoever_writes_the_same_flag(team):
    ledger = Application.objects.create(name="Ledger", slug="ledger", team=team)
    findings = [Finding("owner", "email"), Finding("peer", "ip")]
    flags.note(ledger.pk, findings, NOW)
    is_held, is_noted = threading.Event(), threading.Event()

    def hold() -> bool:
        with transaction.atomic():
            KeyFlag.objects.filter(key="owner").update(last_at=NOW)
            is_held.set()
            return is_noted.wait(20)

    def note() -> None:
        assert is_held.wait(20)
        flags.note(ledger.pk, findings, NOW + HOUR)
        is_noted.set()

    assert at_once(hold, note)[0]
    assert KeyFlag.objects.get(key="peer").last_at == NOW + HOUR


def test_several_snapshots_in_one_request_are_flagged_at_once(ledger):
    """In one transaction, which would otherwise hold one flag while it waits for another."""
    instance = fleet.instance(ledger, {})

    def queries(first: int, count: int) -> int:
        sent = [Sent(NOW + HOUR * (first + number), {f"k{number}": "a@example.com"}) for number in range(count)]
        with CaptureQueriesContext(connection) as captured:
            ingestion.store(instance, sent, NOW)
        return len([query for query in captured if "keyflag" in query["sql"]])

    assert queries(0, 1) == queries(1, 10)
    assert len(rows()) == 10


@pytest.mark.django_db
def test_who_comes_second_finds_it_there(ledger, monkeypatch):
    """Both have seen that there is none, before either has written."""
    finding = Finding("owner", "email")
    add = flags._add

    def late(application_id, new, now):
        add(application_id, new, now)
        add(application_id, new, now)

    monkeypatch.setattr(flags, "_add", late)
    flags.note(ledger.pk, [finding], NOW)

    assert rows() == [("owner", "email")]


# The maintainers' word


def page_of(client, user) -> str:
    client.force_login(user)
    return client.get("/applications/ledger/").content.decode()


def test_the_page_says_what_is_removed_and_what_to_do(client, viewer, ledger):
    now = datetime.now(UTC)
    fleet.instance(ledger, {now: {"documents": 5, "owner": "alice@example.com", "text": "v" * 300}})

    text = page_of(client, viewer)

    assert "Personal data is removed under 1 key" in text
    assert "send" in text
    assert ">owner<" in text
    assert "e-mail address" in text
    assert "text too long" in text
    assert "alice" not in text
    assert "Not personal" not in text


def test_the_page_is_silent_where_there_is_nothing(client, viewer, ledger):
    fleet.instance(ledger, {datetime.now(UTC): {"documents": 5}})

    text = page_of(client, viewer)

    assert "Personal data" not in text
    assert "is not counted" not in text


def test_a_flag_not_seen_for_long_is_shown_no_more(client, viewer, ledger):
    flags.note(ledger.pk, [Finding("owner", "email")], datetime.now(UTC) - timedelta(days=31))

    assert "Personal data" not in page_of(client, viewer)


def test_an_allowed_key_is_kept_from_then_on_and_checked_again_when_taken_back(client, maintainer, ledger):
    now = datetime.now(UTC)
    instance = fleet.instance(ledger, {now - HOUR: {"backend": "10.4.0.1", "owner": "a@example.com"}})
    flag = KeyFlag.objects.get(key="backend")
    assert "Keep what is sent under this key" in page_of(client, maintainer)

    answer = client.post(f"/applications/ledger/flags/{flag.pk}/allow")

    assert answer.status_code == 302
    fleet.store(instance, now, {"backend": "10.4.0.1", "owner": "a@example.com"}, now)
    instance.refresh_from_db()
    assert instance.metrics == {"backend": "10.4.0.1", "owner": EMAIL}
    assert "kept since" in page_of(client, maintainer)
    assert client.post(f"/applications/ledger/flags/{flag.pk}/disallow").status_code == 302
    fleet.store(instance, now + HOUR, {"backend": "10.4.0.1"}, now)
    instance.refresh_from_db()
    assert instance.metrics == {"backend": "[removed: IP address]"}
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == [
        "What is sent under backend is kept from now on.",
        "What is sent under backend is checked from now on.",
    ]


def test_deciding_needs_the_permission_the_team_and_a_post(client, viewer, other_maintainer, maintainer, ledger):
    flags.note(ledger.pk, [Finding("owner", "email"), Finding("", "many_keys")], NOW)
    personal, bound = KeyFlag.objects.get(key="owner"), KeyFlag.objects.get(key="")
    address = f"/applications/ledger/flags/{personal.pk}/allow"

    client.force_login(viewer)
    assert client.post(address).status_code == 403
    client.force_login(other_maintainer)
    assert client.post(address).status_code == 404
    client.force_login(maintainer)
    assert client.get(address).status_code == 405
    assert client.post(f"/applications/ledger/flags/{personal.pk}/hide").status_code == 400
    assert client.post(f"/applications/ledger/flags/{bound.pk}/allow").status_code == 400
    assert not KeyFlag.objects.allowed().exists()
    assert not LogEntry.objects.exists()


def test_the_admin_lists_them_and_nothing_can_be_changed_there(client, maintainer, ledger):
    flags.note(ledger.pk, [Finding("owner", "email"), Finding("", "many_keys")], NOW)
    client.force_login(maintainer)

    text = client.get("/admin/metrics/keyflag/").content.decode()

    assert "owner" in text
    assert "(a whole snapshot)" in text
    change = f"/admin/metrics/keyflag/{KeyFlag.objects.get(key='owner').pk}/change/"
    assert "e-mail address" in client.get(change).content.decode()
    assert client.post(change, {"key": "else"}).status_code == 403


def test_the_admins_list_costs_the_same_however_many_there_are(client, maintainer, ledger):
    client.force_login(maintainer)

    def look():
        client.get("/admin/metrics/keyflag/")

    flags.note(ledger.pk, [Finding("a", "ip")], NOW)
    look()
    one = queries(look)
    flags.note(ledger.pk, [Finding(f"k{number}", "ip") for number in range(20)], NOW)
    assert queries(look) == one


def test_a_long_key_does_not_push_the_admins_other_columns_away(client, maintainer, ledger):
    KeyFlag.objects.create(application=ledger, key="k" * 200, kind="email", first_at=NOW, last_at=NOW)
    client.force_login(maintainer)
    text = client.get("/admin/metrics/keyflag/").text
    assert "k" * 59 + "…" in text
    assert "k" * 61 not in text
