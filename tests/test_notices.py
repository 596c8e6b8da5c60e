"""What maintainers let their instances know: latest_version and notice in the answers to snapshots."""

from datetime import UTC, datetime

import pytest

from instances.models import Application
from tests.queries import queries
from tests.test_teams import settings_of

RECEIVED = {"status": "ok", "message": "Snapshot received"}
DUPLICATE = {"status": "duplicate", "message": "Snapshot already received"}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def send(client, superuser, installation):
    """Sends the form of the installation's application in the admin, as a superuser."""
    client.force_login(superuser)
    application = Application.objects.get()

    def send(**changes):
        data = {**settings_of(application), **changes}
        response = client.post(f"/admin/instances/application/{application.pk}/change/", data)
        application.refresh_from_db()
        return response

    return send


def test_an_answer_is_as_ever_where_nothing_is_set(installation):
    assert installation.snapshot({}).json() == RECEIVED


@pytest.mark.parametrize(
    "told",
    [
        {"latest_version": "2.0.0"},
        {"notice": 'Upgrade before <May>; see https://example.org/"upgrade" 🦄'},
        {"latest_version": "v3", "notice": "x" * 500},
    ],
)
def test_what_is_set_in_the_admin_is_told(send, installation, told):
    assert send(**told).status_code == 302
    at = datetime.now(UTC)

    assert installation.snapshot({}, at).json() == {**RECEIVED, **told}
    assert installation.snapshot({}, at).json() == {**DUPLICATE, **told}
    assert send(latest_version="", notice="").status_code == 302
    assert installation.snapshot({}).json() == RECEIVED


def test_other_applications_and_other_answers_know_nothing_of_it(send, installation):
    send(notice="Hello")
    other = type(installation)("Menagerie")

    assert "notice" not in other.register().json()
    assert other.snapshot({}).json() == RECEIVED
    assert "notice" not in installation.activate().json()
    assert "notice" not in installation.snapshot({}, "2001-01-01T00:00:00Z").json()


@pytest.mark.parametrize(
    "told",
    [
        {"latest_version": "x" * 101},
        {"notice": "x" * 501},
        {"notice": "two\nlines"},
        {"latest_version": "1\t0"},
        {"notice": "\x1b[31mred"},
        {"notice": "a\u2028b"},
        {"notice": "a\0b"},
    ],
)
def test_what_is_no_line_of_text_is_refused(send, told):
    assert send(**told).status_code != 302
    assert Application.objects.filter(latest_version="", notice="").exists()


def test_a_team_tells_its_own(client, maintainer, team, installation):
    Application.objects.update(team=team)
    client.force_login(maintainer)
    application = Application.objects.get()
    data = settings_of(application, notice="From the team")

    assert client.post(f"/admin/instances/application/{application.pk}/change/", data).status_code == 302
    assert installation.snapshot({}).json()["notice"] == "From the team"


def test_it_takes_no_query(installation):
    counts = []
    for notice in ("", "Hello"):
        Application.objects.update(notice=notice)
        counts.append(queries(lambda: installation.snapshot({})))

    assert counts[0] == counts[1]
