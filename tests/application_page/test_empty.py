"""What the page says where there is nothing yet, or nothing that was asked for."""

import ast
from html import unescape

import pytest
from django.http import QueryDict

from dashboard.applications import ApplicationPage
from instances.models import Application, Instance
from instances.slugs import slug_for
from metrics.periods import DAY
from tests import fleet
from tests.application_page.reading import URL, cards, listed, text_of
from tests.clock import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_without_an_active_instance_it_hands_over_commands_with_the_servers_own_address(client, viewer, ledger):
    client.force_login(viewer)

    response = client.get(URL, headers={"host": "metrics.example.org"})

    assert 'server, me, key = "http://metrics.example.org", ' in unescape(text_of(response))
    assert "Nothing has reported yet" in text_of(response)
    assert "No instance has registered yet" in text_of(response)


def test_without_an_active_instance_it_says_who_there_is_all_the_same(get, ledger):
    fleet.instance(ledger, {}, state=Instance.State.PENDING)
    fleet.instance(ledger, {NOW - 90 * DAY: {}})

    text = text_of(get())

    assert "No active instance" in text
    assert "1 instance has registered, and counts nowhere yet." in text
    assert "1 instance is silent: it is active again with its next report." in text


@pytest.mark.parametrize("name", ["Ledger", "a\\b\"c'd`e", "</script>", "Größe 🦄"])
def test_the_commands_name_the_very_application(get, ledger, name):
    Application.objects.filter(pk=ledger.pk).update(name=name, slug=slug_for(name))
    page = ApplicationPage(Application.objects.get(pk=ledger.pk), QueryDict(), NOW)

    assert ast.literal_eval(page.name_in_code) == name


def test_the_commands_name_an_application_by_its_slug_once_it_has_been_renamed(get, ledger):
    Application.objects.filter(pk=ledger.pk).update(name="Another name")

    assert '"app_name": "ledger"' in unescape(text_of(get()))


def test_the_commands_have_a_place_for_the_token_where_it_takes_one(get, ledger):
    ledger.registration = "token"
    ledger.save()

    assert '"enrolment_token": "TOKEN"' in unescape(text_of(get()))


def test_there_are_no_commands_where_the_registration_is_closed(get, ledger):
    ledger.registration = "closed"
    ledger.save()

    text = text_of(get())
    assert "The registration is closed" in text
    assert "SigningKey" not in text


def test_a_search_that_finds_nothing_leads_back_to_all(get, ledger):
    assert "No instance matches" in text_of(get({"q": "nowhere"}))
    assert "No instance matches" in text_of(get({"state": "revoked"}))


def test_pending_and_silent_instances_are_listed_where_nothing_counts(get, ledger):
    pending = fleet.instance(ledger, {}, state=Instance.State.PENDING)
    silent = fleet.instance(ledger, {NOW - 50 * DAY: {"documents": 1}})

    response = get()

    assert listed(response) == [silent.pk, pending.pk]
    assert "never" in text_of(response)
    assert "Pending" in text_of(response)


def test_metrics_that_are_all_empty_make_no_card(get, ledger):
    fleet.instance(ledger, {NOW: {}})
    fleet.instance(ledger, {NOW: {"nothing": None, "list": [1, 2], "empty": {}}})

    response = get()

    assert response.context["page"].census.active == 2
    assert cards(response) == {}
