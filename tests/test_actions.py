"""What a maintainer does to one instance: revoke, restore, exclude, include, erase."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from dashboard.decisions import DECISIONS
from instances.models import Application, Event, Instance, PublicKey
from metrics import history, taking
from metrics.models import ClosedCensus, Snapshot
from tests import fleet
from tests.installation import refusal, row

ACTIONS = ["approve", "revoke", "restore", "exclude", "include", "erase"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def reporting(installation, team):
    """An installation of the team's that has reported once."""
    Application.objects.update(team=team)
    assert installation.snapshot({"documents": 5}).status_code == 202
    return installation


@pytest.fixture
def act(client, maintainer, reporting):
    client.force_login(maintainer)

    def act(name, **form):
        return client.post(f"/instances/{reporting.id}/{name}", {**confirmed(reporting, name), **form}, follow=True)

    return act


def confirmed(installation, name):
    """What has to be typed before it is done."""
    return {"confirmation": installation.id[:8]} if name == "erase" else {}


def counted():
    return taking.present(Application.objects.get(), timezone.now())


def test_revoked_it_counts_nowhere_and_nothing_it_signs_is_accepted(act, reporting):
    response = act("revoke")

    assert response.redirect_chain == [(f"/instances/{reporting.id}/", 302)]
    assert f"{reporting.id[:8]}: Revoked" in response.content.decode()
    assert row(reporting).state == Instance.State.REVOKED
    assert row(reporting).revoked_at is not None
    assert (counted().active, counted().active_raw, counted().revoked) == (0, 0, 1)
    assert refusal(reporting.snapshot({"documents": 6})) == (403, "revoked")
    assert refusal(reporting.activate()) == (403, "revoked")
    assert refusal(reporting.register()) == (403, "revoked")
    assert Snapshot.objects.count() == 1


def test_restored_it_counts_and_is_accepted_again(act, reporting):
    act("revoke")

    response = act("restore")

    assert "Restored" in response.content.decode()
    assert (row(reporting).state, row(reporting).revoked_at) == (Instance.State.ACTIVE, None)
    assert counted().active == 1
    assert reporting.snapshot({"documents": 6}).status_code == 202


def test_restored_one_that_had_only_registered_is_pending_again(act, reporting):
    Instance.objects.update(state=Instance.State.PENDING, activated_at=None)
    act("revoke")

    act("restore")

    assert row(reporting).state == Instance.State.PENDING


def test_excluded_it_is_accepted_but_not_counted(act, reporting):
    response = act("exclude")

    assert "Excluded" in response.content.decode()
    assert (row(reporting).exclusion, row(reporting).state) == ("manual", "active")
    assert reporting.snapshot({"documents": 6}).status_code == 202
    assert (counted().active, counted().active_raw) == (0, 1)
    assert counted().excluded == {"manual": 1}
    assert counted().figures == {}
    assert row(reporting).metrics == {"documents": 6}


def test_included_it_counts_again(act, reporting):
    act("exclude")

    act("include")

    assert (row(reporting).exclusion, row(reporting).excluded_at) == ("", None)
    assert counted().figures["documents"]["sum"] == 5


def test_erased_nothing_of_it_is_left_and_what_it_signs_is_not_known(act, reporting):
    response = act("erase")

    assert response.redirect_chain == [("/applications/ledger/", 302)]
    assert "Erased" in response.content.decode()
    assert not Instance.objects.exists()
    assert not PublicKey.objects.exists()
    assert not Snapshot.objects.exists()
    assert counted().active == 0
    assert refusal(reporting.snapshot({"documents": 6})) == (403, "invalid_signature")
    # Its software still runs: at its next start it registers anew.
    assert reporting.register().status_code == 201


def test_erasing_one_leaves_the_others(act, reporting):
    other = fleet.instance(Application.objects.get(), {timezone.now(): {"documents": 1}})

    act("erase")

    assert [instance.pk for instance in Instance.objects.all()] == [other.pk]
    assert Snapshot.objects.count() == 1


@pytest.mark.parametrize("name", ACTIONS)
def test_the_audit_log_says_who_did_what(act, reporting, maintainer, name):
    act(name)

    entry = LogEntry.objects.get()
    assert entry.user == maintainer
    assert (entry.object_id, entry.object_repr) == (reporting.id, reporting.id)
    assert entry.action_flag == (DELETION if name == "erase" else CHANGE)
    words = {
        "approve": "Approved",
        "erase": "Erased",
        "exclude": "Excluded",
        "include": "Included",
        "revoke": "Revoked",
    }
    assert words.get(name, "Restored") in entry.get_change_message()
    assert entry.content_type.model_class() is Instance


@pytest.mark.parametrize("name", ACTIONS)
def test_doing_it_twice_is_no_error(act, name):
    act(name)

    assert act(name).status_code == (404 if name == "erase" else 200)


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


# It is asked before it is done


@pytest.mark.parametrize("name", ACTIONS)
def test_what_happens_is_said_before(client, maintainer, reporting, name):
    client.force_login(maintainer)
    changes = {
        "approve": {"state": "pending", "awaits_approval": True},
        "restore": {"state": "revoked"},
        "include": {"exclusion": "manual"},
    }
    Instance.objects.update(**changes.get(name, {}))

    response = client.get(f"/instances/{reporting.id}/{name}")

    text = response.content.decode()
    for consequence in DECISIONS[name].consequences:
        assert escape(str(consequence)) in text
    assert reporting.id[:8] in text
    assert 'name="reason"' in text
    assert ('name="confirmation"' in text) == (name == "erase")
    assert ("1 snapshot is deleted" in text) == (name == "erase")


@pytest.mark.parametrize("name", ["approve", "restore", "include"])
def test_what_is_so_already_is_not_asked(client, maintainer, reporting, name):
    client.force_login(maintainer)

    text = client.get(f"/instances/{reporting.id}/{name}").content.decode()

    assert "That is so already" in text
    assert 'name="reason"' not in text


@pytest.mark.parametrize("typed", [None, "", "yes", "00000000", "short"])
def test_nothing_is_erased_without_the_beginning_of_its_id(client, maintainer, reporting, typed):
    client.force_login(maintainer)
    typed = reporting.id[:7] if typed == "short" else typed

    response = client.post(f"/instances/{reporting.id}/erase", {} if typed is None else {"confirmation": typed})

    assert response.status_code == 400
    assert f"Nothing was erased. Type {reporting.id[:8]} here" in response.content.decode()
    assert Instance.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("typed", [lambda pk: f" {pk[:8].upper()} ", lambda pk: pk])
def test_its_id_may_be_typed_large_or_whole(act, reporting, typed):
    assert act("erase", confirmation=typed(reporting.id)).redirect_chain
    assert not Instance.objects.exists()


# Why


@pytest.mark.parametrize(
    ("name", "before", "detail"),
    [
        ("revoke", {}, "Cloned disk image"),
        ("restore", {"state": "revoked"}, "Cloned disk image"),
        ("exclude", {}, "manual: Cloned disk image"),
        ("include", {"exclusion": "manual"}, "Cloned disk image"),
        ("approve", {"state": "pending", "awaits_approval": True}, "Cloned disk image"),
    ],
)
def test_the_reason_stands_in_its_history_and_in_the_audit_log(act, reporting, name, before, detail):
    Instance.objects.update(**before)

    response = act(name, reason=" Cloned   disk image ")

    event = Event.objects.filter(kind__in=Event.DECISIONS).get()
    assert event.detail == detail
    assert "Cloned disk image" in response.content.decode()
    assert LogEntry.objects.get().get_change_message().endswith(" Reason: Cloned disk image")


def test_the_reason_of_an_erasure_is_in_the_audit_log_alone(act):
    act("erase", reason="Its operator asked for it")

    assert [event.detail for event in Event.objects.all()] == ["by a maintainer"]
    assert "Its operator asked for it" in LogEntry.objects.get().get_change_message()


def test_an_exclusion_with_a_reason_is_counted_as_one_without(act, reporting):
    act("exclude", reason="test: it is not")
    application = Application.objects.get()

    excluded = row(reporting)
    assert excluded.exclusion == "manual"
    [(_, states)] = history.replay(application, [timezone.now()])
    assert [state.exclusion for state in states.states] == ["manual"]
    [event] = Event.objects.filter(kind=Event.Kind.EXCLUDED)
    assert event.words == "By hand: test: it is not"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("asked by alice@example.com", "e-mail address"),
        ("alice (at) example (dot) com", "e-mail address"),
        ("flood from 203.0.113.77", "IP address"),
        ("see /home/alice/notes", "path of a user&#x27;s folder"),
    ],
)
@pytest.mark.parametrize("name", ["revoke", "exclude", "erase"])
def test_a_reason_that_looks_personal_is_refused_and_nothing_is_done(client, maintainer, reporting, name, reason, kind):
    client.force_login(maintainer)
    before = Instance.objects.values().get()

    response = client.post(f"/instances/{reporting.id}/{name}", {**confirmed(reporting, name), "reason": reason})

    text = response.content.decode()
    assert response.status_code == 400
    assert kind in text
    assert "Leave that out" in text
    assert escape(reason) in text  # What was typed is still there to be changed.
    assert Instance.objects.values().get() == before
    assert not LogEntry.objects.exists()
    assert not Event.objects.filter(kind__in=Event.DECISIONS).exists()


@pytest.mark.parametrize("reason", ["x" * 201, "two\nlines", "\0"])
def test_a_reason_is_one_line_of_bounded_length(client, maintainer, reporting, reason):
    client.force_login(maintainer)

    assert client.post(f"/instances/{reporting.id}/revoke", {"reason": reason}).status_code == 400
    assert row(reporting).state == Instance.State.ACTIVE


def test_a_reason_of_full_length_and_any_script_is_kept(act, reporting, hostile):
    for reason in [*(text for text in hostile if text.isprintable() and text.strip()), "ü" * 200]:
        response = act("exclude", reason=reason)

        assert response.status_code == 200
        assert Event.objects.latest("pk").detail == f"manual: {' '.join(reason.split())}"
        assert "<script>alert" not in response.content.decode()


# What was decided is known of past times too


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["revoke", "restore"], [("revoked", ""), ("restored", "")]),
        (["exclude", "include"], [("excluded", "manual"), ("included", "")]),
    ],
)
def test_each_decision_is_filed_with_its_time(act, reporting, names, kinds):
    before = timezone.now()

    for name in names:
        act(name)

    events = Event.objects.filter(instance=reporting.id, kind__in=Event.DECISIONS)
    assert [(event.kind, event.detail) for event in events] == kinds
    assert all(before <= event.at <= timezone.now() for event in events)


def test_erased_its_events_are_gone_too(act, reporting):
    act("exclude")

    act("erase")

    [event] = Event.objects.all()
    assert (event.kind, event.instance, event.detail) == ("erased", None, "by a maintainer")


def test_a_decision_changes_no_hour_that_is_over(act, reporting):
    application = Application.objects.get()
    reported_at = row(reporting).last_report_at
    taking.close(application, reported_at + timedelta(hours=1))
    before = list(ClosedCensus.objects.values_list("at", "document"))

    act("revoke")
    taking.close(application, reported_at + timedelta(hours=1))

    assert list(ClosedCensus.objects.values_list("at", "document")) == before
    [(_, document)] = before
    assert (document["instances"]["active"], document["instances"]["revoked"]) == (1, 0)


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
