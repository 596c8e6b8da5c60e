"""What maintainers say of a key, where its name does not say what they want."""

import pytest
from django.urls import reverse
from django.utils import timezone

from dashboard.applications import ApplicationPage
from instances.models import Application
from metrics.keys import Metrics
from metrics.models import MetricSetting
from tests import fleet

REPORT = {"documents": 5, "secret_sauce": 7, "app_users": 3, "sys_os": "linux", "edition": "pro"}


@pytest.fixture
def ledger(db) -> Application:
    application = Application.named("Ledger")
    fleet.instance(application, {timezone.now(): REPORT}, app_version="1.0.0")
    return application


def cards(application: Application, rf) -> tuple[list[str], list[str]]:
    page = ApplicationPage(application, rf.get("/").GET, timezone.now())
    business, system = page.cards
    return [card.key for card in business], [card.key for card in system]


def text(response) -> bytes:
    return b"".join(response) if response.streaming else response.content


def test_the_rule_goes_by_the_key():
    assert Metrics().grouped(["sys_os", "b", "app_x", "a"]) == (["a", "b"], ["app_x", "sys_os"])


def test_a_maintainer_has_the_last_word(ledger, rf):
    assert cards(ledger, rf) == (["documents", "secret_sauce"], ["app_users"])
    MetricSetting.objects.create(application=ledger, key="app_users", kind="business")
    MetricSetting.objects.create(application=ledger, key="documents", kind="system")
    MetricSetting.objects.create(application=ledger, key="secret_sauce", hidden=True)
    assert cards(ledger, rf) == (["app_users"], ["documents"])


def test_a_setting_without_a_kind_leaves_the_rule_alone(ledger, rf):
    MetricSetting.objects.create(application=ledger, key="app_users")
    assert cards(ledger, rf) == (["documents", "secret_sauce"], ["app_users"])


@pytest.mark.parametrize("key", ["secret_sauce", "edition"])
def test_what_is_hidden_is_on_no_page_badge_or_export(admin_client, ledger, key):
    instance = ledger.instances.get()
    addresses = [
        ledger.get_absolute_url(),
        f"{ledger.get_absolute_url()}?metric={key}&sort=-m.{key}",
        reverse("dashboard:instances_csv", args=[ledger.slug]),
    ]
    assert all(key.encode() in text(admin_client.get(address)) for address in addresses)
    MetricSetting.objects.create(application=ledger, key=key, hidden=True)
    for address in addresses:
        shown = text(admin_client.get(address.partition("?")[0]))
        assert key.encode() not in shown, address
    # The newest snapshot as JSON is on this one.
    assert key.encode() not in admin_client.get(instance.get_absolute_url()).content
    assert admin_client.get(reverse("dashboard:metric", args=[ledger.slug]), {"key": key}).status_code == 404
    assert b"no data" in admin_client.get(f"/badge/ledger/metric/{key}").content


def test_another_application_s_settings_are_its_own(ledger, rf):
    MetricSetting.objects.create(application=Application.named("Other"), key="documents", hidden=True)
    assert "documents" in cards(ledger, rf)[0]
