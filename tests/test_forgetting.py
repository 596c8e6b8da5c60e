"""What strangers have created without proving anything is forgotten; what anybody has proved or decided stays."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group

from instances.forgetting import forget_pending
from instances.jobs import Worker, regular_work
from instances.models import Application, Instance, PublicKey
from metrics.models import Snapshot
from tests.clock import NOW
from tests.installation import Installation

WEEK, MINUTE = timedelta(days=7), timedelta(minutes=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def clock():
    with time_machine.travel(NOW - WEEK - MINUTE, tick=False) as clock:
        yield clock


def registered(application="Ledger"):
    installation = Installation(application)
    assert installation.register().status_code == 201
    return installation


def left():
    return (
        {str(instance.pk) for instance in Instance.objects.all()},
        sorted(application.slug for application in Application.objects.all()),
    )


def test_who_never_signed_anything_is_forgotten_with_the_application_made_for_it(clock):
    registered()
    clock.move_to(NOW)

    said = forget_pending(NOW)

    assert said == "1 instances that never signed anything and 1 applications without any are forgotten"
    assert left() == (set(), [])
    assert not PublicKey.objects.exists()
    assert forget_pending(NOW) is None


def test_until_then_it_is_kept(clock):
    one = registered()

    assert forget_pending(NOW - MINUTE) is None
    assert left() == ({one.id}, ["ledger"])


def test_for_how_long_is_a_setting(clock, settings):
    settings.KEEP_PENDING = timedelta(hours=1)
    registered()

    forget_pending(NOW - WEEK + timedelta(hours=1))

    assert left() == (set(), [])


def test_one_that_is_forgotten_registers_anew(clock):
    one = registered()
    forget_pending(NOW)

    assert one.snapshot({}).json()["code"] == "invalid_signature"
    assert one.register().status_code == 201
    assert one.activate().json()["status"] == "active"
    assert left() == ({one.id}, ["ledger"])


@pytest.mark.parametrize("proof", ["activate", "snapshot"])
@pytest.mark.parametrize("policy", ["open", "approval"])
def test_who_has_signed_anything_stays_even_if_it_still_waits(clock, settings, proof, policy):
    settings.REGISTRATION = policy
    one = registered()
    assert (one.activate() if proof == "activate" else one.snapshot({"users": 1})).status_code < 300

    forget_pending(NOW)

    assert left() == ({one.id}, ["ledger"])
    assert Snapshot.objects.count() == (proof == "snapshot")


@pytest.mark.parametrize("decision", ["approve", "revoke", "exclude"])
def test_one_that_a_maintainer_has_decided_about_stays(clock, settings, decision):
    settings.REGISTRATION = "approval"
    one = registered()
    instance = Instance.objects.get()
    instance.exclude("manual") if decision == "exclude" else getattr(instance, decision)()

    forget_pending(NOW)

    assert left() == ({one.id}, ["ledger"])


def test_others_of_the_application_stay_and_so_does_it(clock):
    registered()
    active = registered()
    active.activate()

    forget_pending(NOW)

    assert left() == ({active.id}, ["ledger"])


# Applications


def test_an_application_whose_last_instance_was_erased_after_it_had_signed_stays(clock):
    one = registered()
    one.activate()
    Instance.objects.get().erase()

    forget_pending(NOW)

    assert left() == (set(), ["ledger"])


def test_so_does_one_that_an_instance_has_left_for_another(clock):
    one = registered()
    one.activate()
    one.register(app_name="Abacus")
    one.activate()

    forget_pending(NOW)

    assert left() == ({one.id}, ["abacus", "ledger"])


def test_but_not_one_that_it_left_before_it_had_ever_signed(clock):
    one = registered()
    one.register(app_name="Abacus")
    one.activate()

    forget_pending(NOW)

    assert left() == ({one.id}, ["abacus"])


def test_one_that_a_person_has_made_stays(clock):
    Application.objects.create(name="Ledger", slug="ledger")
    registered()

    forget_pending(NOW)

    assert left() == (set(), ["ledger"])


def test_one_of_a_team_stays(clock):
    registered()
    Application.objects.update(team=Group.objects.create(name="Bookkeepers"))

    forget_pending(NOW)

    assert left() == (set(), ["ledger"])


def form(application, **changes):
    fields = {"name": application.name, "active_days": 30, "report_minutes": 60, "registration": ""}
    return {**fields, **changes}


@pytest.mark.parametrize("way", ["form", "action"])
def test_one_that_somebody_has_edited_or_confirmed_stays(clock, client, superuser, way):
    registered()
    application = Application.objects.get()
    client.force_login(superuser)
    if way == "form":
        path = f"/admin/instances/application/{application.pk}/change/"
        assert client.post(path, form(application)).status_code == 302
    else:
        data = {"action": "confirm_selected", "_selected_action": [application.pk]}
        assert client.post("/admin/instances/application/", data).status_code == 302

    forget_pending(NOW)

    assert left() == (set(), ["ledger"])
    assert Application.objects.get().is_confirmed


def test_an_application_that_was_only_just_made_is_not_forgotten(clock):
    """Its first instance may be on its way."""
    clock.move_to(NOW - MINUTE)
    Application.named("Ledger")

    forget_pending(NOW)

    assert left() == (set(), ["ledger"])


# All at once


def test_more_than_a_batch_is_forgotten(clock, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("instances.forgetting.BATCH", 3)
    for number in range(8):
        registered(f"Application {number}")

    forget_pending(NOW)

    assert left() == (set(), [])


def test_after_a_flood_the_rest_is_left_to_the_next_time(clock, monkeypatch):
    monkeypatch.setattr("instances.forgetting.MOST_AT_ONCE", 2)
    for _ in range(5):
        registered()

    assert [forget_pending(NOW) is not None for _ in range(4)] == [True, True, True, False]
    assert left() == (set(), [])


def test_it_is_asked_again_once_it_is_locked(clock, monkeypatch):
    """What signs or is given an instance between the list and the lock stays."""
    one, other = registered("Ledger"), registered("Abacus")
    from instances import forgetting

    batches = forgetting._batches

    def meanwhile(pks):
        if pks and isinstance(pks[0], int):
            Instance.objects.create(application=Application.objects.get(slug="abacus"))
        else:
            assert one.activate().status_code == 200
        return batches(pks)

    monkeypatch.setattr(forgetting, "_batches", meanwhile)

    forget_pending(NOW)

    instances, applications = left()
    assert one.id in instances
    assert other.id not in instances
    assert applications == ["abacus", "ledger"]


def test_the_worker_does_it(clock):
    registered()
    clock.move_to(NOW)

    [work] = [work for work in regular_work() if work.name == "forget_pending"]
    assert Worker([work]).run_due(NOW) == []

    assert left() == (set(), [])


def test_the_overview_tells_superusers_when_no_more_are_taken_in(client, superuser, viewer, settings, clock):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 1
    registered()
    for user, told in ((superuser, True), (viewer, False)):
        client.force_login(user)
        assert ("No further ones are taken in" in client.get("/").content.decode()) is told
