"""What is kept of it: in the audit log, in the history, and in the hours that are over."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.utils import timezone

from instances.models import Application, Event, Instance
from metrics import taking
from metrics.models import ClosedCensus
from tests.actions.forms import ACTIONS
from tests.installation import row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.mark.parametrize("name", ACTIONS)
def test_the_audit_log_says_who_did_what(act, reporting, maintainer, name):
    act(name)

    entry = LogEntry.objects.get()
    assert entry.user == maintainer
    assert (entry.object_id, entry.object_repr) == (reporting.id, reporting.id)
    assert entry.action_flag == (DELETION if name == "erase" else CHANGE)
    words = {
        "approve": "Approved",
        "erase": "Erased",
        "exclude": "Excluded",
        "include": "Included",
        "revoke": "Revoked",
    }
    assert words.get(name, "Restored") in entry.get_change_message()
    assert entry.content_type.model_class() is Instance


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["revoke", "restore"], [("revoked", ""), ("restored", "")]),
        (["exclude", "include"], [("excluded", "manual"), ("included", "")]),
    ],
)
def test_each_decision_is_filed_with_its_time(act, reporting, names, kinds):
    before = timezone.now()

    for name in names:
        act(name)

    events = Event.objects.filter(instance=reporting.id, kind__in=Event.DECISIONS)
    assert [(event.kind, event.detail) for event in events] == kinds
    assert all(before <= event.at <= timezone.now() for event in events)


def test_erased_its_events_are_gone_too(act, reporting):
    act("exclude")

    act("erase")

    [event] = Event.objects.all()
    assert (event.kind, event.instance, event.detail) == ("erased", None, "by a maintainer")


def test_a_decision_changes_no_hour_that_is_over(act, reporting):
    application = Application.objects.get()
    reported_at = row(reporting).last_report_at
    taking.close(application, reported_at + timedelta(hours=1))
    before = list(ClosedCensus.objects.values_list("at", "document"))

    act("revoke")
    taking.close(application, reported_at + timedelta(hours=1))

    assert list(ClosedCensus.objects.values_list("at", "document")) == before
    [(_, document)] = before
    assert (document["instances"]["active"], document["instances"]["revoked"]) == (1, 0)
