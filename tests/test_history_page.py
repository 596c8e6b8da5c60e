"""The history as maintainers see it: on an instance's page, on its application's, and as CSV."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest

from dashboard import history
from instances.models import Application, Event, Instance
from tests import fleet
from tests.clock import NOW
from tests.queries import queries

MINUTE = timedelta(minutes=1)
PAGE, FILE = "/applications/ledger/history/", "/applications/ledger/history.csv"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "no_limits")]


@pytest.fixture
def get(visit):
    return lambda path=PAGE, **query: visit(path, query).content.decode()


@pytest.fixture
def lines_of(visit):
    def lines_of(**query):
        text = b"".join(visit(FILE, query).streaming_content).decode()
        return list(csv.reader(io.StringIO(text, newline="")))

    return lines_of


def event(instance, kind, minutes=0, detail=""):
    return Event.objects.create(
        application=instance.application, instance=instance, kind=kind, at=NOW - minutes * MINUTE, detail=detail
    )


def rows(text):
    """The table's rows as the texts of their cells."""
    body = re.search(r"<tbody>(.*?)</tbody>", text[text.index('aria-label="Table of the history"') :], re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [
        [unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in found
    ]


def test_all_lines_of_its_instances_newest_first(get, ledger):
    one, other = fleet.instance(ledger, {}), fleet.instance(ledger, {})
    event(one, "registered", 3, "Version: 1.0")
    event(other, "excluded", 1, "manual")
    event(one, "conflict", 2, "somebody registered its id")
    Event.note_erasure(ledger.pk, "by itself")

    assert rows(get()) == [
        ["2026-11-22 09:30 UTC", "–", "Erased", "by itself"],
        ["2026-11-22 09:29 UTC", other.short_id, "Excluded", "By hand"],
        ["2026-11-22 09:28 UTC", one.short_id, "Conflict", "somebody registered its id"],
        ["2026-11-22 09:27 UTC", one.short_id, "Registered", "Version: 1.0"],
    ]


def test_lines_of_one_moment_stand_in_the_order_in_which_they_happened(get, ledger):
    one = fleet.instance(ledger, {})
    for kind in ("registered", "activated", "revoked"):
        event(one, kind)

    assert [row[2] for row in rows(get())] == ["Revoked", "Activated", "Registered"]


def test_it_is_filtered_by_kind_and_by_instance(get, ledger):
    one, other = fleet.instance(ledger, {}), fleet.instance(ledger, {})
    for instance in (one, other):
        event(instance, "registered", 2)
        event(instance, "conflict", 1)

    assert {row[2] for row in rows(get(kind="conflict"))} == {"Conflict"}
    event(one, "changed")
    assert [row[1] for row in rows(get(instance=one.pk))] == ["Changed", "Conflict", "Registered"]
    assert [row[1] for row in rows(get(instance=other.pk))] == ["Conflict", "Registered"]
    assert [row[1] for row in rows(get(instance=one.pk, kind="registered"))] == ["Registered"]
    assert "No such line" in get(kind="revoked")


@pytest.mark.parametrize("query", [{"kind": "x"}, {"instance": "x"}, {"page": "x"}, {"page": "99"}, {"kind": "\0"}])
def test_what_means_nothing_is_ignored(get, ledger, query):
    event(fleet.instance(ledger, {}), "registered")

    assert len(rows(get(**query))) == 1


def test_it_is_paged_and_the_pages_keep_the_filter(get, ledger, monkeypatch):
    monkeypatch.setattr(history, "PAGE_SIZE", 2)
    one = fleet.instance(ledger, {})
    for minutes in range(5):
        event(one, "conflict", minutes, str(minutes))
        event(one, "changed", minutes)

    second = get(kind="conflict", page=2)
    assert [row[3] for row in rows(second)] == ["2", "3"]
    assert 'href="?kind=conflict&amp;page=3"' in second
    assert 'href="?kind=conflict&amp;page=1"' in second
    assert "3 – 4 of 5" in second


def test_an_empty_one_says_so(get, ledger):
    assert "Nothing has happened yet" in get()


def test_the_applications_page_leads_to_it(get, ledger):
    assert f'href="{PAGE}"' in get("/applications/ledger/")


def test_an_instances_page_shows_its_newest_lines_and_leads_to_the_rest(get, ledger):
    one, other = fleet.instance(ledger, {}), fleet.instance(ledger, {})
    for minutes in range(history.NEWEST + 1):
        event(one, "changed", minutes, f"line {minutes}")
    event(other, "conflict")

    text = get(f"/instances/{one.pk}/")
    assert [row[2] for row in rows(text)] == [f"line {minutes}" for minutes in range(history.NEWEST)]
    assert f'href="{PAGE}?instance={one.pk}"' in text
    few = get(f"/instances/{other.pk}/")
    assert [row[1] for row in rows(few)] == ["Conflict"]
    assert f"{PAGE}?instance" not in few


def test_hostile_details_are_shown_as_they_are(get, ledger, hostile):
    one = fleet.instance(ledger, {})
    for detail in hostile:
        event(one, "changed", detail=detail)

    for path in (PAGE, f"/instances/{one.pk}/"):
        text = get(path)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    # HTML makes one space of several, and of line breaks.
    assert {" ".join(row[3].split()) for row in rows(get())} == {" ".join(detail.split()) for detail in hostile}


def test_the_number_of_queries_does_not_depend_on_that_of_lines(client, viewer, ledger):
    client.force_login(viewer)
    counts = []
    for _ in range(2):
        for _ in range(20):
            event(fleet.instance(ledger, {}), "registered")
        counts.append(queries(lambda: client.get(PAGE)))

    assert counts[0] == counts[1]


def test_the_file_holds_all_of_it(lines_of, ledger):
    one = fleet.instance(ledger, {})
    event(one, "registered", 1)
    event(one, "changed", 0, "=1+1")
    Event.note_erasure(ledger.pk, "by itself")

    assert lines_of() == [
        ["time", "instance", "kind", "detail"],
        ["2026-11-22T09:30:00.000000Z", "", "erased", "by itself"],
        ["2026-11-22T09:30:00.000000Z", str(one.pk), "changed", "'=1+1"],
        ["2026-11-22T09:29:00.000000Z", str(one.pk), "registered", ""],
    ]
    assert len(lines_of(kind="changed")) == 2


def test_the_file_is_streamed_and_named_for_the_application(client, viewer, ledger, django_assert_num_queries):
    client.force_login(viewer)
    one = fleet.instance(ledger, {})
    Event.objects.bulk_create(Event(application=ledger, instance=one, kind="changed") for _ in range(1200))
    response = client.get(FILE)

    assert response["Content-Disposition"] == 'attachment; filename="ledger-history.csv"'
    with django_assert_num_queries(1):
        assert len(list(response.streaming_content)) == 1201


def test_nothing_of_another_teams_is_in_it(client, viewer, ledger, other_team):
    menagerie = Application.objects.create(name="Menagerie", slug="menagerie", team=other_team)
    secret = fleet.instance(menagerie, {})
    event(secret, "changed", detail="feed-me-fish")
    client.force_login(viewer)

    assert client.get("/applications/menagerie/history/").status_code == 404
    assert client.get("/applications/menagerie/history.csv").status_code == 404
    for query in ({}, {"instance": secret.pk}, {"kind": "changed"}):
        for path in (PAGE, FILE):
            response = client.get(path, query)
            text = (b"".join(response.streaming_content) if response.streaming else response.content).decode()
            assert "feed-me-fish" not in text
            assert secret.short_id not in text.replace(f"instance={secret.pk}", "").replace(str(secret.pk), "")


def test_an_instance_that_moves_takes_its_history_to_the_other_team(client, viewer, ledger, other_team, installation):
    menagerie = Application.objects.create(name="Menagerie", slug="menagerie", team=other_team)
    assert Instance.objects.get(pk=installation.id).application == ledger
    installation.register(app_name="Menagerie")
    installation.activate()
    client.force_login(viewer)

    assert client.get(PAGE).content.decode().count(installation.id[:8]) == 0
    assert {found.application for found in Event.objects.filter(instance=installation.id)} == {menagerie}


def test_of_one_instance_it_does_not_repeat_which_it_is(get, ledger):
    instance = fleet.instance(ledger, {})
    event(instance, Event.Kind.ACTIVATED)

    assert '<th scope="col">Instance</th>' in get()
    assert '<th scope="col">Instance</th>' not in get(instance=str(instance.pk))
