import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User

from dashboard.admin.access import MAINTAINER_PERMISSIONS
from instances.models import Application
from tests.clock import NOW
from tests.installation import Installation


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        for item in items:
            if item.get_closest_marker("postgres"):
                item.add_marker(pytest.mark.skip(reason="needs PostgreSQL"))


@pytest.fixture
def no_limits(settings):
    settings.RATELIMIT_ENABLED = False


@pytest.fixture
def clock(request):
    """Stands still, at NOW or at what the test's module calls so, until the test moves it."""
    with time_machine.travel(getattr(request.module, "NOW", NOW), tick=False) as clock:
        yield clock


@pytest.fixture
def installation(db) -> Installation:
    """Registered and activated."""
    installation = Installation()
    assert installation.register().status_code == 201
    assert installation.activate().status_code == 200
    return installation


# The people of the pages. All are staff; what they may do comes from their groups alone.


@pytest.fixture
def team(db) -> Group:
    return Group.objects.create(name="Bookkeepers")


@pytest.fixture
def ledger(team) -> Application:
    """The application of most tests."""
    return Application.objects.create(name="Ledger", slug="ledger", team=team)


@pytest.fixture
def other_team(db) -> Group:
    return Group.objects.create(name="Zookeepers")


@pytest.fixture
def maintainers(db) -> Group:
    """Owns no application; its members may manage those of the teams that they are in besides."""
    group = Group.objects.create(name="Maintainers")
    group.permissions.set(Permission.objects.filter(codename__in=MAINTAINER_PERMISSIONS))
    return group


def person(name: str, *groups: Group) -> User:
    user = User.objects.create_user(name, password="correct horse battery", is_staff=True)
    user.groups.set(groups)
    return user


@pytest.fixture
def viewer(team) -> User:
    return person("viewer", team)


@pytest.fixture
def maintainer(team, maintainers) -> User:
    return person("maintainer", team, maintainers)


@pytest.fixture
def other_maintainer(other_team, maintainers) -> User:
    return person("other-maintainer", other_team, maintainers)


@pytest.fixture
def superuser(db) -> User:
    return User.objects.create_superuser("superuser", password="correct horse battery")


@pytest.fixture
def visit(client, viewer):
    """What the viewer gets at an address, which has to be a page."""
    client.force_login(viewer)

    def visit(path, query=None):
        response = client.get(path, query)
        assert response.status_code == 200, (path, query)
        return response

    return visit


# Names, keys and values that a page must show as they are and survive.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "{{ 7|add:7 }}{% now %}",
    "%s %(name)s %d {0} {name}",
    "\u202egnp.exe\u202c",
    "🦄🧑‍🚀",
    "' OR 1=1; --",
    "a\\b\"c'd`e",
    "&lt;b&gt;&amp;",
    "x" * 200,
    "__proto__",
    " ",
    "",
    "line\nbreak\ttab",
]


@pytest.fixture
def hostile() -> list[str]:
    return HOSTILE
