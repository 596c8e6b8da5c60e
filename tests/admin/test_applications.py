"""Applications: their forms, and what is deleted with them."""

import pytest
from django.utils import timezone

from instances.models import Application, Instance, PublicKey
from metrics.models import Snapshot
from metrics.periods import DAY
from tests import fleet
from tests.admin.forms import APPLICATIONS, problems, settings_of
from tests.queries import queries

pytestmark = pytest.mark.django_db


def test_a_new_application_has_the_slug_that_its_instances_will_ask_for(send, team):
    response = send(f"{APPLICATIONS}add/", settings_of(Application(name="Über App_2"), team=team.pk))

    assert response.status_code == 200
    assert problems(response) is None
    made = Application.objects.get()
    assert (made.slug, made.team) == ("uber-app-2", team)
    assert Application.named("Über App_2") == made


def test_a_second_application_of_the_same_slug_is_refused_with_a_reason(send, ledger):
    response = send(f"{APPLICATIONS}add/", settings_of(Application(name="LEDGER!")))

    assert response.status_code == 200
    assert "ledger" in str(problems(response)["name"])
    assert Application.objects.count() == 1


def test_the_slug_stays_what_it_was(send, ledger):
    response = send(f"{APPLICATIONS}{ledger.pk}/change/", settings_of(ledger, name="Grand Livre", slug="other"))

    assert problems(response) is None
    ledger.refresh_from_db()
    assert (ledger.name, ledger.slug) == ("Grand Livre", "ledger")
    assert Application.named("Ledger") == ledger


@pytest.mark.parametrize("change", [{"active_days": 0}, {"active_days": 100000}, {"report_minutes": 0}, {"name": ""}])
def test_settings_that_mean_nothing_are_refused(send, ledger, change):
    response = send(f"{APPLICATIONS}{ledger.pk}/change/", settings_of(ledger, **change))

    assert list(problems(response)) == list(change)


def test_an_applications_form_has_its_kpi_cards(page, ledger, reporting):
    text = page(f"{APPLICATIONS}{ledger.pk}/change/")

    assert "Active instances" in text
    assert 'title="1,234">1.23k</span>' in text
    assert "Documents" in text
    assert 'href="/applications/ledger/"' in text
    assert "shm-kpi" not in page(f"{APPLICATIONS}add/")


def test_a_refused_form_still_has_its_cards(send, ledger, reporting):
    response = send(f"{APPLICATIONS}{ledger.pk}/change/", settings_of(ledger, active_days=0))

    assert "1.23k" in response.content.decode()


def test_deleting_an_application_counts_what_goes_with_it(page, send, ledger, reporting):
    fleet.instance(ledger, {timezone.now() - number * DAY / 24: {} for number in range(40)})
    path, snapshot = f"{APPLICATIONS}{ledger.pk}/delete/", str(Snapshot.objects.first())

    text = page(path)
    response = send(path, {"post": "yes"})

    assert "Ledger" in text
    assert "42" in text
    assert str(reporting.pk) not in text
    assert snapshot not in text
    assert response.status_code == 200
    assert not Application.objects.exists()
    assert not Instance.objects.exists()
    assert not Snapshot.objects.exists()
    assert not PublicKey.objects.exists()


def test_asking_to_delete_costs_the_same_however_many_snapshots_there_are(client, superuser, ledger, reporting):
    client.force_login(superuser)

    def ask():
        client.get(f"{APPLICATIONS}{ledger.pk}/delete/")

    ask()
    few = queries(ask)
    for _ in range(3):
        fleet.instance(ledger, {timezone.now() - number * DAY / 24: {} for number in range(10)})

    assert queries(ask) == few


def test_applications_are_deleted_together(client, superuser, ledger, reporting):
    client.force_login(superuser)
    other = Application.objects.create(name="Other", slug="other")
    data = {"action": "delete_selected", "_selected_action": [ledger.pk, other.pk]}

    asked = client.post(APPLICATIONS, data)
    assert asked.status_code == 200
    assert Application.objects.count() == 2
    client.post(APPLICATIONS, {**data, "post": "yes"})

    assert not Application.objects.exists()
    assert not Snapshot.objects.exists()
