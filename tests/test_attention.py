"""What needs a look of everything that somebody sees: who is told what, in which order."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser

from dashboard import attention
from dashboard.concerns import Urgency
from instances.models import Application, Event, Instance, Job
from metrics.facts import facts
from tests import fleet
from tests.clock import NOW

DAY = timedelta(days=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def worked(db):
    """Regular work is being done."""
    return Job.objects.create(name="close_hours", due_at=NOW, last_run_at=NOW)


def application(team, name="Ledger", **fields):
    return Application.objects.create(name=name, slug=name.lower(), team=team, **fields)


def seen(user):
    """(application, rules) of each group, in order."""
    applications = list(Application.objects.visible_to(user))
    made = attention.of_all(facts(applications, NOW).values(), user, NOW)
    return [(str(group.application or ""), [concern.rule for concern in group.concerns]) for group in made.groups]


def conflict(application):
    fleet.instance(application, {NOW: {}}).note(Event.Kind.CONFLICT)


def wait(application):
    fleet.instance(application, {}, state=Instance.State.PENDING, awaits_approval=True)


def stop(application):
    for _ in range(3):
        fleet.instance(application, {NOW - DAY: {}})


def test_nothing_needs_a_look_where_all_is_well(team, viewer):
    fleet.instance(application(team), {NOW: {}})

    assert seen(viewer) == []


def test_the_most_urgent_stand_first_and_each_group_s_too(team, viewer):
    for name, troubles in (("A", [wait]), ("B", [wait, conflict]), ("C", []), ("D", [stop, wait]), ("E", [conflict])):
        made = application(team, name)
        for trouble in troubles:
            trouble(made)

    assert seen(viewer) == [
        ("D", ["stopped", "waiting"]),
        ("B", ["conflicts", "waiting"]),
        ("E", ["conflicts"]),
        ("A", ["waiting"]),
    ]


def test_nobody_is_told_of_another_team_s(team, other_team, viewer, superuser):
    stop(application(team))
    stop(application(other_team, "Menagerie"))

    assert [name for name, _ in seen(viewer)] == ["Ledger"]
    assert [name for name, _ in seen(superuser)] == ["Ledger", "Menagerie"]
    assert seen(AnonymousUser()) == []


def test_links_are_those_that_lead_the_user_anywhere(team, viewer, maintainer):
    made = application(team)
    wait(made)

    def links(user):
        [group] = attention.of_application(made, user, NOW).groups
        return [link.label for link in group.concerns[0].links]

    assert links(viewer) == ["Look at them"]
    assert links(maintainer) == ["Look at them", "Approve them"]


def test_one_that_came_up_by_itself_is_for_who_may_confirm_it(team, viewer, maintainer):
    made = application(team, is_confirmed=False)

    assert seen(viewer) == []
    assert seen(maintainer) == [("Ledger", ["unconfirmed"])]
    assert attention.of_application(made, viewer, NOW).groups == []
    assert attention.of_application(made, maintainer, NOW).count == 1


def test_many_that_came_up_by_themselves_are_one_line(superuser, settings):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 4
    for name in "ABC":
        application(None, name, is_confirmed=False)
    stop(Application.objects.get(name="B"))

    def site():
        made = attention.of_all(facts(list(Application.objects.all()), NOW).values(), superuser, NOW)
        [concern] = next(group for group in made.groups if group.application is None).concerns
        return concern

    assert seen(superuser) == [("B", ["stopped"]), ("", ["unconfirmed"])]
    assert site().what.startswith("3 applications came up by themselves")
    assert "No further ones" not in site().do
    application(None, "D", is_confirmed=False)
    assert site().do.startswith("No further ones are taken in.")
    assert site().links[0].url == "/admin/instances/application/?is_confirmed__exact=0"


def test_a_worker_that_is_late_is_everybody_s_affair(team, viewer, superuser, worked):
    fleet.instance(application(team), {NOW: {}})
    Job.objects.update(due_at=NOW - timedelta(hours=1))

    for user, links in ((viewer, 0), (superuser, 1)):
        made = attention.of_all([], user, NOW)
        [group] = made.groups
        [concern] = group.concerns
        assert (concern.rule, concern.urgency) == ("late", Urgency.URGENT)
        assert concern.what == "Regular work has not been done since 2026-11-22 08:30 UTC."
        assert concern.do.startswith("Start manage.py worker")
        assert len(concern.links) == links


def test_a_job_that_fails_each_time_is_for_superusers_because_its_error_may_tell_anything(viewer, superuser):
    Job.objects.update(last_run_at=NOW - DAY, last_error="KeyError: 'secret'")

    assert seen(viewer) == []
    assert seen(superuser) == [("", ["failing"])]
    [group] = attention.of_all([], superuser, NOW).groups
    assert group.concerns[0].what == "1 piece of regular work fails each time: close_hours (KeyError: 'secret')."


def test_many_groups_are_folded(team, viewer):
    for number in range(attention.GROUPS_SHOWN + 3):
        wait(application(team, f"A{number}"))
    made = attention.of_all(facts(list(Application.objects.all()), NOW).values(), viewer, NOW)

    assert (len(made.shown), len(made.folded), made.count) == (attention.GROUPS_SHOWN, 3, attention.GROUPS_SHOWN + 3)


def test_the_page_shows_what_is_folded_too_and_the_late_worker_once(client, team, viewer):
    Job.objects.update(due_at=NOW - timedelta(hours=1))
    for number in range(attention.GROUPS_SHOWN + 3):
        wait(application(team, f"A{number}"))
    client.force_login(viewer)

    text = client.get("/").content.decode()

    assert "4 more applications" in text
    assert text.count("waits for approval") == attention.GROUPS_SHOWN + 3
    assert text.count("Regular work has not been done") == 1
