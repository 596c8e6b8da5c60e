"""Enrolment tokens: what they let in, how they are made, shown once, and revoked."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from instances.enrolment import EnrolmentToken, digest_of
from instances.models import Application, Event, Instance
from tests.installation import Installation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]
ADMIN = "/admin/instances/enrolmenttoken/"
SECRET = re.compile(r"shm-enrol-[\w-]{43}")


@pytest.fixture
def ledger(team) -> Application:
    return Application.objects.create(name="Ledger", slug="ledger", team=team, registration="token")


@pytest.fixture
def abacus(other_team) -> Application:
    return Application.objects.create(name="Abacus", slug="abacus", team=other_team, registration="token")


def token_of(application, **fields):
    token = EnrolmentToken(application=application, name=fields.pop("name", "Bank"), **fields)
    secret = token.renew()
    token.save()
    return token, secret


def answer(response):
    return response.status_code, response.json()


# What a token is good for


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_valid_token_lets_a_new_instance_in(ledger, where):
    token, secret = token_of(ledger)
    newcomer = Installation("Ledger")
    if where == "header":
        newcomer.client.defaults["HTTP_X_ENROLMENT_TOKEN"] = secret
        response = newcomer.register()
    else:
        response = newcomer.register(enrolment_token=secret)

    assert answer(response) == (201, {"status": "ok", "message": "Registered"})
    assert newcomer.activate().json()["status"] == "active"
    token.refresh_from_db()
    assert (token.uses, token.last_used_on) == (1, timezone.now().date())


def test_a_header_counts_before_the_body(ledger):
    _, secret = token_of(ledger)
    newcomer = Installation("Ledger")
    newcomer.client.defaults["HTTP_X_ENROLMENT_TOKEN"] = secret

    assert newcomer.register(enrolment_token="another").status_code == 201


def test_one_token_lets_many_in_and_registering_again_does_not_count(ledger):
    token, secret = token_of(ledger)
    for _ in range(3):
        newcomer = Installation("Ledger")
        for _ in range(2):
            assert newcomer.register(enrolment_token=secret).status_code == 201

    token.refresh_from_db()
    assert token.uses == 3


def test_an_instance_that_is_known_needs_none(ledger):
    _, secret = token_of(ledger)
    newcomer = Installation("Ledger")
    newcomer.register(enrolment_token=secret)
    EnrolmentToken.objects.get().revoke()

    assert newcomer.register().status_code == 201


def test_where_approval_is_needed_a_token_skips_the_waiting(ledger):
    Application.objects.update(registration="approval")
    _, secret = token_of(ledger)
    newcomer = Installation("Ledger")

    newcomer.register(enrolment_token=secret)

    assert newcomer.activate().json()["status"] == "active"


def test_who_waits_already_is_let_in_by_a_token_and_its_signature(ledger):
    Application.objects.update(registration="approval")
    token, secret = token_of(ledger)
    newcomer = Installation("Ledger")
    newcomer.register()
    newcomer.activate()

    # The unsigned half changes nothing yet.
    newcomer.register(enrolment_token=secret)
    assert Instance.objects.get().is_waiting
    assert newcomer.activate().json()["status"] == "active"

    instance = Instance.objects.get()
    decided = Event.objects.decisions(instance.application)
    assert [(event.kind, event.detail) for event in decided] == [("approved", "by an enrolment token")]
    token.refresh_from_db()
    assert token.uses == 1


def test_a_wrong_token_does_not_let_who_waits_in(ledger):
    Application.objects.update(registration="approval")
    newcomer = Installation("Ledger")
    newcomer.register()
    newcomer.register(enrolment_token="shm-enrol-guess")

    assert newcomer.activate().json()["status"] == "pending"


# Refusals: one and the same answer


def missing(ledger, abacus):
    return None


def wrong(ledger, abacus):
    return "shm-enrol-" + "x" * 43


def another_applications(ledger, abacus):
    return token_of(abacus)[1]


def revoked(ledger, abacus):
    token, secret = token_of(ledger)
    token.revoke()
    return secret


def expired(ledger, abacus):
    return token_of(ledger, expires_at=timezone.now() - timedelta(seconds=1))[1]


def its_digest(ledger, abacus):
    return token_of(ledger)[0].digest


def its_beginning(ledger, abacus):
    return token_of(ledger)[1][:-1]


def odd(ledger, abacus):
    return "\ud800 %s'; --\u202e"


@pytest.mark.parametrize(
    "token", [missing, wrong, another_applications, revoked, expired, its_digest, its_beginning, odd]
)
def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(ledger, abacus, token):
    response = Installation("Ledger").register(enrolment_token=token(ledger, abacus))
    unknown = Installation("Ledger").register()

    assert answer(response) == answer(unknown)
    assert response.status_code == 403
    assert response.json()["code"] == "enrolment_required"
    assert "X-Enrolment-Token" in response.json()["detail"]
    assert not Instance.objects.exists()


def test_a_wrong_token_takes_the_same_statements_whether_or_not_there_is_such_an_application(ledger, settings):
    settings.REGISTRATION = "token"

    def statements(name):
        with CaptureQueriesContext(connection) as captured:
            response = Installation(name).register(enrolment_token="shm-enrol-guess")
        # Without their values, and without the savepoints' names.
        selects = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
        return answer(response), [re.sub(r"'[^']*'", "?", sql) for sql in selects]

    known, unknown = statements("Ledger"), statements("Nobody knows it")

    assert known == unknown


def test_a_token_of_a_wrong_shape_is_a_bad_field(ledger):
    response = Installation("Ledger").register(enrolment_token="x" * 101)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_enrolment_token")


# Made and shown once


@pytest.fixture
def made(client, maintainer, ledger):
    client.force_login(maintainer)
    return client.post(f"{ADMIN}add/", {"application": ledger.pk, "name": "Bank"})


def test_it_is_shown_once_and_kept_as_a_digest_alone(client, made, ledger):
    secret = SECRET.search(made.content.decode())[0]
    token = EnrolmentToken.objects.get()

    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    assert token.digest == digest_of(secret)
    assert Installation("Ledger").register(enrolment_token=secret).status_code == 201
    for path in (ADMIN, f"{ADMIN}{token.pk}/change/", f"{ADMIN}{token.pk}/history/", "/", "/applications/ledger/"):
        assert secret not in client.get(path).content.decode()
    # Nor is it in what the server or the browser keeps: the row, the audit log, sessions, cookies.
    kept = [EnrolmentToken.objects.values(), LogEntry.objects.values(), Session.objects.values()]
    kept += [session.get_decoded() for session in Session.objects.all()] + [client.cookies.output()]
    assert secret not in str([list(rows) if hasattr(rows, "filter") else rows for rows in kept])


def test_the_audit_log_says_who_made_it(made, maintainer):
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.is_addition()) == (maintainer, "Bank", True)


def test_sending_the_form_again_by_a_reload_makes_no_second_one(client, made, ledger):
    again = client.post(f"{ADMIN}add/", {"application": ledger.pk, "name": "Bank"})

    assert EnrolmentToken.objects.count() == 1
    assert "already" in again.content.decode()
    assert not SECRET.search(again.content.decode())


def test_two_tokens_are_two_secrets(client, made, ledger):
    second = client.post(f"{ADMIN}add/", {"application": ledger.pk, "name": "School"})

    assert SECRET.search(second.content.decode())[0] != SECRET.search(made.content.decode())[0]


def test_changing_its_name_leaves_the_secret_alone(client, made, ledger):
    token = EnrolmentToken.objects.get()

    client.post(f"{ADMIN}{token.pk}/change/", {"name": "Savings bank", "digest": "00" * 32, "uses": 9})

    after = EnrolmentToken.objects.get()
    assert (after.name, after.digest, after.uses) == ("Savings bank", token.digest, 0)


def test_whoever_makes_a_token_knows_the_application(made, ledger):
    ledger.refresh_from_db()
    assert ledger.is_confirmed


# Revoked


@pytest.mark.parametrize("way", ["list", "page"])
def test_revoked_it_lets_nobody_in_any_more_and_whom_it_let_in_stays(client, made, ledger, way):
    secret = SECRET.search(made.content.decode())[0]
    inside = Installation("Ledger")
    inside.register(enrolment_token=secret)
    token = EnrolmentToken.objects.get()

    if way == "list":
        client.post(ADMIN, {"action": "revoke_selected", "_selected_action": [token.pk]})
    else:
        client.post(f"{ADMIN}{token.pk}/change/", {"name": "Bank", "instances_enrolmenttoken_revoke": "1"})

    assert EnrolmentToken.objects.get().revoked_at is not None
    assert Installation("Ledger").register(enrolment_token=secret).status_code == 403
    assert inside.register().status_code == 201
    assert LogEntry.objects.filter(change_message="Revoked").count() == 1
    assert "Revoked" in client.get(ADMIN).content.decode()


def test_the_list_tells_valid_ones_from_others(client, maintainer, ledger):
    client.force_login(maintainer)
    token_of(ledger, name="Good for now")
    token_of(ledger, name="Too old", expires_at=timezone.now() - timedelta(days=1))

    valid, other = (client.get(f"{ADMIN}?is={state}").content.decode() for state in ("valid", "other"))

    assert ("Good for now" in valid, "Too old" in valid) == (True, False)
    assert ("Good for now" in other, "Too old" in other) == (False, True)


def test_it_expires_by_itself(ledger):
    now = timezone.now()
    _, secret = token_of(ledger, expires_at=now + timedelta(days=1))

    with time_machine.travel(now + timedelta(hours=23)):
        assert Installation("Ledger").register(enrolment_token=secret).status_code == 201
    with time_machine.travel(now + timedelta(hours=25)):
        assert Installation("Ledger").register(enrolment_token=secret).status_code == 403


# Teams


def test_a_maintainer_makes_none_for_another_teams_application(client, maintainer, ledger, abacus):
    client.force_login(maintainer)

    response = client.post(f"{ADMIN}add/", {"application": abacus.pk, "name": "Mine"})

    assert "Select a valid choice" in response.content.decode()
    assert not EnrolmentToken.objects.exists()


def test_a_maintainer_revokes_none_of_another_teams(client, maintainer, ledger, abacus):
    token, _ = token_of(abacus)
    client.force_login(maintainer)

    client.post(ADMIN, {"action": "revoke_selected", "_selected_action": [token.pk], "select_across": "1"})
    client.post(f"{ADMIN}{token.pk}/change/", {"name": "Bank", "instances_enrolmenttoken_revoke": "1"})

    assert EnrolmentToken.objects.get().revoked_at is None


def test_a_viewer_neither_makes_nor_revokes(client, viewer, ledger):
    token, _ = token_of(ledger)
    client.force_login(viewer)

    answers = [
        client.post(f"{ADMIN}add/", {"application": ledger.pk, "name": "Mine"}),
        client.post(f"{ADMIN}{token.pk}/change/", {"name": "Bank", "instances_enrolmenttoken_revoke": "1"}),
        client.post(ADMIN, {"action": "revoke_selected", "_selected_action": [token.pk]}),
    ]

    assert {response.status_code for response in answers} == {403}
    assert EnrolmentToken.objects.get().revoked_at is None


# What the pages say


def test_an_application_that_nobody_can_register_with_says_so(client, maintainer, ledger):
    client.force_login(maintainer)
    hint = f'href="{ADMIN}add/?application={ledger.pk}"'
    in_the_admin = f"/admin/instances/application/{ledger.pk}/change/"
    assert hint in client.get("/applications/ledger/").content.decode()
    assert "there is no valid one" in client.get(in_the_admin).content.decode()

    token_of(ledger)
    assert "there is no valid one" not in client.get(in_the_admin).content.decode()

    assert hint not in client.get("/applications/ledger/").content.decode()
