"""Teams and users."""

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard.admin.access import MAINTAINER_PERMISSIONS

pytestmark = pytest.mark.django_db


def test_teams_are_called_so_where_users_are_put_into_them(page, superuser):
    text = page(f"/admin/auth/user/{superuser.pk}/change/")

    assert "Teams" in text
    assert "Members see the applications of their teams" in text
    assert "groups this user belongs to" not in text


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
