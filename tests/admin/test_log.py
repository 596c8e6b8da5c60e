"""The audit log."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from tests.admin.forms import APPLICATIONS, settings_of

pytestmark = pytest.mark.django_db


def test_the_audit_log_is_read_only(client, superuser, ledger):
    entry = LogEntry.objects.create(
        user=superuser, object_id="1", object_repr="Ledger", action_flag=CHANGE, change_message="Seen to."
    )
    client.force_login(superuser)
    path = "/admin/admin/logentry/"

    text = client.get(path).content.decode()
    assert "Ledger" in text
    assert "superuser" in text
    assert "Seen to." in text
    assert client.post(f"{path}{entry.pk}/change/", {"object_repr": "x"}).status_code == 403
    assert client.post(f"{path}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{path}add/").status_code == 403
    client.post(path, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert LogEntry.objects.get().object_repr == "Ledger"


def test_what_the_admin_changes_is_in_the_audit_log(send, page, superuser, ledger):
    send(f"{APPLICATIONS}{ledger.pk}/change/", settings_of(ledger, active_days=7))

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.action_flag) == (superuser, "Ledger", CHANGE)
    assert "active window" in entry.get_change_message().lower()
    assert "Ledger" in page("/admin/admin/logentry/")
