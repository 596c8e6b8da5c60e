"""Why it was done: where the reason is kept, and what a reason may be."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from django.utils.html import escape

from instances.models import Application, Event, Instance
from metrics import history
from tests.actions.forms import confirmed
from tests.installation import row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


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
