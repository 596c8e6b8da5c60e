"""Saved views of the instance table: /applications/<slug>/views/ and what is done there."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.models import SavedView, TooManyViews
from dashboard.saved_views import SavedViews
from instances.models import Application
from metrics.models import MetricSetting
from tests import fleet

URL = "/applications/ledger/views/"
PAGE = "/applications/ledger/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger(team) -> Application:
    application = Application.objects.create(name="Ledger", slug="ledger", team=team)
    now = timezone.now()
    fleet.instance(application, {now: {"plan": "pro", "users": 5}}, app_version="1.0")
    fleet.instance(application, {now: {"plan": "free", "users": 50}}, app_version="2.0")
    fleet.instance(application, {now - timedelta(days=60): {"plan": "pro"}}, app_version="2.0")
    return application


@pytest.fixture
def signed_in(client, ledger):
    def signed_in(user):
        client.force_login(user)
        return client

    return signed_in


def save(client, name="Pro", query="f.plan=pro", **more):
    return client.post(URL, {"name": name, "query": query, **more})


def act(client, view, action, **data):
    return client.post(f"{URL}{view.pk}/{action}", data)


def messages(response, client):
    return [str(message) for message in client.get(response.headers["Location"].partition("#")[0]).context["messages"]]


def shown(client, query=""):
    response = client.get(f"{PAGE}?{query}")
    assert response.status_code == 200
    return response.context["page"]


def view_of(application, owner=None, name="Pro", query="f.plan=pro", **more):
    return SavedView.objects.create(application=application, owner=owner, name=name, query=query, **more)


# Saving


def test_a_viewer_saves_a_view_and_is_led_back_to_it(signed_in, viewer, ledger):
    client = signed_in(viewer)

    response = save(client, query="sort=id&f.plan=pro&c=m.plan")

    view = SavedView.objects.get()
    assert (view.application, view.owner, view.name) == (ledger, viewer, "Pro")
    assert view.query == "f.plan=pro&c=m.plan&sort=id"
    assert response.status_code == 302
    assert response.headers["Location"] == f"{PAGE}?{view.query}#instances"
    assert "The view “Pro” is saved." in messages(response, client)
    assert not LogEntry.objects.exists()


def test_only_what_the_table_understands_is_saved(signed_in, viewer, ledger):
    MetricSetting.objects.create(application=ledger, key="users", hidden=True)
    query = (
        "f.plan=pro&metric=users&page=3&evil=%3Cscript%3E&state=nonsense&min.plan=x&min.users=1&c=m.users&download=a"
    )

    save(signed_in(viewer), query=query)

    assert SavedView.objects.get().query == "f.plan=pro"


def test_a_name_that_there_is_is_given_to_the_new_view(signed_in, viewer, ledger):
    client = signed_in(viewer)
    save(client, query="f.plan=pro")

    response = save(client, query="f.plan=free")

    assert SavedView.objects.get().query == "f.plan=free"
    assert "The view “Pro” is replaced by this one." in messages(response, client)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "two\nlines", "tab\there", "\0"])
def test_a_view_needs_a_name_of_one_line(signed_in, viewer, ledger, name):
    client = signed_in(viewer)

    response = save(client, name=name)

    assert "A view needs a name: one line of at most 60 characters." in messages(response, client)
    assert not SavedView.objects.exists()


def test_any_line_may_be_a_name(signed_in, viewer, ledger, hostile):
    client = signed_in(viewer)
    names = [name for name in hostile if name.strip() and name.isprintable() and len(name) <= 60]

    for name in names:
        save(client, name=name)

    assert sorted(SavedView.objects.values_list("name", flat=True)) == sorted(names)
    for page in (URL, PAGE):
        content = client.get(page).content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content
        assert "{{ 7|add:7 }}" in content


def test_there_is_a_bound_on_how_many_there_are(signed_in, viewer, maintainer, ledger, monkeypatch):
    monkeypatch.setattr(SavedView, "MOST", 2)
    client = signed_in(viewer)
    save(client, name="a")
    save(client, name="b")

    response = save(client, name="c")

    assert "There are 2 views already. Delete one that nobody opens." in messages(response, client)
    assert SavedView.objects.count() == 2
    save(client, name="b", query="f.plan=free")
    assert SavedView.objects.get(name="b").query == "f.plan=free"
    # Each person has room of their own, and so has everybody.
    save(signed_in(maintainer), name="c")
    save(client, name="c", for_all="on")
    assert SavedView.objects.count() == 4


def test_a_view_that_asks_for_too_much_is_not_saved(signed_in, viewer, ledger):
    client = signed_in(viewer)

    response = save(client, query="&".join(f"f.plan={'x' * 180}{number}" for number in range(30)))

    assert not SavedView.objects.exists()
    assert response.status_code == 302


def test_a_token_is_asked_for(ledger, viewer):
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer)

    assert save(client).status_code == 403
    assert not SavedView.objects.exists()


# For all


def test_a_maintainer_saves_one_for_all_and_the_audit_log_tells(signed_in, maintainer, viewer, ledger):
    save(signed_in(maintainer), for_all="on")

    view = SavedView.objects.get()
    assert view.owner is None
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.change_message) == (maintainer, "Ledger", "The view “Pro” is saved.")
    assert view in shown(signed_in(viewer)).saved.views


def test_a_viewer_does_not(signed_in, viewer, ledger):
    view = view_of(ledger)
    client = signed_in(viewer)

    answers = [
        save(client, for_all="on"),
        *(act(client, view, name, name="x") for name in ("rename", "delete", "default", "no-default")),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert SavedView.objects.get() == view
    assert not LogEntry.objects.exists()
    assert 'name="for_all"' not in client.get(PAGE).content.decode()
    assert "Delete" not in client.get(URL).content.decode()


def test_one_s_own_view_is_nobody_else_s(signed_in, viewer, maintainer, superuser, ledger):
    view = view_of(ledger, viewer, name="Mine")

    for user in (maintainer, superuser):
        client = signed_in(user)
        assert "Mine" not in client.get(URL).content.decode()
        assert "Mine" not in client.get(PAGE).content.decode()
        assert {act(client, view, name).status_code for name in ("rename", "delete", "default")} == {404}
    assert SavedView.objects.get().name == "Mine"


def test_a_view_of_another_application_is_not_found_in_this_one(signed_in, maintainer, ledger, team):
    view = view_of(Application.objects.create(name="Abacus", slug="abacus", team=team))

    assert act(signed_in(maintainer), view, "delete").status_code == 404


def test_what_a_team_does_is_not_for_another(signed_in, other_maintainer, ledger):
    view = view_of(ledger)
    client = signed_in(other_maintainer)

    assert client.get(URL).status_code == 404
    assert save(client).status_code == 404
    assert act(client, view, "delete").status_code == 404
    assert SavedView.objects.get() == view


def test_a_view_for_all_stays_when_its_maker_goes(signed_in, maintainer, ledger):
    client = signed_in(maintainer)
    save(client, name="For all", for_all="on")
    save(client, name="Mine")

    maintainer.delete()

    assert [view.name for view in SavedView.objects.all()] == ["For all"]


def test_views_go_with_their_application(ledger, viewer):
    view_of(ledger, viewer)
    view_of(ledger)

    ledger.erase()

    assert not SavedView.objects.exists()


# Renaming and deleting


def test_it_is_renamed(signed_in, maintainer, ledger):
    view = view_of(ledger)
    client = signed_in(maintainer)

    response = act(client, view, "rename", name="Paying")

    view.refresh_from_db()
    assert (response.status_code, response.headers["Location"], view.name) == (302, URL, "Paying")
    assert LogEntry.objects.get().change_message == "The view “Pro” is called “Paying” now."


@pytest.mark.parametrize("name", ["", "x" * 61, "a\nb", "Taken"])
def test_it_keeps_its_name_where_another_is_none_or_taken(signed_in, viewer, ledger, name):
    view_of(ledger, viewer, name="Taken")
    view = view_of(ledger, viewer)
    client = signed_in(viewer)

    response = act(client, view, "rename", name=name)

    view.refresh_from_db()
    assert view.name == "Pro"
    assert len(messages(response, client)) == 1


def test_it_is_deleted(signed_in, maintainer, viewer, ledger):
    shared, own = view_of(ledger), view_of(ledger, viewer)

    assert act(signed_in(viewer), own, "delete").status_code == 302
    assert not LogEntry.objects.exists()
    assert act(signed_in(maintainer), shared, "delete").status_code == 302
    assert LogEntry.objects.get().change_message == "The view “Pro” is deleted."
    assert not SavedView.objects.exists()


def test_other_actions_and_methods_are_none(signed_in, viewer, ledger):
    view = view_of(ledger, viewer)
    client = signed_in(viewer)

    assert act(client, view, "share").status_code == 400
    assert client.get(f"{URL}{view.pk}/delete").status_code == 405
    assert act(client, SavedView(pk=10**18), "delete").status_code == 404


# The default


def test_the_page_begins_with_the_default_view(signed_in, viewer, ledger):
    view = view_of(ledger, viewer)
    client = signed_in(viewer)
    assert len(shown(client).rows) == 3

    act(client, view, "default")

    assert len(shown(client).rows) == len(shown(client, "metric=users&period=7d").rows) == 2
    assert len(shown(client, "state=all").rows) == 3
    assert len(shown(client, "q=2.0").rows) == 2
    act(client, view, "no-default")
    assert len(shown(client).rows) == 3


def test_one_s_own_default_comes_before_everybody_s(signed_in, viewer, maintainer, ledger):
    view_of(ledger, name="For all", query="f.plan=free", is_default=True)
    own = view_of(ledger, viewer, name="Everything", query="")
    client = signed_in(viewer)
    assert len(shown(client).rows) == 1

    act(client, own, "default")

    assert len(shown(client).rows) == 3
    assert len(shown(signed_in(maintainer)).rows) == 1


def test_there_is_one_default_at_a_time(signed_in, maintainer, ledger):
    first, second = view_of(ledger, name="a"), view_of(ledger, name="b")
    own = view_of(ledger, maintainer, name="c")
    client = signed_in(maintainer)

    for view in (first, second, own):
        act(client, view, "default")

    assert set(SavedView.objects.filter(is_default=True)) == {second, own}


@pytest.mark.parametrize("owned", [True, False])
def test_the_database_holds_it_so(ledger, viewer, owned):
    owner = viewer if owned else None
    view_of(ledger, owner, name="a", is_default=True)

    for other in ({"name": "a"}, {"name": "b", "is_default": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            view_of(ledger, owner, **other)


# Showing them


def test_the_page_lists_them_one_s_own_first_and_says_which_is_open(signed_in, viewer, ledger):
    view_of(ledger, name="A, for all", query="f.plan=free")
    view_of(ledger, viewer, name="Z, mine", query="f.plan=pro&sort=id")
    client = signed_in(viewer)

    content = client.get(f"{PAGE}?f.plan=pro&sort=id&metric=users").content.decode()

    assert content.index("Z, mine") < content.index("A, for all")
    chips = content.split('aria-labelledby="views-label"')[1].split("</nav>")[0]
    assert chips.index('aria-current="true"') < chips.index("Z, mine") < chips.index('aria-current="false"')


def test_the_page_of_views_says_in_words_what_each_asks_for(signed_in, viewer, ledger):
    view_of(
        ledger, viewer, query="q=x&state=new&f.plan=&f.plan=pro&min.users=5e3&c=app_version&c=m.users&sort=-m.users"
    )
    view_of(ledger, name="All", query="")

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", signed_in(viewer).get(URL).content.decode()))

    wanted = "Search x State New Plan (not said) Plan pro Users ≥ 5,000 Sorted by Users ↓ Columns Version, Users"
    assert wanted in text
    assert "All instances" in text


def test_a_saved_view_shows_what_it_showed(signed_in, viewer, ledger, hostile):
    client = signed_in(viewer)
    query = QueryDict(mutable=True)
    query.setlist("f.plan", [text for text in hostile if len(text) <= 200])
    save(client, query=query.urlencode())

    view = SavedView.objects.get()

    asked = shown(client, view.query).table.asked
    assert asked.by_key("f.")["plan"] == list(dict.fromkeys(text for text in hostile))
    assert asked.ignored == ()


def test_without_one_the_page_of_views_says_how_to_make_one(signed_in, viewer, ledger):
    assert "There is none yet." in signed_in(viewer).get(URL).content.decode()


@pytest.mark.parametrize("page", [URL, PAGE])
def test_the_number_of_queries_does_not_depend_on_that_of_views(signed_in, viewer, ledger, page):
    client = signed_in(viewer)
    client.get(page)  # What is remembered from here on is no part of it.

    def queries(views):
        SavedView.objects.bulk_create(
            SavedView(application=ledger, owner=viewer, name=f"{views}-{number}") for number in range(views)
        )
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page).status_code == 200
        return len(captured)

    assert queries(1) == queries(20)


def test_keeping_more_than_the_bound_is_refused(ledger, viewer, monkeypatch):
    monkeypatch.setattr(SavedView, "MOST", 1)
    assert SavedView.keep(ledger, viewer.pk, "a", "") is False

    with pytest.raises(TooManyViews):
        SavedView.keep(ledger, viewer.pk, "b", "")


def test_nobody_has_views_who_is_not_signed_in(ledger):
    view_of(ledger)

    assert SavedViews.of(ledger, AnonymousUser()).views == []
