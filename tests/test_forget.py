"""POST /v1/forget: an instance erases itself, and nothing by which it could be known is left."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from nacl.signing import SigningKey

from instances.models import Application, Event, Instance, PublicKey, TurnedAway
from metrics import taking
from metrics.models import Snapshot
from tests.installation import Installation, refusal
from tests.test_concurrency import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def reporting(installation):
    """One that has left a trace in every table that it can."""
    now = datetime.now(UTC)
    for hours in range(3):
        assert installation.snapshot({"users": hours}, now - timedelta(hours=hours)).status_code == 202
    Installation().register(instance_id=installation.id)
    installation.snapshot({}, now + timedelta(days=1))
    new = SigningKey.generate()
    assert installation.rotate(new).status_code == 200
    installation.key = new
    assert installation.export().status_code == 200
    installation.register(app_version="2.0.0")
    installation.activate()
    installation.register(app_version="3.0.0")
    taking.close(Application.objects.get(), now)
    return installation


def tables_with(*texts):
    """The tables of the database in any column of which one of the texts is found."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            cells = [f'LOWER(CAST("{column}" AS text))' for column in columns]
            condition = " OR ".join(f"{cell} LIKE %s" for cell in cells for _ in texts)
            wanted = [f"%{text}%" for _ in cells for text in texts]
            cursor.execute(f'SELECT COUNT(*) FROM "{table}" WHERE {condition}', wanted)
            if cursor.fetchone()[0]:
                found.append(table)
    return sorted(found)


def traces(installation):
    return tables_with(installation.id, uuid.UUID(installation.id).hex, installation.public_key)


def test_nothing_of_it_is_left(reporting):
    assert traces(reporting) == [
        "instances_event",
        "instances_instance",
        "instances_publickey",
        "metrics_snapshot",
    ]

    response = reporting.forget()

    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert response.json()["message"].startswith("Erased")
    assert traces(reporting) == []
    assert not Instance.objects.exists()
    assert not PublicKey.objects.exists()
    assert not Snapshot.objects.exists()


def test_one_line_says_that_there_was_one(reporting):
    reporting.forget()

    [event] = Event.objects.all()
    assert (event.kind, event.detail, event.instance) == ("erased", "by itself", None)
    assert event.application.slug == "ledger"


def test_it_is_unknown_then_and_may_register_anew(reporting):
    reporting.forget()

    assert refusal(reporting.snapshot({})) == (403, "invalid_signature")
    assert refusal(reporting.forget()) == (403, "invalid_signature")
    assert reporting.register().status_code == 201
    assert Instance.objects.get().state == Instance.State.PENDING


def test_others_are_left_alone(reporting):
    other = Installation()
    other.register()
    other.snapshot({"users": 1})

    reporting.forget()

    assert [str(instance.pk) for instance in Instance.objects.all()] == [other.id]
    assert Snapshot.objects.count() == 1


def test_the_audit_log_keeps_what_maintainers_did(client, reporting, superuser):
    client.force_login(superuser)
    client.post(f"/instances/{reporting.id}/exclude")

    reporting.forget()

    assert traces(reporting) == ["django_admin_log"]
    assert LogEntry.objects.get().object_id == reporting.id


# Revoked


def test_a_revoked_one_is_erased_too_but_stays_turned_away(reporting):
    Instance.objects.get(pk=reporting.id).revoke()

    response = reporting.forget()

    assert response.status_code == 200
    assert "stays revoked" in response.json()["message"]
    assert traces(reporting) == []
    assert Event.objects.get().detail == "by itself, while it was revoked"
    for installation in (reporting, Installation()):
        installation.id = reporting.id
        answer = installation.register(instance_id=reporting.id.upper())
        assert refusal(answer) == (403, "revoked")
        assert "erased" in answer.json()["detail"]
    assert not Instance.objects.exists()


def test_what_a_maintainer_erases_may_come_back(reporting):
    Instance.objects.get(pk=reporting.id).revoke()
    Instance.objects.get(pk=reporting.id).erase()

    assert reporting.register().status_code == 201
    assert not TurnedAway.objects.exists()


def test_one_that_was_restored_before_may_come_back(reporting):
    Instance.objects.get(pk=reporting.id).revoke()
    Instance.objects.get(pk=reporting.id).restore()
    reporting.forget()

    assert reporting.register().status_code == 201


def test_another_id_is_not_turned_away(reporting):
    Instance.objects.get(pk=reporting.id).revoke()
    reporting.forget()

    assert Installation().register().status_code == 201


def test_with_the_application_the_last_trace_is_gone(reporting):
    Instance.objects.get(pk=reporting.id).revoke()
    reporting.forget()

    Application.objects.get().erase()

    assert not TurnedAway.objects.exists()
    assert not Event.objects.exists()
    assert reporting.register().status_code == 201


# At the same moment


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_among_its_other_requests_it_is_no_error(no_limits):
    installation = Installation()
    installation.register()
    installation.activate()
    now = datetime.now(UTC)
    snapshots = [lambda age=age: installation.snapshot({}, now - timedelta(hours=age)) for age in range(4)]
    conflicts = [lambda: Installation().register(instance_id=installation.id)] * 2

    answers = at_once(
        *snapshots,
        installation.forget,
        *conflicts,
        installation.export,
        lambda: installation.snapshot({}, now.replace(year=2000)),
    )

    assert {answer.status_code for answer in answers} <= {200, 201, 202, 400, 403, 409}
    assert 200 in {answer.status_code for answer in answers}
    erased = Instance.objects.filter(pk=installation.id).exists()
    # Whoever registered the id after it was free has it now; of the erased one there is nothing.
    assert not Snapshot.objects.exists()
    assert not PublicKey.objects.filter(hex=installation.public_key).exists()
    assert Event.objects.filter(kind="erased").count() == 1
    assert erased == any(answer.status_code == 201 for answer in answers)
