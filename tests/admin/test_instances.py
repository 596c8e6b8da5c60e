"""Instances and their keys: what is shown of them, and what is done to several at once."""

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.utils import timezone

from instances.models import Instance, PublicKey
from metrics.models import Snapshot
from tests import fleet
from tests.admin.forms import INSTANCES

pytestmark = pytest.mark.django_db


def test_an_instances_form_has_its_latest_metrics_and_nothing_to_change(page, reporting):
    text = page(f"{INSTANCES}{reporting.pk}/change/")

    assert "1,234" in text
    assert "pro" in text
    assert 'name="_save"' not in text
    assert f'href="/instances/{reporting.pk}/"' in text


def test_an_instances_form_without_metrics_says_so(page, ledger):
    pending = fleet.instance(ledger, {}, state=Instance.State.PENDING)

    assert "It has sent no metrics yet." in page(f"{INSTANCES}{pending.pk}/change/")


@pytest.mark.parametrize(
    ("action", "before", "after", "said"),
    [
        ("revoke_selected", {}, {"state": "revoked"}, "Revoked: 2 instances."),
        ("restore_selected", {"state": "revoked", "revoked_at": timezone.now()}, {"state": "active"}, "Restored: 2"),
        ("exclude_selected", {}, {"exclusion": "manual"}, "Excluded: 2 instances."),
        ("include_selected", {"exclusion": "manual"}, {"exclusion": "", "excluded_at": None}, "Included: 2"),
    ],
)
def test_an_action_is_done_to_each_that_is_selected_and_logged(send, superuser, ledger, action, before, after, said):
    first, second, left = (fleet.instance(ledger, {timezone.now(): {}}) for _ in range(3))
    Instance.objects.update(**before)

    response = send(INSTANCES, {"action": action, "_selected_action": [str(first.pk), str(second.pk)]})

    assert said in response.content.decode()
    for instance in (first, second):
        instance.refresh_from_db()
        assert {name: getattr(instance, name) for name in after} == after
    assert LogEntry.objects.filter(user=superuser, action_flag=CHANGE).count() == 2
    left.refresh_from_db()
    assert (left.state, left.exclusion) == (before.get("state", "active"), before.get("exclusion", ""))


def test_deleting_an_instance_counts_its_snapshots_and_logs_it(page, send, superuser, reporting):
    path = f"{INSTANCES}{reporting.pk}/delete/"

    text = page(path)
    send(path, {"post": "yes"})

    assert str(reporting.pk) in text
    assert "snapshots" in text.lower()
    assert not Instance.objects.exists()
    assert not Snapshot.objects.exists()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.action_flag, entry.object_repr) == (superuser, DELETION, str(reporting.pk))


def test_instances_are_deleted_together(client, superuser, ledger, reporting):
    client.force_login(superuser)
    other, kept = fleet.instance(ledger, {timezone.now(): {}}), fleet.instance(ledger, {timezone.now(): {}})
    data = {"action": "delete_selected", "_selected_action": [str(reporting.pk), str(other.pk)]}

    asked = client.post(INSTANCES, data)
    assert asked.status_code == 200
    assert Instance.objects.count() == 3
    client.post(INSTANCES, {**data, "post": "yes"})

    assert [instance.pk for instance in Instance.objects.all()] == [kept.pk]
    assert LogEntry.objects.filter(action_flag=DELETION).count() == 2


def test_a_maintainer_deletes_an_instance_of_the_teams(client, maintainer, reporting):
    client.force_login(maintainer)

    client.post(f"{INSTANCES}{reporting.pk}/delete/", {"post": "yes"})

    assert not Instance.objects.exists()


def test_a_key_is_looked_at_and_never_changed(client, superuser, reporting):
    client.force_login(superuser)
    key = reporting.current_key
    path = f"/admin/instances/publickey/{key.pk}"

    assert key.fingerprint in client.get(f"{path}/change/").content.decode()
    assert client.post(f"{path}/change/", {"hex": "00" * 32}).status_code == 403
    assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert PublicKey.objects.get().hex == key.hex
