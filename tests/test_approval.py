"""Approval: an instance that waits for a maintainer loses nothing and counts nowhere, now or in any past hour."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from dashboard.concerns import concerns
from instances.models import Application, Event, Instance
from metrics import history, taking
from metrics.exclusion import apply_rules
from metrics.facts import facts
from metrics.models import ClosedCensus, Snapshot
from tests import fleet
from tests.brute_force import census_by_hand, plain
from tests.clock import NOW
from tests.installation import Installation, row

HOUR = timedelta(hours=1)
INSTANCES = "/admin/instances/instance/"
WAITS = {
    "status": "pending",
    "message": "This instance is not counted until a maintainer approves it. Its snapshots are kept meanwhile.",
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def ledger(team) -> Application:
    return Application.objects.create(name="Ledger", slug="ledger", team=team, registration="approval")


@pytest.fixture
def waiting(ledger) -> Installation:
    """Registered, activated and reporting, so that only the approval is missing."""
    installation = Installation("Ledger", "6.6.6", environment="cellar")
    assert installation.register().status_code == 201
    assert installation.activate().status_code == 200
    assert installation.snapshot({"documents": 666, "plan": "stranger"}).status_code == 202
    return installation


def counted(application):
    return taking.present(application, timezone.now())


# What it is told, and what is kept


def test_its_requests_are_answered_as_ever_but_it_stays_pending(ledger):
    newcomer = Installation("Ledger")

    assert newcomer.register().json() == {"status": "ok", "message": "Registered"}
    for _ in range(2):
        response = newcomer.activate()
        assert (response.status_code, response.json()) == (200, WAITS)
    for documents in (1, 2):
        assert newcomer.snapshot({"documents": documents}).status_code == 202
    assert newcomer.register().status_code == 201
    assert newcomer.activate().json() == WAITS

    instance = row(newcomer)
    assert (instance.state, instance.awaits_approval) == ("pending", True)
    assert instance.activated_at is not None
    assert instance.metrics == {"documents": 2}
    assert Snapshot.objects.filter(instance=instance).count() == 2


def test_a_second_activation_of_one_that_waits_writes_nothing(waiting, django_assert_max_num_queries):
    before = Instance.objects.values().get()

    with django_assert_max_num_queries(1):
        waiting.activate()

    assert Instance.objects.values().get() == before


def test_approved_it_counts_with_all_it_has_sent(waiting, ledger):
    row(waiting).approve()

    assert row(waiting).state == "active"
    census = counted(ledger)
    assert (census.active, census.pending, census.figures["documents"]["sum"]) == (1, 0, 666)
    assert waiting.activate().json()["status"] == "active"
    assert [event.kind for event in Event.objects.decisions(ledger)] == ["approved"]


def test_approved_before_it_has_signed_anything_it_counts_once_it_does(ledger):
    newcomer = Installation("Ledger")
    newcomer.register()

    row(newcomer).approve()

    assert (row(newcomer).state, row(newcomer).awaits_approval) == ("pending", False)
    assert newcomer.activate().json()["status"] == "active"


def test_a_first_signature_at_the_moment_of_the_approval_is_seen(ledger):
    newcomer = Installation("Ledger")
    newcomer.register()
    read_before = row(newcomer)
    newcomer.activate()

    read_before.approve()

    assert (row(newcomer).state, read_before.state) == ("active", "active")


def test_approving_twice_or_one_that_does_not_wait_changes_nothing(waiting):
    row(waiting).approve()
    before = Instance.objects.values().get()

    row(waiting).approve()

    assert Instance.objects.values().get() == before
    assert Event.objects.filter(kind=Event.Kind.APPROVED).count() == 1


def test_turned_away_and_restored_it_waits_again(waiting):
    row(waiting).revoke()
    assert waiting.snapshot({}).json()["code"] == "revoked"
    row(waiting).approve()
    assert row(waiting).state == "revoked"

    row(waiting).restore()

    assert row(waiting).is_waiting


def test_those_that_wait_go_on_waiting_when_the_registration_is_opened(waiting, ledger):
    Application.objects.update(registration="open")

    waiting.register()

    assert waiting.activate().json() == WAITS


def test_whoever_approves_an_instance_knows_its_application(waiting, ledger):
    Application.objects.update(is_confirmed=False)

    row(waiting).approve()

    ledger.refresh_from_db()
    assert ledger.is_confirmed


# It counts nowhere


def test_it_is_in_no_number_of_the_present(waiting, ledger):
    census = counted(ledger)

    assert (census.registered, census.pending) == (1, 1)
    numbers = (census.active, census.active_raw, census.new, census.reporting, census.silent, census.established)
    assert numbers == (0,) * 6
    assert census.figures == census.dimensions == census.cohorts == {}


@pytest.mark.parametrize("moment", [HOUR, HOUR * 30])
def test_it_is_in_no_closed_census_however_that_is_taken(ledger, moment):
    start = NOW - HOUR * 40
    one = fleet.instance(
        ledger,
        {start + HOUR * hours: {"documents": 666} for hours in (0, 20, 39)},
        state="pending",
        awaits_approval=True,
        registered_at=start,
    )
    assert one.state == "pending"
    at = start + moment

    [(_, replayed)] = history.replay(ledger, [at])
    for states in (history.at(ledger, at), replayed):
        census = taking.census_of(ledger, states, at)
        assert (census.registered, census.pending, census.active, census.figures) == (1, 1, 0, {})
        assert plain(census.document()) == plain(census_by_hand(ledger, at))


def test_a_past_hour_tells_what_had_been_approved_by_then(ledger):
    start = NOW - HOUR * 10
    one = fleet.instance(
        ledger,
        {start + HOUR * hours: {"documents": hours} for hours in range(10)},
        state="pending",
        awaits_approval=True,
        registered_at=start,
    )
    with time_machine.travel(start + HOUR * 5, tick=False):
        one.approve()
    with time_machine.travel(start + HOUR * 7, tick=False):
        one.exclude("manual")

    times = [start + HOUR * hours + HOUR / 2 for hours in range(10)]
    taken = dict(history.replay(ledger, times))
    for at in times:
        wanted = plain(census_by_hand(ledger, at))
        assert plain(taking.census_of(ledger, taken[at], at).document()) == wanted
        assert plain(taking.census_of(ledger, history.at(ledger, at), at).document()) == wanted
    active = [taking.census_of(ledger, taken[at], at).active for at in times]
    assert active == [0] * 5 + [1] * 2 + [0] * 3


def test_one_that_moved_here_and_waits_had_not_waited_before(ledger):
    """By its events: made to wait at one time, approved at another."""
    start = NOW - HOUR * 10
    one = fleet.instance(ledger, {start + HOUR * hours: {"n": 1} for hours in range(10)})
    Event.objects.create(application=one.application, instance=one, at=start + HOUR * 3, kind=Event.Kind.WAITING)
    Event.objects.create(application=one.application, instance=one, at=start + HOUR * 6, kind=Event.Kind.APPROVED)

    times = [start + HOUR * hours + HOUR / 2 for hours in range(10)]

    active = [taking.census_of(ledger, states, at).active for at, states in history.replay(ledger, times)]
    assert active == [1] * 3 + [0] * 3 + [1] * 4
    assert [len(history.at(ledger, at).states) for at in times] == active


def test_one_that_was_revoked_while_it_waited_is_revoked(ledger):
    start = NOW - HOUR * 10
    one = fleet.instance(ledger, {start: {"n": 1}}, state="pending", awaits_approval=True, registered_at=start - HOUR)
    with time_machine.travel(start + HOUR * 2, tick=False):
        one.revoke()

    for at, revoked in ((start + HOUR, 0), (start + HOUR * 3, 1)):
        [(_, replayed)] = history.replay(ledger, [at])
        for states in (history.at(ledger, at), replayed):
            census = taking.census_of(ledger, states, at)
            assert (census.revoked, census.pending) == (revoked, 1 - revoked)


def test_closing_rebuilding_and_badges_leave_it_out(waiting, ledger, client):
    later = timezone.now() + HOUR
    taking.close(ledger, later)
    taken = [census["document"]["instances"] for census in ClosedCensus.objects.values("document")]
    assert taken
    assert {(census["active"], census["pending"]) for census in taken} == {(0, 1)}

    taking.rebuild(ledger, taking.rebuild_times(ledger, None, None, later), lambda done: None)
    assert [census["document"]["instances"] for census in ClosedCensus.objects.values("document")] == taken

    for path in ("instances", "version", "metric/documents", "combined?metric=documents"):
        badge = client.get(f"/badge/ledger/{path}").content.decode()
        assert "6.6.6" not in badge
        assert "666" not in badge


def test_no_rule_touches_it(waiting, ledger):
    Application.objects.update(test_environments="cellar")

    apply_rules(timezone.now() + timedelta(days=30))

    assert row(waiting).exclusion == ""


def test_its_reports_do_not_hide_that_the_others_have_stopped(ledger):
    now = timezone.now()
    fleet.instance(ledger, {now - timedelta(days=days): {"documents": 1} for days in (4, 2)})
    stranger = fleet.instance(ledger, {}, state="pending", awaits_approval=True)
    fleet.store(stranger, now, {"documents": 666}, now)

    known = facts([ledger], now)[ledger.pk]

    assert known.headcount.last_seen_at == now - timedelta(days=2)
    assert [concern.rule for concern in concerns(known)] == ["stopped", "waiting"]
    assert known.headcount.waiting == 1


# What a maintainer sees and does


def test_pages_say_how_many_wait_and_lead_to_them(client, maintainer, waiting, ledger):
    client.force_login(maintainer)
    approve = f"{INSTANCES}?application__id__exact={ledger.pk}&amp;awaits_approval__exact=1"

    paths = ("/", "/applications/ledger/", f"/admin/instances/application/{ledger.pk}/change/")
    for path in paths:
        page = client.get(path).content.decode()
        assert "1 instance waits for approval" in page, path
        assert approve in page, path
        assert "/applications/ledger/?state=waiting#instances" in page, path

    row(waiting).approve()
    for path in paths:
        assert "for approval, and count" not in client.get(path).content.decode()


def test_a_viewer_is_told_but_not_asked_to_approve(client, viewer, waiting):
    client.force_login(viewer)

    page = client.get("/applications/ledger/").content.decode()

    assert "1 instance waits for approval" in page
    assert INSTANCES not in page


def test_the_table_lists_those_that_wait_and_its_columns_know_nothing_of_them(client, viewer, waiting, ledger):
    other = fleet.instance(ledger, {timezone.now(): {"pages": 1}})
    client.force_login(viewer)

    page = client.get("/applications/ledger/?state=waiting").content.decode()

    assert waiting.id[:8] in page
    assert other.short_id not in page
    assert "shm-tag-waiting" in page
    # Its numbers may be parts of some random id.
    assert "documents" not in page
    assert "stranger" not in page
    active = client.get("/applications/ledger/?state=active").content.decode()
    assert waiting.id[:8] not in active
    assert other.short_id in active


def test_its_page_says_so_and_its_button_approves_it(client, maintainer, waiting):
    client.force_login(maintainer)
    page = client.get(f"/instances/{waiting.id}/").content.decode()
    assert "Waiting for approval" in page
    assert f"/instances/{waiting.id}/approve" in page

    response = client.post(f"/instances/{waiting.id}/approve", follow=True)

    assert "Approved" in response.content.decode()
    assert row(waiting).state == "active"
    assert "/approve" not in client.get(f"/instances/{waiting.id}/").content.decode()


def test_many_are_approved_at_once_each_with_a_line_in_the_audit_log(client, maintainer, waiting, ledger):
    client.force_login(maintainer)
    others = [fleet.instance(ledger, {}, state="pending", awaits_approval=True) for _ in range(2)]
    bystander = fleet.instance(ledger, {}, state="pending")
    selected = [waiting.id, *(str(other.pk) for other in others), str(bystander.pk)]

    response = client.post(INSTANCES, {"action": "approve_selected", "_selected_action": selected}, follow=True)

    assert "Approved: 3 instances." in response.content.decode()
    assert not Instance.objects.waiting().exists()
    approved = LogEntry.objects.filter(user=maintainer, change_message="Approved")
    assert sorted(entry.object_id for entry in approved) == sorted(selected[:3])
    assert row(waiting).state == "active"


def test_the_admins_list_filters_those_that_wait(client, maintainer, waiting, ledger):
    client.force_login(maintainer)
    other = fleet.instance(ledger, {})

    page = client.get(f"{INSTANCES}?awaits_approval__exact=1").content.decode()

    assert waiting.id[:8] in page
    assert "Waiting for approval" in page
    assert other.short_id not in page


@pytest.mark.parametrize("way", ["page", "list"])
def test_nobody_approves_another_teams(client, other_maintainer, waiting, way):
    client.force_login(other_maintainer)

    if way == "page":
        assert client.post(f"/instances/{waiting.id}/approve").status_code == 404
    else:
        data = {"action": "approve_selected", "_selected_action": [waiting.id], "select_across": "1"}
        client.post(INSTANCES, data)

    assert row(waiting).is_waiting
    assert not LogEntry.objects.exists()


def test_where_an_application_did_not_take_it_in_its_page_says_so(client, maintainer, installation, team):
    Application.objects.update(team=team)
    Application.objects.create(name="<b>Abacus", slug="b-abacus", registration="closed")
    installation.register(app_name="<b>Abacus")
    installation.activate()
    client.force_login(maintainer)

    for path in (f"/instances/{installation.id}/", f"{INSTANCES}{installation.id}/change/"):
        assert "&lt;b&gt;Abacus" in client.get(path).content.decode()
    assert "which has not taken it in" in client.get(f"/instances/{installation.id}/").content.decode()
