"""Who sees what: every address of the site for everybody, and nothing of another team's anywhere."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from dashboard.models import SavedView
from instances.enrolment import EnrolmentToken
from instances.models import Application, Instance, Job, PublicKey
from metrics.models import KeyFlag
from tests import fleet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]

# Everything by which the other team's application could be recognised.
SECRET_METRIC, SECRET_VERSION = "penguins_fed", "7.7.7-iceberg"
SECRET_TOKEN = "Aquarium partners"
SECRET_VIEW = "Hungry ones"
SECRETS = [
    SECRET_TOKEN,
    SECRET_VIEW,
    "Menagerie",
    "menagerie",
    SECRET_METRIC,
    "Penguins fed",
    SECRET_VERSION,
    "iceberg",
    "feed-me-fish",
]


@pytest.fixture(autouse=True)
def no_remembered_searches():
    cache.clear()


@pytest.fixture
def ledger_instance(ledger) -> Instance:
    return fleet.instance(ledger, {timezone.now(): {"documents": 5}}, app_version="1.0.0")


@pytest.fixture
def menagerie(other_team) -> Application:
    return Application.objects.create(name="Menagerie", slug="menagerie", team=other_team)


@pytest.fixture
def secret(menagerie) -> Instance:
    metrics = {SECRET_METRIC: 41, "motto": "feed-me-fish", f"{SECRET_METRIC}_by": "keeper@example.com"}
    EnrolmentToken.objects.create(application=menagerie, name=SECRET_TOKEN, digest="cd" * 32)
    menagerie.releases.create(version=SECRET_VERSION, released_at=timezone.now())
    SavedView.objects.create(application=menagerie, name=SECRET_VIEW, query="f.motto=feed-me-fish", is_default=True)
    return fleet.instance(
        menagerie,
        {timezone.now() - timedelta(days=2): metrics, timezone.now(): metrics},
        app_version=SECRET_VERSION,
        environment="iceberg",
    )


def client_of(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def routes(patterns: list[URLPattern | URLResolver] | None = None, prefix: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


# For each route of the site: an address of it, what is in braces being our team's, and the status of a GET for nobody,
# the other team's maintainer, a viewer, a maintainer and a superuser. 302 is the way to the login for nobody, and
# Django's "doesn't exist" for who may not see an object in the admin.
PUBLIC = (200, 200, 200, 200, 200)
NO_GET = (405, 405, 405, 405, 405)
NOWHERE = (404, 404, 404, 404, 404)
ANY_STAFF = (302, 200, 200, 200, 200)
OUR_TEAM = (302, 404, 200, 200, 200)
OUR_ADMIN = (302, 302, 403, 200, 200)  # The maintainers' models in the admin; a viewer has no business there.
LISTS = (302, 200, 403, 200, 200)  # Each lists what is the user's own.
SUPERUSERS = (302, 403, 403, 403, 200)
FORBIDDEN = (302, 403, 403, 403, 403)
REDIRECTED = (302, 302, 302, 302, 302)

TABLE: dict[str, tuple[str, tuple[int, ...]]] = {
    "^/*v1/register": ("/v1/register", NO_GET),
    "^/*v1/activate": ("/v1/activate", NO_GET),
    "^/*v1/snapshot": ("/v1/snapshot", NO_GET),
    "^/*v1/snapshots": ("/v1/snapshots", NO_GET),
    "^/*v1/rotate": ("/v1/rotate", NO_GET),
    "^/*v1/export": ("/v1/export", NO_GET),
    "^/*v1/forget": ("/v1/forget", NO_GET),
    "^/*api/v1/healthcheck$": ("/api/v1/healthcheck", PUBLIC),
    r"^/*api/openapi\.yaml$": ("/api/openapi.yaml", PUBLIC),
    "readyz": ("/readyz", PUBLIC),
    "^/*(?:v1|api)/": ("/v1/nothing-here", NOWHERE),
    "badge/<slug:slug>/instances": ("/badge/ledger/instances", PUBLIC),
    "badge/<slug:slug>/version": ("/badge/ledger/version", PUBLIC),
    "badge/<slug:slug>/metric/<path:name>": ("/badge/ledger/metric/documents", PUBLIC),
    "badge/<slug:slug>/combined": ("/badge/ledger/combined", PUBLIC),
    "preferences/": ("/preferences/", NO_GET),
    "": ("/", ANY_STAFF),
    "applications/<slug:slug>/": ("/applications/ledger/", OUR_TEAM),
    "applications/<slug:slug>/metric/": ("/applications/ledger/metric/?key=documents", OUR_TEAM),
    "applications/<slug:slug>/metric-settings/": (
        "/applications/ledger/metric-settings/",
        (302, 404, 403, 200, 200),
    ),
    "applications/<slug:slug>/instances.csv": ("/applications/ledger/instances.csv", OUR_TEAM),
    "applications/<slug:slug>/instances.json": ("/applications/ledger/instances.json", OUR_TEAM),
    "applications/<slug:slug>/views/": ("/applications/ledger/views/", OUR_TEAM),
    "applications/<slug:slug>/views/<int:pk>/<slug:name>": (
        "/applications/ledger/views/{view}/delete",
        (302, 405, 405, 405, 405),
    ),
    "applications/<slug:slug>/versions/": ("/applications/ledger/versions/", OUR_TEAM),
    "applications/<slug:slug>/releases/": ("/applications/ledger/releases/", (302, 405, 405, 405, 405)),
    "applications/<slug:slug>/releases/<int:pk>/<slug:name>": (
        "/applications/ledger/releases/{release}/hide",
        (302, 405, 405, 405, 405),
    ),
    "applications/<slug:slug>/lifecycle/": ("/applications/ledger/lifecycle/", OUR_TEAM),
    "applications/<slug:slug>/history/": ("/applications/ledger/history/", OUR_TEAM),
    "applications/<slug:slug>/history.csv": ("/applications/ledger/history.csv", OUR_TEAM),
    "applications/<slug:slug>/flags/<int:pk>/<slug:name>": (
        "/applications/ledger/flags/{flag}/allow",
        (302, 405, 405, 405, 405),
    ),
    "instances/<uuid:pk>/": ("/instances/{instance}/", OUR_TEAM),
    "admin/": ("/admin/", REDIRECTED),
    "instances/<uuid:pk>/<slug:name>": ("/instances/{instance}/revoke", (302, 404, 403, 200, 200)),
    "admin/search/": ("/admin/search/?s=ledger&extended=1", (302, 404, 404, 404, 404)),
    "admin/login/": ("/admin/login/", (200, 302, 302, 302, 302)),
    "admin/login/code/": ("/admin/login/code/", (302, 302, 302, 302, 302)),
    "admin/two-factor/": ("/admin/two-factor/", ANY_STAFF),
    "admin/two-factor/off/": ("/admin/two-factor/off/", (302, 405, 405, 405, 405)),
    "admin/two-factor/codes/": ("/admin/two-factor/codes/", (302, 405, 405, 405, 405)),
    "admin/logout/": ("/admin/logout/", (302, 405, 405, 405, 405)),
    "admin/password_change/": ("/admin/password_change/", ANY_STAFF),
    "admin/password_change/done/": ("/admin/password_change/done/", ANY_STAFF),
    "admin/autocomplete/": (
        "/admin/autocomplete/?app_label=instances&model_name=instance&field_name=application&term=",
        LISTS,
    ),
    "admin/jsi18n/": ("/admin/jsi18n/", ANY_STAFF),
    "admin/r/<path:content_type_id>/<path:object_id>/": (
        "/admin/r/{application_type}/{application}/",
        NOWHERE,
    ),
    "admin/^(?P<app_label>auth|instances|metrics|admin)/$": ("/admin/instances/", (302, 200, 404, 200, 200)),
    "admin/(?P<url>.*)$": ("/admin/nothing-here", (302, 404, 404, 404, 404)),
    "admin/instances/application/": ("/admin/instances/application/", LISTS),
    "admin/instances/application/add/": ("/admin/instances/application/add/", SUPERUSERS),
    "admin/instances/application/<path:object_id>/history/": (
        "/admin/instances/application/{application}/history/",
        OUR_ADMIN,
    ),
    "admin/instances/application/<path:object_id>/delete/": (
        "/admin/instances/application/{application}/delete/",
        SUPERUSERS,
    ),
    "admin/instances/application/<path:object_id>/change/": (
        "/admin/instances/application/{application}/change/",
        OUR_ADMIN,
    ),
    "admin/instances/application/<path:object_id>/": ("/admin/instances/application/{application}/", REDIRECTED),
    "admin/instances/instance/": ("/admin/instances/instance/", LISTS),
    "admin/instances/instance/add/": ("/admin/instances/instance/add/", FORBIDDEN),
    "admin/instances/instance/<path:object_id>/history/": ("/admin/instances/instance/{instance}/history/", OUR_ADMIN),
    "admin/instances/instance/<path:object_id>/delete/": ("/admin/instances/instance/{instance}/delete/", OUR_ADMIN),
    "admin/instances/instance/<path:object_id>/change/": ("/admin/instances/instance/{instance}/change/", OUR_ADMIN),
    "admin/instances/instance/<path:object_id>/": ("/admin/instances/instance/{instance}/", REDIRECTED),
    "admin/instances/publickey/": ("/admin/instances/publickey/", LISTS),
    "admin/instances/publickey/add/": ("/admin/instances/publickey/add/", FORBIDDEN),
    "admin/instances/publickey/<path:object_id>/history/": ("/admin/instances/publickey/{key}/history/", OUR_ADMIN),
    "admin/instances/publickey/<path:object_id>/delete/": ("/admin/instances/publickey/{key}/delete/", FORBIDDEN),
    "admin/instances/publickey/<path:object_id>/change/": ("/admin/instances/publickey/{key}/change/", OUR_ADMIN),
    "admin/instances/publickey/<path:object_id>/": ("/admin/instances/publickey/{key}/", REDIRECTED),
    "admin/instances/enrolmenttoken/": ("/admin/instances/enrolmenttoken/", LISTS),
    "admin/instances/enrolmenttoken/add/": ("/admin/instances/enrolmenttoken/add/", LISTS),
    "admin/instances/enrolmenttoken/<path:object_id>/history/": (
        "/admin/instances/enrolmenttoken/{token}/history/",
        OUR_ADMIN,
    ),
    "admin/instances/enrolmenttoken/<path:object_id>/delete/": (
        "/admin/instances/enrolmenttoken/{token}/delete/",
        FORBIDDEN,
    ),
    "admin/instances/enrolmenttoken/<path:object_id>/change/": (
        "/admin/instances/enrolmenttoken/{token}/change/",
        OUR_ADMIN,
    ),
    "admin/instances/enrolmenttoken/<path:object_id>/": ("/admin/instances/enrolmenttoken/{token}/", REDIRECTED),
    "admin/metrics/keyflag/": ("/admin/metrics/keyflag/", LISTS),
    "admin/metrics/keyflag/add/": ("/admin/metrics/keyflag/add/", FORBIDDEN),
    "admin/metrics/keyflag/<path:object_id>/history/": ("/admin/metrics/keyflag/{flag}/history/", OUR_ADMIN),
    "admin/metrics/keyflag/<path:object_id>/delete/": ("/admin/metrics/keyflag/{flag}/delete/", FORBIDDEN),
    "admin/metrics/keyflag/<path:object_id>/change/": ("/admin/metrics/keyflag/{flag}/change/", OUR_ADMIN),
    "admin/metrics/keyflag/<path:object_id>/": ("/admin/metrics/keyflag/{flag}/", REDIRECTED),
    "admin/instances/job/": ("/admin/instances/job/", SUPERUSERS),
    "admin/instances/job/add/": ("/admin/instances/job/add/", FORBIDDEN),
    "admin/instances/job/<path:object_id>/history/": ("/admin/instances/job/{job}/history/", SUPERUSERS),
    "admin/instances/job/<path:object_id>/delete/": ("/admin/instances/job/{job}/delete/", FORBIDDEN),
    "admin/instances/job/<path:object_id>/change/": ("/admin/instances/job/{job}/change/", SUPERUSERS),
    "admin/instances/job/<path:object_id>/": ("/admin/instances/job/{job}/", REDIRECTED),
    "admin/admin/logentry/": ("/admin/admin/logentry/", SUPERUSERS),
    "admin/admin/logentry/add/": ("/admin/admin/logentry/add/", FORBIDDEN),
    "admin/admin/logentry/<path:object_id>/history/": ("/admin/admin/logentry/{entry}/history/", SUPERUSERS),
    "admin/admin/logentry/<path:object_id>/delete/": ("/admin/admin/logentry/{entry}/delete/", FORBIDDEN),
    "admin/admin/logentry/<path:object_id>/change/": ("/admin/admin/logentry/{entry}/change/", SUPERUSERS),
    "admin/admin/logentry/<path:object_id>/": ("/admin/admin/logentry/{entry}/", REDIRECTED),
    "admin/auth/group/": ("/admin/auth/group/", SUPERUSERS),
    "admin/auth/group/add/": ("/admin/auth/group/add/", SUPERUSERS),
    "admin/auth/group/<path:object_id>/history/": ("/admin/auth/group/{team}/history/", SUPERUSERS),
    "admin/auth/group/<path:object_id>/delete/": ("/admin/auth/group/{team}/delete/", SUPERUSERS),
    "admin/auth/group/<path:object_id>/change/": ("/admin/auth/group/{team}/change/", SUPERUSERS),
    "admin/auth/group/<path:object_id>/": ("/admin/auth/group/{team}/", REDIRECTED),
    "admin/auth/user/": ("/admin/auth/user/", SUPERUSERS),
    "admin/auth/user/add/": ("/admin/auth/user/add/", SUPERUSERS),
    "admin/auth/user/<id>/password/": ("/admin/auth/user/{user}/password/", SUPERUSERS),
    "admin/auth/user/<path:object_id>/history/": ("/admin/auth/user/{user}/history/", SUPERUSERS),
    "admin/auth/user/<path:object_id>/delete/": ("/admin/auth/user/{user}/delete/", SUPERUSERS),
    "admin/auth/user/<path:object_id>/change/": ("/admin/auth/user/{user}/change/", SUPERUSERS),
    "admin/auth/user/<path:object_id>/": ("/admin/auth/user/{user}/", REDIRECTED),
}


@pytest.fixture
def filled(ledger, ledger_instance, viewer, team) -> dict[str, Any]:
    """What the addresses of the table have in them: all of our team's."""
    entry = log_entry(viewer, ledger)
    return {
        "application": ledger.pk,
        "application_type": ContentType.objects.get_for_model(Application).pk,
        "instance": ledger_instance.pk,
        "key": PublicKey.objects.get(instance=ledger_instance).pk,
        "token": EnrolmentToken.objects.create(application=ledger, name="For the bank", digest="ab" * 32).pk,
        "entry": entry.pk,
        "release": ledger.releases.create(version="1.0.0", released_at=timezone.now()).pk,
        "flag": KeyFlag.objects.create(application=ledger, key="owner", kind="email").pk,
        "view": SavedView.objects.create(application=ledger, name="Paying").pk,
        "job": Job.objects.create(name="close_hours").pk,  # Due now, so that the site is ready.
        "team": team.pk,
        "user": viewer.pk,
    }


def log_entry(user: User, application: Application) -> LogEntry:
    return LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Application),
        object_id=str(application.pk),
        object_repr=str(application),
        action_flag=CHANGE,
        change_message=f"Seen to by {user}.",
    )


def body(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode() + str(response.headers)


# Every address


def test_each_route_of_the_site_is_in_the_table():
    assert sorted(set(routes())) == sorted(TABLE)


PEOPLE = ["nobody", "other_maintainer", "viewer", "maintainer", "superuser"]


@pytest.mark.parametrize("who", PEOPLE)
def test_each_route_answers_everybody_as_the_table_says(request, filled, who):
    client = client_of(None if who == "nobody" else request.getfixturevalue(who))
    column = PEOPLE.index(who)

    answers = {route: client.get(path.format(**filled)).status_code for route, (path, _) in TABLE.items()}

    assert answers == {route: statuses[column] for route, (_, statuses) in TABLE.items()}


def test_nobody_is_sent_to_the_login_with_the_way_back(filled):
    for path, statuses in TABLE.values():
        if statuses[0] == 302 and "logout" not in path and path != "/admin/login/code/":
            asked = path.format(**filled)
            response = client_of(None).get(asked)
            assert response["Location"].startswith("/admin/login/?next="), asked


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_a_member_who_is_inactive_or_not_staff_sees_nothing(filled, maintainer, change):
    client = client_of(maintainer)
    User.objects.filter(pk=maintainer.pk).update(**change)

    for path, statuses in TABLE.values():
        if statuses[0] == 302:
            response = client.get(path.format(**filled))
            assert response.status_code == 302, path
            assert "edger" not in response.content.decode(), path
            assert "login" in response["Location"] or "logout" in path, path


def test_an_inactive_member_is_shown_nothing_whoever_asks_for_them(ledger_instance, maintainer, superuser):
    for user in (maintainer, superuser):
        assert Application.objects.visible_to(user).exists()
        user.is_active = False
        user.save()
        assert not Application.objects.visible_to(user).exists()
        assert not Instance.objects.visible_to(user).exists()


def test_who_has_left_the_team_sees_its_applications_no_more(ledger, viewer, team):
    viewer.groups.remove(team)

    assert client_of(viewer).get("/applications/ledger/").status_code == 404
    assert "Ledger" not in body(client_of(viewer).get("/"))


def test_an_application_without_a_team_is_for_superusers(ledger, viewer, superuser):
    Application.objects.filter(pk=ledger.pk).update(team=None)

    assert client_of(viewer).get("/applications/ledger/").status_code == 404
    assert client_of(superuser).get("/applications/ledger/").status_code == 200


# Nothing of another team's


def addresses(ledger: Application, mine: Instance, secret: Instance, filled: dict[str, Any]) -> list[str]:
    """Lists, searches and filters of one's own, and whatever can be asked with another team's ids."""
    menagerie, key = secret.application, secret.keys.get()
    instance_type = ContentType.objects.get_for_model(Instance).pk
    lists = [f"/admin/instances/{model}/" for model in ("application", "instance", "publickey", "enrolmenttoken")]
    change_lists = [
        f"{path}{query}"
        for path in lists
        for query in (
            "",
            "?o=1",
            "?o=-2",
            "?all=",
            "?p=1",
            "?q=a",
            "?q=1",
            f"?q={str(secret.pk)[:6]}",
            f"?q={key.hex[:9]}",
        )
    ]
    autocompletes = [
        f"/admin/autocomplete/?app_label=instances&model_name={model}&field_name={field}&term={term}"
        for model, field in (
            ("instance", "application"),
            ("publickey", "instance"),
            ("application", "team"),
            ("enrolmenttoken", "application"),
        )
        for term in ("", "men", str(secret.pk)[:4])
    ]
    searches = [f"/admin/search/?s={term}{more}" for term in ("men", "a", "pen") for more in ("", "&extended=1")]
    token = menagerie.enrolment_tokens.get()
    objects = [
        ("application", menagerie.pk),
        ("instance", secret.pk),
        ("publickey", key.pk),
        ("enrolmenttoken", token.pk),
    ]
    admin_pages = [
        f"/admin/instances/{model}/{pk}/{page}"
        for model, pk in objects
        for page in ("", "change/", "history/", "delete/", "change/?_popup=1")
    ]
    return [
        "/",
        "/?q=menagerie",
        "/?q=zookeepers&sort=-name",
        "/?page=2&sort=newest",
        "/?download=applications.csv&q=menagerie",
        "/?download=applications.json",
        "/?download=needs-a-look.csv",
        "/admin/instances/",
        *(path.format(**filled) for path, _ in TABLE.values() if not path.startswith("/badge")),
        "/applications/ledger/?metric=penguins_fed&period=all&q=7.7.7",
        f"/applications/ledger/?q={secret.pk}",
        "/applications/ledger/?download=history.json",
        "/applications/ledger/metric/?key=penguins_fed",
        "/applications/menagerie/metric/?key=penguins_fed&download=most.csv",
        "/applications/ledger/instances.csv?state=all",
        "/applications/ledger/instances.json?c=all",
        "/applications/ledger/?f.motto=x&c=all&min.users=1",
        *(f"/applications/ledger/views/{view.pk}/delete" for view in menagerie.saved_views.all()),
        f"/applications/ledger/instances.csv?q={str(secret.pk)[:5]}",
        f"/applications/ledger/versions/?period=all&from={SECRET_VERSION}",
        "/applications/ledger/versions/?download=versions.json",
        *(f"/applications/ledger/releases/{release.pk}/hide" for release in menagerie.releases.all()),
        f"/applications/ledger/history/?instance={secret.pk}",
        f"/applications/ledger/history.csv?instance={secret.pk}",
        f"/instances/{mine.pk}/?metric=penguins_fed",
        f"/instances/{secret.pk}/",
        f"/instances/{secret.pk}/revoke",
        *change_lists,
        "/admin/metrics/keyflag/",
        "/admin/metrics/keyflag/?q=penguins",
        f"/admin/metrics/keyflag/?application__id__exact={menagerie.pk}",
        *(f"/admin/metrics/keyflag/{flag.pk}/{page}" for flag in menagerie.key_flags.all() for page in ("", "change/")),
        *(f"/applications/ledger/flags/{flag.pk}/allow" for flag in menagerie.key_flags.all()),
        f"/admin/instances/application/?team__id__exact={menagerie.team_id}",
        f"/admin/instances/instance/?application__id__exact={menagerie.pk}",
        f"/admin/instances/instance/?application__id__exact={menagerie.pk}&awaits_approval__exact=0",
        f"/admin/instances/enrolmenttoken/?application__id__exact={menagerie.pk}&is=valid",
        f"/admin/instances/enrolmenttoken/add/?application={menagerie.pk}",
        "/admin/instances/instance/?state__exact=active&exclusion__exact=",
        *autocompletes,
        *searches,
        *admin_pages,
        f"/admin/r/{filled['application_type']}/{menagerie.pk}/",
        f"/admin/r/{instance_type}/{secret.pk}/",
    ]


@pytest.mark.parametrize("who", ["viewer", "maintainer"])
def test_nothing_of_another_teams_is_on_any_page(request, ledger, ledger_instance, secret, filled, superuser, who):
    log_entry(superuser, secret.application)
    client = client_of(request.getfixturevalue(who))
    key = secret.keys.get()

    for path in addresses(ledger, ledger_instance, secret, filled):
        response = client.get(path)
        assert response.status_code < 500, path
        # What the address itself gave away is nothing new to who asked.
        seen = body(response)
        unknown = [*SECRETS, "Zookeepers", str(secret.pk), str(secret.pk)[:8], key.hex, key.fingerprint]
        found = [text for text in unknown if text in seen and text.lower() not in path.lower()]
        assert not found, path
        # Django says that an object "doesn't exist" on the page that it leads to.
        if response.status_code == 302:
            assert not [text for text in SECRETS if text in body(client.get("/"))], path


def test_the_other_teams_pages_are_not_found_and_so_are_those_of_no_application(ledger, secret, viewer):
    client = client_of(viewer)

    theirs, none = client.get("/applications/menagerie/"), client.get("/applications/nothing/")

    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.content == none.content


def test_a_superuser_sees_all_teams(ledger, ledger_instance, secret, superuser):
    client = client_of(superuser)

    for path in ("/", "/admin/instances/application/", "/admin/instances/instance/"):
        seen = body(client.get(path))
        assert "Ledger" in seen, path
        assert "Menagerie" in seen, path


@pytest.mark.parametrize("action", ["revoke_selected", "exclude_selected", "delete_selected", "restore_selected"])
def test_admin_actions_do_not_reach_another_teams_instances(ledger_instance, secret, maintainer, action):
    before = Instance.objects.values().get(pk=secret.pk)
    data = {"action": action, "_selected_action": [str(secret.pk)], "select_across": "1", "post": "yes"}

    response = client_of(maintainer).post("/admin/instances/instance/", data, follow=True)

    assert response.status_code == 200
    assert Instance.objects.values().get(pk=secret.pk) == before
    assert SECRET_VERSION not in body(response)


@pytest.mark.parametrize("name", ["approve", "revoke", "restore", "exclude", "include", "erase"])
def test_the_pages_actions_do_not_reach_another_teams_instances(secret, maintainer, name):
    before = Instance.objects.values().get(pk=secret.pk)

    response = client_of(maintainer).post(f"/instances/{secret.pk}/{name}")

    assert response.status_code == 404
    assert Instance.objects.values().get(pk=secret.pk) == before
    assert not LogEntry.objects.exists()


def test_choices_of_a_foreign_key_are_the_teams_own(ledger, menagerie, maintainer, maintainers):
    maintainers.permissions.add(Permission.objects.get(codename="add_application"))

    form = client_of(maintainer).get("/admin/instances/application/add/").context["adminform"].form

    assert sorted(form.fields["team"].queryset.values_list("name", flat=True)) == ["Bookkeepers", "Maintainers"]


# No way up


def settings_of(application: Application, **changes: Any) -> dict[str, Any]:
    form = {"name": application.name, "active_days": 30, "report_minutes": 60, "publishes_badges": "on"}
    return {**form, **changes}


def test_a_maintainer_changes_settings_but_neither_team_nor_slug(ledger, other_team, maintainer):
    data = settings_of(ledger, active_days=14, team=other_team.pk, slug="elsewhere", created_at="2020-01-01")

    response = client_of(maintainer).post(f"/admin/instances/application/{ledger.pk}/change/", data)

    assert response.status_code == 302
    ledger.refresh_from_db()
    assert (ledger.active_days, ledger.slug, ledger.team.name) == (14, "ledger", "Bookkeepers")


def test_a_maintainer_with_leave_to_add_cannot_give_an_application_to_others(other_team, maintainer, maintainers):
    maintainers.permissions.add(Permission.objects.get(codename="add_application"))
    new = Application(name="Abacus")

    response = client_of(maintainer).post("/admin/instances/application/add/", settings_of(new, team=other_team.pk))

    assert response.status_code == 200
    assert "Select a valid choice" in body(response)
    assert not Application.objects.exists()


def test_a_maintainer_cannot_move_or_rewrite_an_instance(ledger_instance, team, maintainer):
    second = Application.objects.create(name="Abacus", slug="abacus", team=team)
    before = Instance.objects.values().get(pk=ledger_instance.pk)
    data = {"application": second.pk, "state": "revoked", "app_version": "9", "exclusion": "test"}

    client_of(maintainer).post(f"/admin/instances/instance/{ledger_instance.pk}/change/", data)

    assert Instance.objects.values().get(pk=ledger_instance.pk) == before


@pytest.mark.parametrize("who", ["viewer", "maintainer"])
def test_nobody_makes_themselves_more_than_they_are(request, team, other_team, who):
    user = request.getfixturevalue(who)
    client = client_of(user)
    data = {"username": who, "is_superuser": "on", "is_staff": "on", "groups": [team.pk, other_team.pk]}

    answers = [
        client.post(f"/admin/auth/user/{user.pk}/change/", data),
        client.post(f"/admin/auth/user/{user.pk}/password/", {"password1": "x", "password2": "x"}),
        client.post("/admin/auth/user/add/", data),
        client.post(f"/admin/auth/group/{team.pk}/change/", {"name": "Owners", "permissions": []}),
        client.post("/admin/auth/group/add/", {"name": "Owners"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    user.refresh_from_db()
    assert not user.is_superuser
    assert not Group.objects.filter(name="Owners").exists()


def test_a_viewer_changes_nothing(ledger, ledger_instance, viewer):
    client = client_of(viewer)
    before = Instance.objects.values().get(pk=ledger_instance.pk)

    answers = [
        client.post(f"/admin/instances/application/{ledger.pk}/change/", settings_of(ledger, active_days=1)),
        client.post(f"/admin/instances/instance/{ledger_instance.pk}/delete/", {"post": "yes"}),
        *(
            client.post(f"/instances/{ledger_instance.pk}/{name}")
            for name in ("approve", "revoke", "restore", "exclude", "include", "erase")
        ),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert Instance.objects.values().get(pk=ledger_instance.pk) == before
    ledger.refresh_from_db()
    assert ledger.active_days == 30


def test_the_audit_log_is_for_superusers_even_where_a_group_has_the_permission(viewer, maintainer, maintainers):
    maintainers.permissions.add(*Permission.objects.filter(content_type__app_label="admin"))

    assert client_of(maintainer).get("/admin/admin/logentry/").status_code == 403
    assert client_of(maintainer).get("/admin/admin/").status_code == 404


def test_everybody_can_change_their_own_password(viewer):
    client = client_of(viewer)
    data = {"old_password": "correct horse battery", "new_password1": "s7aple-pass", "new_password2": "s7aple-pass"}

    assert client.post("/admin/password_change/", data).status_code == 302

    viewer.refresh_from_db()
    assert viewer.check_password("s7aple-pass")
