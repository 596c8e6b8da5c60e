"""Two-factor sign-in: the code after the password, setting it up, doing without it, and the rule that all must."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dashboard import codes

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LOGIN, CODE, PAGE = "/admin/login/", "/admin/login/code/", "/admin/two-factor/"
OFF, RENEW = f"{PAGE}off/", f"{PAGE}codes/"
PASSWORD = "correct horse battery"
KEY = "0123456789abcdef0123456789abcdef01234567"
RECOVERY = "abcdefg2"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def protected(viewer) -> User:
    """The viewer, with an app and one recovery code."""
    TOTPDevice.objects.create(user=viewer, key=KEY)
    StaticToken.objects.create(device=StaticDevice.objects.create(user=viewer), token=RECOVERY)
    return viewer


def code_now(key=KEY):
    return f"{totp(bytes.fromhex(key)):06}"


def password(client, name="viewer", query="", address="127.0.0.1"):
    return client.post(LOGIN + query, {"username": name, "password": PASSWORD}, REMOTE_ADDR=address)


def enter(client, code, query="", address="127.0.0.1"):
    return client.post(CODE + query, {"code": code}, REMOTE_ADDR=address)


def is_in(client):
    return client.get("/").status_code == 200


def said(response):
    return re.sub(r"\s+", " ", response.content.decode())


# The code after the password


def test_the_password_alone_lets_nobody_in(client, protected):
    response = password(client, query="?next=/applications/ledger/")

    assert response.status_code == 302
    assert response["Location"] == "/admin/login/code/?next=%2Fapplications%2Fledger%2F"
    assert "_auth_user_id" not in client.session
    for path in ("/", "/admin/", "/admin/password_change/", PAGE):
        assert client.get(path).status_code == 302, path
    assert "shm_browser" not in response.cookies


def test_the_code_lets_in_and_leads_where_one_wanted_to_go(client, protected):
    password(client)

    response = enter(client, code_now(), "?next=/applications/ledger/")

    assert response["Location"] == "/applications/ledger/"
    assert "shm_browser" in response.cookies
    assert is_in(client)


def test_the_code_leads_to_no_other_site(client, protected):
    assert "example" not in password(client, query="?next=https://example.org/")["Location"]

    assert enter(client, code_now(), "?next=https://example.org/")["Location"] == "/"


def test_spaces_in_the_code_do_not_matter(client, protected):
    password(client)
    code = code_now()

    enter(client, f" {code[:3]} {code[3:]}")

    assert is_in(client)


def test_who_has_set_nothing_up_is_asked_for_nothing(client, viewer):
    assert password(client)["Location"] == "/"
    assert is_in(client)


def test_a_wrong_code_is_said_to_be_wrong(client, protected):
    password(client)

    for code in ("000000", "abc", RECOVERY[::-1], "12345", "", "٠٠٠٠٠٠", "\x00"):
        response = enter(client, code)
        assert response.status_code in (200, 429)
        assert not is_in(client)


def test_a_code_is_taken_once(client, protected, clock):
    code = code_now()
    password(client)
    enter(client, code)
    other = Client()
    password(other)

    response = enter(other, code)

    assert "not right, or was used before" in said(response)
    assert not is_in(other)
    clock.shift(timedelta(seconds=30))
    enter(other, code_now())
    assert is_in(other)


@pytest.mark.parametrize(("seconds", "accepted"), [(-30, True), (30, True), (-90, False), (90, False)])
def test_a_clock_may_be_half_a_minute_off(client, protected, clock, seconds, accepted):
    clock.shift(timedelta(seconds=seconds))
    code = code_now()
    clock.move_to(NOW)
    password(client)

    enter(client, code)

    assert is_in(client) is accepted


def test_codes_are_limited_and_a_right_password_gives_no_more_of_them(client, protected, clock):
    for number in range(5):
        password(client, address=f"192.0.2.{number}")
        assert enter(client, "000000", address=f"192.0.2.{number}").status_code == 200

    password(client)
    refused = enter(client, code_now())

    assert refused.status_code == 429
    assert refused["Retry-After"] == "180"
    assert "There were too many tries. Wait 3 minutes, then try again." in said(refused)
    assert enter(client, RECOVERY).status_code == 429
    assert not is_in(client)
    assert StaticToken.objects.count() == 1
    clock.shift(timedelta(seconds=180))
    enter(client, code_now())
    assert is_in(client)


def test_who_knows_the_password_does_not_hold_back_a_browser_that_has_signed_in_before(protected, clock):
    own, thief = Client(), Client()
    password(own)
    enter(own, code_now())
    own.post("/admin/logout/")
    clock.shift(timedelta(minutes=1))
    password(thief)
    assert [enter(thief, "000000").status_code for _ in range(6)] == [200] * 5 + [429]

    password(own)
    enter(own, code_now())

    assert is_in(own)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "md5$a$b"}])
def test_a_first_step_is_void_once_the_account_has_changed(client, protected, change):
    password(client)
    User.objects.filter(pk=protected.pk).update(**change)

    assert enter(client, code_now())["Location"] == LOGIN
    assert not is_in(client)


def test_a_first_step_is_void_after_five_minutes(client, protected, clock):
    password(client)
    assert client.get(CODE).status_code == 200
    clock.shift(timedelta(seconds=301))

    assert enter(client, code_now())["Location"] == LOGIN


def test_each_step_makes_another_session(client, protected):
    keys = [client.session.session_key]
    for step in (password, lambda client: enter(client, code_now())):
        step(client)
        keys.append(client.session.session_key)

    assert len(set(keys)) == 3
    assert Session.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_requests_with_one_code_one_is_let_in(protected):
    clients = [Client(), Client()]
    for client in clients:
        password(client)
    code, together = code_now(), threading.Barrier(2)

    def run(client):
        together.wait()
        enter(client, code)
        connection.close()

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(is_in(client) for client in clients) == [False, True]


# Recovery codes


def test_a_recovery_code_lets_in_once_and_is_logged(client, protected):
    password(client)

    enter(client, "ABCD EFG2")

    assert "That recovery code is used up. Left: 0." in said(client.get("/"))
    assert LogEntry.objects.get().change_message == "Signed in with a recovery code."
    other = Client()
    password(other)
    enter(other, RECOVERY)
    assert not is_in(other)


def test_an_operator_can_make_one(client, protected, capsys):
    call_command("addstatictoken", "viewer")
    password(client)

    enter(client, capsys.readouterr().out.split()[-1])

    assert is_in(client)


# Setting it up


def start_set_up(client, user):
    client.force_login(user)
    text = said(client.get(PAGE))
    shown = re.search(r'class="shm-mono shm-key">([A-Z2-7 ]+)<', text)
    assert shown
    assert re.search(r'<svg viewBox="0 0 \d+ \d+" class="segno">', text)  # It can be scaled, so it is never cut off.
    assert "Change password" in text
    return client.session["two_factor_key"]


def set_up(client, key, **changes):
    return client.post(PAGE, {"code": code_now(key), "password": PASSWORD, **changes})


def shown_codes(response):
    return re.findall(r"\b[a-z2-7]{4} [a-z2-7]{4}\b", re.search("<pre.*?</pre>", said(response))[0])


def test_setting_up_shows_recovery_codes_and_asks_for_the_code_from_then_on(client, viewer, clock):
    key = start_set_up(client, viewer)

    response = set_up(client, key)

    assert len(set(shown_codes(response))) == codes.RECOVERY_CODES
    assert response["Cache-Control"].startswith("max-age=0")
    assert "two_factor_key" not in client.session
    assert is_in(client)  # Whoever has just shown a code need not sign in anew.
    assert LogEntry.objects.get().change_message == "Set up two-factor sign-in."
    clock.shift(timedelta(seconds=30))
    other = Client()
    password(other)
    assert not is_in(other)
    enter(other, code_now(key))
    assert is_in(other)
    text = said(other.get(PAGE))
    assert "10 recovery codes left" in text
    assert not any(code in text for code in shown_codes(response))


def test_the_shown_recovery_codes_let_in(client, viewer):
    first, *_ = shown_codes(set_up(client, start_set_up(client, viewer)))
    other = Client()
    password(other)

    enter(other, first)

    assert is_in(other)


def test_the_code_that_confirmed_is_used_up(client, viewer):
    key = start_set_up(client, viewer)
    set_up(client, key)
    other = Client()
    password(other)

    enter(other, code_now(key))

    assert not is_in(other)


@pytest.mark.parametrize("wrong", [{"code": "000000"}, {"code": ""}, {"password": "wrong"}, {"password": ""}])
def test_nothing_is_set_up_without_the_right_code_and_password(client, viewer, wrong):
    key = start_set_up(client, viewer)

    response = set_up(client, key, **wrong)

    assert response.status_code == 200
    assert 'class="shm-error"' in said(response)
    assert not TOTPDevice.objects.exists()
    assert not StaticDevice.objects.exists()
    assert not LogEntry.objects.exists()
    assert client.session["two_factor_key"] == key  # So that the app need not be told another.


def test_passwords_are_not_tried_out_here_either(client, viewer):
    key = start_set_up(client, viewer)
    assert [set_up(client, key, password="wrong").status_code for _ in range(6)] == [200] * 5 + [429]

    refused = set_up(client, key)

    assert refused.status_code == 429
    assert refused["Retry-After"] == "180"
    assert not TOTPDevice.objects.exists()


def test_sessions_from_before_are_asked_to_sign_in_anew(client, viewer):
    old = Client()
    old.force_login(viewer)
    set_up(client, start_set_up(client, viewer))

    assert is_in(client)
    assert not is_in(old)


def test_setting_up_twice_makes_one(client, viewer):
    key = start_set_up(client, viewer)
    set_up(client, key)

    assert "It is <strong>on</strong>" in said(set_up(client, key))
    assert codes.set_up(User.objects.get(pk=viewer.pk), KEY, code_now()) is None
    assert TOTPDevice.objects.count() == 1


# Once it is set up


@pytest.fixture
def inside(client, protected):
    password(client)
    enter(client, code_now())
    LogEntry.objects.all().delete()
    return client


def test_it_is_turned_off_with_the_password(inside, protected):
    response = inside.post(OFF, {"password": PASSWORD}, follow=True)

    assert "Two-factor sign-in is off." in said(response)
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
    assert LogEntry.objects.get().change_message == "Turned off two-factor sign-in."
    other = Client()
    password(other)
    assert is_in(other)


def test_other_recovery_codes_make_the_old_ones_void(inside, protected):
    response = inside.post(RENEW, {"password": PASSWORD})

    assert len(shown_codes(response)) == codes.RECOVERY_CODES
    assert not StaticToken.objects.filter(token=RECOVERY).exists()
    assert StaticToken.objects.count() == codes.RECOVERY_CODES
    assert is_in(inside)
    assert LogEntry.objects.get().change_message == "Made new recovery codes."


@pytest.mark.parametrize("path", [OFF, RENEW])
def test_a_stolen_session_changes_nothing(inside, path):
    answers = [inside.post(path, {"password": "wrong"}).status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]
    assert inside.post(path, {"password": PASSWORD}).status_code == 429
    assert TOTPDevice.objects.count() == 1
    assert StaticToken.objects.get().token == RECOVERY
    assert not LogEntry.objects.exists()


def test_nothing_is_turned_off_or_made_that_was_not_set_up(client, viewer):
    client.force_login(viewer)

    for path in (OFF, RENEW):
        assert client.post(path, {"password": PASSWORD})["Location"] == PAGE
    assert not StaticDevice.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("path", [PAGE, OFF, RENEW])
def test_a_first_step_opens_none_of_its_pages(client, protected, path):
    password(client)

    assert client.post(path, {"password": PASSWORD})["Location"].startswith(LOGIN)
    assert TOTPDevice.objects.count() == 1


# By a superuser


def reset(client, user):
    data = {"action": "reset_two_factor", "_selected_action": [str(user.pk)]}
    return client.post("/admin/auth/user/", data, follow=True)


def test_a_superuser_turns_off_anothers(client, superuser, protected):
    client.force_login(superuser)

    response = reset(client, protected)

    assert "Two-factor sign-in turned off: 1 user." in said(response)
    assert not TOTPDevice.objects.exists()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (superuser, str(protected.pk))
    assert "turned off: 0 users" in said(reset(client, protected))
    assert LogEntry.objects.count() == 1


def test_nobody_else_does(client, maintainer, maintainers, protected):
    maintainers.permissions.add(*Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(maintainer)

    assert reset(client, protected).status_code == 403
    assert TOTPDevice.objects.exists()


def test_the_secrets_are_nowhere_in_the_admin(client, superuser, protected):
    client.force_login(superuser)

    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    for path in ("/", "/admin/auth/user/", f"/admin/auth/user/{protected.pk}/change/"):
        text = said(client.get(path))
        assert KEY not in text
        assert RECOVERY not in text
    assert "otp_" not in said(client.get("/"))


# Where everybody must


@pytest.fixture
def required(settings):
    settings.REQUIRE_2FA = True


def test_who_has_not_set_it_up_gets_no_further_than_there(client, viewer, required):
    password(client)

    for path in ("/", "/admin/", "/admin/password_change/", "/applications/ledger/instances.csv"):
        response = client.get(path, follow=True)
        assert response.redirect_chain[-1][0] == PAGE, path
    text = said(response)
    assert "This site asks every account for a code" in text
    assert "Log out" in text
    assert 'href="/admin/instances/' not in text
    set_up(client, client.session["two_factor_key"])
    assert is_in(client)


def test_a_superuser_who_has_not_set_it_up_is_offered_nothing_else(client, superuser, required):
    password(client, "superuser")

    text = said(client.get(PAGE))

    assert "Set up two-factor sign-in" in text
    assert not re.findall(r'href="/admin/(?:instances|auth|admin)/', text)


def test_who_has_not_set_it_up_can_leave(client, viewer, required):
    password(client)

    assert client.post("/admin/logout/").status_code == 200
    assert "_auth_user_id" not in client.session


def test_who_has_set_it_up_signs_in_as_ever(client, protected, required):
    password(client)
    assert not is_in(client)
    enter(client, code_now())
    assert is_in(client)


def test_turning_it_off_leads_back_to_setting_it_up(inside, required):
    response = inside.post(OFF, {"password": PASSWORD}, follow=True)

    assert "Set up two-factor sign-in" in said(response)
    assert not is_in(inside)


def test_a_page_asks_once_whether_it_is_set_up(client, viewer, django_assert_max_num_queries):
    client.force_login(viewer)
    client.get("/")
    with django_assert_max_num_queries(30) as captured:
        client.get("/")
    assert len([query for query in captured if "otp_totp" in query["sql"]]) == 1
