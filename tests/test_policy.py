"""Who may register: each policy, of the site and of an application, for new instances and for those that move."""

from datetime import timedelta

import pytest

from instances.enrolment import EnrolmentToken
from instances.models import Application, Event, Instance
from tests.installation import Installation, row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def let_in(application, policy):
    Application.objects.filter(pk=application.pk).update(registration=policy)


def assert_refused(response, code):
    assert (response.status_code, response.json()["code"]) == (403, code)
    assert response.json()["detail"].endswith(".")
    assert not Instance.objects.exists()


# New instances


@pytest.mark.parametrize(
    ("site", "own", "status"),
    [
        ("open", "", 201),
        ("open", "closed", 403),
        ("open", "token", 403),
        ("open", "approval", 201),
        ("approval", "", 201),
        ("token", "", 403),
        ("token", "open", 201),
        ("closed", "", 403),
        ("closed", "open", 201),
        ("closed", "approval", 201),
    ],
)
def test_an_applications_own_policy_counts_before_the_sites(ledger, settings, site, own, status):
    settings.REGISTRATION = site
    let_in(ledger, own)
    newcomer = Installation("Ledger")

    assert newcomer.register().status_code == status

    assert Instance.objects.count() == (status == 201)
    if status == 201:
        assert row(newcomer).awaits_approval is ((own or site) == "approval")


def test_the_settings_words_are_the_models():
    from shm_site import settings as site

    assert site.REGISTRATION == Application.Registration.OPEN
    assert Application.Registration.values == ["open", "approval", "token", "closed"]


def test_a_closed_application_refuses_new_instances(ledger):
    let_in(ledger, "closed")

    assert_refused(Installation("Ledger").register(), "registration_closed")


def test_a_closed_application_takes_no_token_either(ledger):
    let_in(ledger, "closed")
    token = EnrolmentToken(application=ledger, name="Bank")
    secret = token.renew()
    token.save()

    assert_refused(Installation("Ledger").register(enrolment_token=secret), "registration_closed")


@pytest.mark.parametrize("policy", ["approval", "token", "closed"])
def test_who_is_known_goes_on_whatever_the_policy_becomes(ledger, policy):
    known = Installation("Ledger")
    known.register()
    known.activate()
    let_in(ledger, policy)

    assert known.register(app_version="2.0.0").status_code == 201
    assert known.activate().json()["status"] == "active"
    assert known.snapshot({"users": 1}).status_code == 202
    assert (row(known).state, row(known).app_version) == ("active", "2.0.0")


def test_who_had_only_registered_before_it_was_closed_may_still_activate(ledger):
    known = Installation("Ledger")
    known.register()
    let_in(ledger, "closed")

    assert known.register().status_code == 201
    assert known.activate().json()["status"] == "active"


# Unknown applications


def test_unknown_applications_are_refused_where_the_site_says_so(ledger, settings):
    settings.UNKNOWN_APPLICATIONS = "refuse"

    assert_refused(Installation("Abacus").register(), "unknown_application")
    assert [application.slug for application in Application.objects.all()] == ["ledger"]
    assert Installation("Ledger").register().status_code == 201


@pytest.mark.parametrize(("site", "code"), [("closed", "registration_closed"), ("token", "enrolment_required")])
def test_the_sites_policy_holds_for_an_application_that_nobody_knows(db, settings, site, code):
    settings.REGISTRATION = site

    assert_refused(Installation("Abacus").register(enrolment_token="shm-enrol-guess"), code)
    assert not Application.objects.exists()


def test_an_unknown_application_may_come_with_an_instance_that_waits(db, settings):
    settings.REGISTRATION = "approval"
    newcomer = Installation("Abacus")

    assert newcomer.register().status_code == 201
    assert row(newcomer).is_waiting


def test_one_made_on_first_sight_is_unconfirmed_and_one_of_the_admins_is_not(ledger):
    Installation("Abacus").register()

    assert [application.slug for application in Application.objects.unconfirmed()] == ["abacus"]


def test_applications_made_on_first_sight_are_bounded_in_number(ledger, settings):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 2
    for name in ("Abacus", "Bookend"):
        assert Installation(name).register().status_code == 201
    before = Instance.objects.count()

    refused = Installation("Cashbox").register()

    assert (refused.status_code, refused.json()["code"]) == (403, "too_many_applications")
    assert Instance.objects.count() == before
    # Those that there are go on as ever.
    assert Installation("Ledger").register().status_code == 201
    assert Installation("Abacus").register().status_code == 201
    # A signature makes no room: whoever floods the site can sign.
    signed = Installation("Abacus")
    signed.register()
    signed.activate()
    assert Installation("Cashbox").register().status_code == 403
    Application.objects.get(slug="abacus").confirm()
    assert Installation("Cashbox").register().status_code == 201


def test_somebody_who_makes_it_with_a_policy_of_its_own_at_this_very_moment_is_obeyed(db, monkeypatch):
    def judged_before(cls, name, token):
        Application.objects.create(name=name, slug="abacus", registration="closed")

    monkeypatch.setattr(Application, "judge", classmethod(judged_before))

    assert_refused(Installation("Abacus").register(), "registration_closed")


def test_an_application_forgotten_at_this_very_moment_is_made_again(db, monkeypatch):
    from django.db import IntegrityError

    from instances import registration

    create, calls = registration._create, []

    def once_in_vain(data, token):
        calls.append(data)
        if len(calls) == 1:
            raise IntegrityError("its application is gone")
        create(data, token)

    monkeypatch.setattr(registration, "_create", once_in_vain)
    newcomer = Installation("Abacus")

    assert newcomer.register().status_code == 201
    assert row(newcomer).application.slug == "abacus"


# Moving to another application by registering again


@pytest.fixture
def known(ledger):
    installation = Installation("Ledger", environment="production")
    installation.register()
    installation.activate()
    installation.snapshot({"users": 1})
    return installation


@pytest.fixture
def abacus(db) -> Application:
    return Application.objects.create(name="Abacus", slug="abacus")


def restart(installation, **changes):
    """What a client does at each start. It must never be refused for what it says of itself."""
    registered, activated = installation.register(**changes), installation.activate()
    assert (registered.status_code, activated.status_code) == (201, 200)
    return activated.json()["status"]


@pytest.mark.parametrize("policy", ["closed", "token"])
def test_it_does_not_move_where_a_new_one_could_not_register(known, abacus, policy):
    let_in(abacus, policy)

    assert restart(known, app_name="Abacus", app_version="2.0.0") == "active"

    assert (row(known).application.slug, row(known).state) == ("ledger", "active")
    assert row(known).app_version == "2.0.0"
    assert row(known).refused_by == "Abacus"
    assert row(known).claims is None


@pytest.mark.parametrize(
    "setting", [{"UNKNOWN_APPLICATIONS": "refuse"}, {"REGISTRATION": "closed"}, {"MAX_UNCONFIRMED_APPLICATIONS": 0}]
)
def test_it_does_not_move_to_an_application_that_would_not_be_made(known, settings, setting):
    for name, value in setting.items():
        setattr(settings, name, value)

    assert restart(known, app_name="Abacus") == "active"

    assert row(known).application.slug == "ledger"
    assert row(known).refused_by == "Abacus"
    assert [application.slug for application in Application.objects.all()] == ["ledger"]


def test_what_was_open_when_it_registered_and_is_closed_when_it_signs_is_closed(known, abacus):
    known.register(app_name="Abacus")
    let_in(abacus, "closed")

    assert known.activate().json()["status"] == "active"
    assert row(known).application.slug == "ledger"


def test_what_was_closed_when_it_registered_lets_it_in_at_its_next_start(known, abacus):
    let_in(abacus, "closed")
    known.register(app_name="Abacus")
    let_in(abacus, "open")
    known.activate()
    assert (row(known).application.slug, row(known).refused_by) == ("ledger", "Abacus")

    restart(known, app_name="Abacus")

    assert (row(known).application.slug, row(known).refused_by) == ("abacus", "")


def test_a_refusal_is_forgotten_once_it_says_its_own_applications_name_again(known, abacus):
    let_in(abacus, "closed")
    restart(known, app_name="Abacus")

    restart(known)

    assert (row(known).application.slug, row(known).refused_by, row(known).claims) == ("ledger", "", None)


def test_a_strangers_words_alone_leave_no_trace_of_a_refusal(known, abacus):
    let_in(abacus, "closed")

    known.register(app_name="Abacus")
    known.snapshot({"users": 2})

    assert (row(known).refused_by, row(known).application.slug) == ("", "ledger")


def test_a_token_of_the_target_lets_it_move(known, abacus):
    let_in(abacus, "token")
    token = EnrolmentToken(application=abacus, name="Bank")
    secret = token.renew()
    token.save()

    known.register(app_name="Abacus", enrolment_token=secret)
    assert row(known).claims["token"] == token.pk
    assert secret not in str(Instance.objects.values().get())

    assert known.activate().json()["status"] == "active"
    assert (row(known).application.slug, row(known).state) == ("abacus", "active")
    token.refresh_from_db()
    assert token.uses == 1


def test_a_token_that_is_revoked_before_it_signs_does_not(known, abacus):
    let_in(abacus, "token")
    token = EnrolmentToken(application=abacus, name="Bank")
    secret = token.renew()
    token.save()

    known.register(app_name="Abacus", enrolment_token=secret)
    token.revoke()
    known.activate()

    assert (row(known).application.slug, row(known).refused_by) == ("ledger", "Abacus")


def test_a_token_of_its_own_application_does_not_let_it_into_another(known, ledger, abacus):
    let_in(abacus, "token")
    token = EnrolmentToken(application=ledger, name="Bank")
    secret = token.renew()
    token.save()

    restart(known, app_name="Abacus", enrolment_token=secret)

    assert row(known).application.slug == "ledger"


def test_where_approval_is_needed_it_moves_and_waits(known, abacus):
    let_in(abacus, "approval")

    assert restart(known, app_name="Abacus") == "pending"

    moved = row(known)
    assert (moved.application.slug, moved.is_waiting) == ("abacus", True)
    assert [(event.kind, event.detail) for event in Event.objects.decisions(abacus)] == [
        ("waiting", "by moving to another application")
    ]
    # Its next start does not help it past the waiting, nor does a report.
    known.description["app_name"] = "Abacus"
    assert restart(known) == "pending"
    assert known.snapshot({"users": 2}).status_code == 202
    assert row(known).is_waiting


def test_neither_does_a_way_through_an_application_that_is_open(known, abacus, ledger):
    let_in(abacus, "approval")
    restart(known, app_name="Abacus")

    assert restart(known, app_name="Ledger") == "active"
    assert restart(known, app_name="Abacus") == "pending"
    assert [event.kind for event in Event.objects.decisions(abacus)] == ["waiting", "approved", "waiting"]


def test_going_to_and_fro_fills_no_history(known, abacus, ledger, clock):
    """Lines by which past counts are taken stay for ever, so an instance cannot write as many as it likes."""
    let_in(abacus, "approval")
    for _ in range(20):
        restart(known, app_name="Abacus")
        restart(known, app_name="Ledger")

    decisions = Event.objects.filter(kind__in=Event.DECISIONS)
    assert decisions.count() == Event.MOST_MOVES_A_DAY
    assert (row(known).application, row(known).state) == (ledger, "active")
    restart(known, app_name="Abacus")
    assert (row(known).application, row(known).refused_by) == (ledger, "Abacus")

    clock.shift(timedelta(days=1, seconds=1))
    restart(known, app_name="Abacus")
    assert row(known).application == abacus


def test_a_new_one_registers_elsewhere_and_moves_where_it_could_not_have_registered(ledger, abacus):
    """The way round a closed door: a pending instance's claims are what its first activation confirms."""
    let_in(abacus, "closed")
    newcomer = Installation("Ledger")
    newcomer.register()

    restart(newcomer, app_name="Abacus")

    assert row(newcomer).application.slug == "ledger"
