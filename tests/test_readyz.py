"""GET /readyz, and the same on the pages: whether regular work is being done."""

import logging
from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError

from instances.jobs import failing, regular_work
from instances.models import Application, Job
from tests import fleet
from tests.clock import NOW

LATE = "Regular work has not been done since 2026-11-22 08:30 UTC."


pytestmark = pytest.mark.usefixtures("clock")


def work_is_due(since: timedelta) -> None:
    for work in regular_work():
        Job.objects.create(name=work.name, due_at=NOW - since)


@pytest.mark.django_db
def test_it_is_ready_while_regular_work_is_done(client, django_assert_num_queries):
    work_is_due(timedelta(minutes=4))

    with django_assert_num_queries(1):
        response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})
    assert "no-store" in response["Cache-Control"]
    assert "Set-Cookie" not in response


@pytest.mark.django_db
def test_it_is_not_ready_when_regular_work_is_late(client):
    work_is_due(timedelta(hours=1))

    response = client.get("/readyz")

    [reason] = response.json()["reasons"]
    assert (response.status_code, response.json()["status"]) == (503, "not ready")
    assert reason.startswith(LATE)
    assert "Start manage.py worker" in reason


@pytest.mark.django_db
def test_it_is_not_ready_before_a_worker_has_ever_run(client):
    response = client.get("/readyz")

    assert response.status_code == 503
    assert "Start manage.py worker" in response.json()["reasons"][0]


def test_it_is_not_ready_while_the_database_is_away(client, caplog):
    error = OperationalError('connection to server at "10.1.2.3", port 5432 failed\n\tIs the server running?\n')
    with mock.patch("instances.views.why_late", side_effect=error):
        response = client.get("/readyz", REMOTE_ADDR="203.0.113.9")

    assert response.status_code == 503
    assert response.json()["reasons"][0].startswith("The database does not answer")
    assert "10.1.2.3" not in response.content.decode()
    assert "10.1.2.3" in caplog.text
    assert "203.0.113.9" not in caplog.text


@pytest.mark.django_db
def test_it_is_never_limited_and_logs_nothing_while_all_is_well(client, caplog):
    caplog.set_level(logging.INFO)
    work_is_due(timedelta())

    assert {client.get("/readyz").status_code for _ in range(200)} == {200}
    assert caplog.text == ""


@pytest.mark.django_db
def test_it_can_be_asked_for_its_head_and_takes_nothing(client):
    work_is_due(timedelta())

    assert client.head("/readyz").status_code == 200
    assert client.post("/readyz").status_code == 405


# On the pages


@pytest.fixture
def pages(team):
    ledger = Application.objects.create(name="Ledger", slug="ledger", team=team)
    instance = fleet.instance(ledger, {NOW: {"documents": 5}})
    return ["/", "/applications/ledger/", f"/instances/{instance.pk}/"]


def test_every_page_says_so_when_regular_work_is_late(client, viewer, pages):
    work_is_due(timedelta(hours=1))
    client.force_login(viewer)

    for path in pages:
        text = client.get(path).content.decode()
        # On the overview among all else that needs a look.
        before = '<summary class="shm-wrap">' if path == "/" else '<p class="shm-notice" role="status">'
        assert before + LATE in text, path
        # For superusers alone.
        assert "/admin/instances/job/" not in text, path


def test_a_superuser_is_led_to_what_is_late(client, superuser, pages):
    work_is_due(timedelta(hours=1))
    client.force_login(superuser)

    for path in pages:
        said = client.get(path).content.decode().split(LATE)[1]
        notice = said.split("</li>" if path == "/" else "</p>")[0]
        assert 'href="/admin/instances/job/"' in notice, path


def test_no_page_says_so_while_it_is_done(client, viewer, pages):
    work_is_due(timedelta())
    client.force_login(viewer)

    for path in pages:
        assert "Regular work" not in client.get(path).content.decode(), path


def test_the_admin_shows_each_job(client, superuser):
    Job.objects.create(
        name="close_hours", due_at=NOW, last_run_at=NOW, last_error="ValueError: <no good>", holder="host:1:ab"
    )
    client.force_login(superuser)

    for path in ("/admin/instances/job/", "/admin/instances/job/close_hours/change/"):
        text = client.get(path).content.decode()
        for shown in ("Regular work", "close_hours", "ValueError: &lt;no good&gt;", "host:1:ab"):
            assert shown in text, (path, shown)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ran", "error", "fails"),
    [
        (timedelta(hours=1, minutes=4), "KeyError: 'x'", False),  # Once so far: it may yet succeed.
        (timedelta(hours=1, minutes=6), "KeyError: 'x'", True),
        (None, "KeyError: 'x'", True),
        (timedelta(days=2), "", False),
    ],
)
def test_a_job_that_fails_each_time_is_known(ran, error, fails):
    ran_at = None if ran is None else NOW - ran
    Job.objects.create(name="close_hours", due_at=NOW, last_run_at=ran_at, last_error=error)
    Job.objects.create(name="of_an_older_version", last_error="ImportError")

    assert failing(NOW) == ([("close_hours", error)] if fails else [])
