"""Django's admin over applications, instances, keys, teams, users and the audit log."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.admin.access import MAINTAINER_PERMISSIONS
from dashboard.navigation import sidebar
from instances.enrolment import EnrolmentToken
from instances.models import Application, Instance, Job, PublicKey
from metrics.models import KeyFlag, Snapshot
from tests import fleet

DAY = timedelta(days=1)
APPLICATIONS, INSTANCES = "/admin/instances/application/", "/admin/instances/instance/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def reporting(ledger) -> Instance:
    now = timezone.now()
    return fleet.instance(
        ledger, {now - DAY: {"documents": 3}, now: {"documents": 1234, "plan": "pro"}}, app_version="1.4.2"
    )


@pytest.fixture
def page(client, superuser):
    """The page as a superuser gets it."""
    client.force_login(superuser)

    def get(path):
        response = client.get(path)
        assert response.status_code == 200, path
        return response.content.decode()

    return get


@pytest.fixture
def send(client, superuser):
    """What a superuser's form leads to."""
    client.force_login(superuser)
    return lambda path, data: client.post(path, data, follow=True)


def problems(response):
    """What the form says is wrong, for a message that helps where the form was refused."""
    form = response.context.get("adminform") if response.context else None
    return form.errors if form else None


# Every model


def test_each_models_list_and_form_open_with_data(page, reporting, superuser):
    LogEntry.objects.create(user=superuser, object_id="1", object_repr="Ledger", action_flag=CHANGE)
    Job.objects.create(name="close_hours")
    EnrolmentToken.objects.create(application=reporting.application, name="Bank", digest="ab" * 32)
    KeyFlag.objects.create(application=Application.objects.first(), key="owner", kind="email")
    models = list(admin.site._registry)
    names = {"Application", "Instance", "EnrolmentToken", "Job", "PublicKey", "KeyFlag", "LogEntry", "Group", "User"}
    assert {model.__name__ for model in models} == names

    for model in models:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert "No results" not in page(base), base
        for some in model._default_manager.all()[:2]:
            page(f"{base}{some.pk}/change/")
            page(f"{base}{some.pk}/history/")


def test_the_index_is_the_overview_whose_sidebar_lists_what_there_is(client, superuser):
    client.force_login(superuser)

    response = client.get("/admin/", follow=True)

    assert response.redirect_chain == [("/", 302)]
    text = response.content.decode()
    for path in (APPLICATIONS, INSTANCES, "/admin/auth/user/", "/admin/auth/group/", "/admin/admin/logentry/"):
        assert f'href="{path}"' in text


def test_each_list_is_called_what_the_sidebar_calls_it(client, superuser, rf):
    client.force_login(superuser)
    request = rf.get("/")
    request.user, request.resolver_match = superuser, None
    items = [item for section in sidebar(request) for item in section["items"]]
    lists = [item for item in items if item["link"].startswith("/admin/")]
    assert len(lists) > 8

    for item in lists:
        response = client.get(item["link"])
        assert str(response.context["opts"].verbose_name_plural).lower() == str(item["title"]).lower()


def test_teams_are_called_so_where_users_are_put_into_them(page, superuser):
    text = page(f"/admin/auth/user/{superuser.pk}/change/")

    assert "Teams" in text
    assert "Members see the applications of their teams" in text
    assert "groups this user belongs to" not in text


def test_who_has_logged_out_is_told_so_in_the_sites_own_words(client, superuser):
    client.force_login(superuser)

    text = client.post("/admin/logout/").content.decode()

    assert "You are logged out" in text
    assert 'href="/"' in text
    assert "quality time" not in text
    assert 'lang="' in text


GARBAGE = ["\0", "a\0b", "x" * 3000, "9" * 30, "%", "'", '"', "🦄", "<script>alert(1)</script>", "two words"]


@pytest.mark.parametrize("path", [APPLICATIONS, INSTANCES, "/admin/instances/publickey/", "/admin/admin/logentry/"])
def test_searching_for_anything_is_no_error(client, superuser, reporting, path):
    client.force_login(superuser)

    for value in GARBAGE:
        response = client.get(path, {"q": value})
        assert response.status_code == 200, value
        assert "<script>alert" not in response.content.decode()


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        (APPLICATIONS, "q=edg", True),
        (APPLICATIONS, "q=nothing", False),
        (INSTANCES, "q=1.4", True),
        (INSTANCES, "q=9.9", False),
        (INSTANCES, "state__exact=active", True),
        (INSTANCES, "state__exact=revoked", False),
        (INSTANCES, "exclusion__exact=test", False),
    ],
)
def test_lists_are_searched_and_filtered(client, superuser, reporting, path, query, found):
    client.force_login(superuser)

    assert client.get(f"{path}?{query}").context["cl"].result_count == int(found)


def test_an_instance_is_found_by_the_beginning_of_its_id(client, superuser, reporting, ledger):
    fleet.instance(ledger, {})
    client.force_login(superuser)

    for beginning in (str(reporting.pk)[:13], str(reporting.pk)):
        [found] = client.get(INSTANCES, {"q": beginning}).context["cl"].result_list
        assert found.pk == reporting.pk


def test_lists_take_no_more_queries_for_more_rows(client, superuser, ledger):
    client.force_login(superuser)
    paths = [APPLICATIONS, INSTANCES, "/admin/instances/publickey/"]

    def fill(number):
        for _ in range(number):
            fleet.instance(ledger, {timezone.now(): {"documents": 1}})
        for _ in range(number):
            name = f"application {Application.objects.count()}"
            Application.objects.create(name=name, slug=name.replace(" ", "-"), team=ledger.team)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            for path in paths:
                assert client.get(path).status_code == 200
        return len(captured)

    fill(3)
    queries()
    few = queries()
    fill(27)

    assert queries() == few


# Applications


def settings_of(application, **changes):
    form = {"name": application.name, "active_days": 30, "report_minutes": 60, "publishes_badges": "on"}
    return {**form, **changes}


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

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(f"{APPLICATIONS}{ledger.pk}/delete/")
        return len(captured)

    queries()
    few = queries()
    for _ in range(3):
        fleet.instance(ledger, {timezone.now() - number * DAY / 24: {} for number in range(10)})

    assert queries() == few


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


# Instances


def test_an_instances_form_has_its_latest_metrics_and_nothing_to_change(page, reporting):
    text = page(f"{INSTANCES}{reporting.pk}/change/")

    assert "1,234" in text
    assert "pro" in text
    assert 'name="_save"' not in text
    assert f'href="/instances/{reporting.pk}/"' in text


def test_an_instances_form_without_metrics_says_so(page, ledger):
    pending = fleet.instance(ledger, {}, state=Instance.State.PENDING)

    assert "It has sent no metrics yet." in page(f"{INSTANCES}{pending.pk}/change/")


def test_hostile_texts_are_shown_as_they_are(page, ledger, hostile):
    metrics = {**dict.fromkeys(hostile, 1), **{f"text {index}": text for index, text in enumerate(hostile)}}
    instance = fleet.instance(ledger, {timezone.now(): metrics}, app_version=hostile[0], environment=hostile[1])
    ledger.name = hostile[2]
    ledger.save()

    for path in (
        "/",
        APPLICATIONS,
        INSTANCES,
        f"{APPLICATIONS}{ledger.pk}/change/",
        f"{APPLICATIONS}{ledger.pk}/delete/",
        f"{INSTANCES}{instance.pk}/change/",
        f"{INSTANCES}{instance.pk}/delete/",
    ):
        text = page(path)
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path


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


# Keys


def test_a_key_is_looked_at_and_never_changed(client, superuser, reporting):
    client.force_login(superuser)
    key = reporting.current_key
    path = f"/admin/instances/publickey/{key.pk}"

    assert key.fingerprint in client.get(f"{path}/change/").content.decode()
    assert client.post(f"{path}/change/", {"hex": "00" * 32}).status_code == 403
    assert client.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert PublicKey.objects.get().hex == key.hex


# Teams and users


def test_a_new_teams_form_offers_what_maintainers_need(client, superuser):
    client.force_login(superuser)

    form = client.get("/admin/auth/group/add/").context["adminform"].form

    assert sorted(permission.codename for permission in form.initial["permissions"]) == sorted(MAINTAINER_PERMISSIONS)


def test_a_team_is_made_with_its_permissions(send, superuser):
    wanted = Permission.objects.filter(codename__in=MAINTAINER_PERMISSIONS)

    send("/admin/auth/group/add/", {"name": "Potters", "permissions": [permission.pk for permission in wanted]})

    assert Group.objects.get(name="Potters").permissions.count() == len(MAINTAINER_PERMISSIONS)
    assert LogEntry.objects.get().action_flag == ADDITION


def test_deleting_a_team_leaves_its_applications_to_superusers(send, team, ledger):
    send(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"})

    assert not Group.objects.exists()
    ledger.refresh_from_db()
    assert ledger.team is None


def test_a_new_user_is_staff_and_can_sign_in(send, team):
    data = {"username": "ada", "usable_password": "true", "password1": "s7aple-pass", "password2": "s7aple-pass"}

    response = send("/admin/auth/user/add/", data)

    assert "ada" in response.content.decode()
    user = User.objects.get(username="ada")
    assert (user.is_staff, user.is_superuser) == (True, False)
    answer = Client().post("/admin/login/", {"username": "ada", "password": "s7aple-pass", "next": "/"})
    assert answer["Location"] == "/"


def test_a_changed_user_stays_what_the_form_says(client, superuser, viewer, team):
    client.force_login(superuser)
    data = {
        "username": "viewer",
        "groups": [team.pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }

    response = client.post(f"/admin/auth/user/{viewer.pk}/change/", data)

    assert response.status_code == 302
    viewer.refresh_from_db()
    assert (viewer.is_active, viewer.is_staff) == (False, False)


def test_a_superuser_sets_another_ones_password(client, superuser, viewer):
    client.force_login(superuser)
    data = {"usable_password": "true", "password1": "s7aple-pass", "password2": "s7aple-pass"}

    assert client.post(f"/admin/auth/user/{viewer.pk}/password/", data).status_code == 302

    viewer.refresh_from_db()
    assert viewer.check_password("s7aple-pass")


# The audit log


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


# Signing in


def test_the_login_renders_and_leads_where_one_wanted_to_go(client, viewer):
    page = client.get("/admin/login/", {"next": "/applications/ledger/"})
    assert page.status_code == 200
    assert 'name="password"' in page.content.decode()

    wrong = client.post("/admin/login/", {"username": "viewer", "password": "wrong"})
    assert wrong.status_code == 200
    assert "Please enter the correct" in wrong.content.decode()
    data = {"username": "viewer", "password": "correct horse battery", "next": "/applications/ledger/"}
    assert client.post("/admin/login/", data)["Location"] == "/applications/ledger/"


def test_the_login_leads_to_no_other_site(client, viewer):
    away = "https://example.org/"
    data = {"username": "viewer", "password": "correct horse battery", "next": away}

    assert away not in client.post(f"/admin/login/?next={quote(away)}", data)["Location"]


def test_signing_out_ends_the_session(client, viewer):
    client.force_login(viewer)
    assert client.get("/").status_code == 200

    client.post("/admin/logout/")

    assert client.get("/").status_code == 302
