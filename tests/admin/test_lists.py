"""What holds for each model: its list opens, is found by its name, searched and filtered, and shows any text."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.utils import timezone

from dashboard.navigation import sidebar
from instances.enrolment import EnrolmentToken
from instances.models import Application, Job
from metrics.models import KeyFlag
from tests import fleet
from tests.admin.forms import APPLICATIONS, INSTANCES
from tests.queries import queries

pytestmark = pytest.mark.django_db


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

    def look():
        for path in paths:
            assert client.get(path).status_code == 200

    fill(3)
    look()
    few = queries(look)
    fill(27)

    assert queries(look) == few


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


def test_an_empty_list_says_whether_anything_was_looked_for(client, superuser):
    client.force_login(superuser)

    assert "Nothing here yet" in client.get("/admin/admin/logentry/").content.decode()
    assert "Nothing found" in client.get("/admin/admin/logentry/?q=nothing-like-this").content.decode()
