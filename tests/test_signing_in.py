"""Signing in and changing one's password: what is tried too often is refused before it is checked."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.test import Client

from dashboard.browsers import COOKIE
from instances.models import RateBucket

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LOGIN, CHANGE = "/admin/login/", "/admin/password_change/"
PASSWORD = "correct horse battery"
TRIES, FROM_EVERYWHERE, BURST = 5, 50, 10

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class CountingHasher(MD5PasswordHasher):
    calls: list[str] = []

    def encode(self, password, salt):
        self.calls.append(password)
        return super().encode(password, salt)


@pytest.fixture
def hashed(settings):
    """The passwords that have been hashed, wrong and right ones."""
    settings.PASSWORD_HASHERS = ["tests.test_signing_in.CountingHasher"]
    CountingHasher.calls.clear()
    return CountingHasher.calls


def attempt(name="viewer", password="wrong", address="192.0.2.1", client=None):
    return (client or Client()).post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=address)


def fail(times, name="viewer", address="192.0.2.1", client=None):
    return [attempt(name, address=address, client=client).status_code for _ in range(times)]


def fail_from_everywhere(name="viewer"):
    """Tries from so many addresses that none of them has used up its own share, until the account's is."""
    used = [attempt(name, address=f"198.51.100.{number}").status_code for number in range(FROM_EVERYWHERE)]
    assert used[:-1] == [200] * (FROM_EVERYWHERE - 1)


def told(response):
    """What the page says of the refusal; the wait alone may differ."""
    assert response.status_code == 429
    [sentence] = re.findall(r"There were too many tries\. Wait [^<]*?, then try again\.", response.content.decode())
    return sentence


def was_let_in(response):
    return response.status_code == 302 and "sessionid" in response.cookies


# Signing in


def test_after_a_few_wrong_passwords_even_the_right_one_has_to_wait(viewer, clock):
    assert fail(TRIES) == [200] * TRIES

    refused = attempt(password=PASSWORD)

    assert told(refused) == "There were too many tries. Wait 3 minutes, then try again."
    assert refused["Retry-After"] == "180"
    assert "sessionid" not in refused.cookies
    assert 'name="password"' in refused.content.decode()
    clock.shift(timedelta(seconds=180))
    assert was_let_in(attempt(password=PASSWORD))


def test_the_whole_number_of_tries_is_there_again_after_the_span(viewer, clock):
    fail(TRIES + 1)
    clock.shift(timedelta(minutes=15))

    assert fail(TRIES + 1) == [200] * TRIES + [429]


def test_a_refused_password_is_not_checked(viewer, hashed):
    fail(TRIES)
    assert hashed == ["wrong"] * TRIES

    attempt(password=PASSWORD)

    assert hashed == ["wrong"] * TRIES


@pytest.mark.parametrize("name", ["VIEWER", " viewer ", "Viewer\u00a0", "ｖｉｅｗｅｒ", "\u2003viewer"])
def test_another_way_to_type_the_name_is_the_same_account(viewer, name):
    fail(TRIES)

    assert attempt(name).status_code == 429
    assert attempt("viewer2").status_code == 200


@pytest.mark.parametrize("change", [{}, {"is_active": False}, {"is_staff": False}, {"username": "renamed"}])
def test_nothing_tells_whether_there_is_such_an_account(viewer, change):
    User.objects.filter(pk=viewer.pk).update(**change)

    known = [attempt("viewer", address="192.0.2.1") for _ in range(TRIES + 2)]
    unknown = [attempt("stranger", address="192.0.2.2") for _ in range(TRIES + 2)]

    def comparable(response):
        text = re.sub(r'value="[^"]*"', "", response.content.decode())
        return response.status_code, response.get("Retry-After"), set(response.cookies), text

    assert [comparable(response) for response in known] == [comparable(response) for response in unknown]


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_the_right_password_of_an_account_that_may_not_enter_is_a_wrong_one(viewer, change):
    User.objects.filter(pk=viewer.pk).update(**change)

    answers = [attempt(password=PASSWORD) for _ in range(TRIES + 1)]

    assert [answer.status_code for answer in answers] == [200] * TRIES + [429]
    assert "Please enter the correct" in answers[0].content.decode()
    assert COOKIE not in answers[0].cookies


def test_no_name_takes_more_or_fewer_hashes_than_another(viewer, hashed):
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)
    User.objects.create_user("unusable", password=None)
    hashes = []
    for name in ("viewer", "stranger", "inactive", "unusable"):
        hashed.clear()
        attempt(name)
        hashes.append(len(hashed))

    assert hashes == [1, 1, 1, 1]


def test_an_address_has_so_many_tries_at_all_accounts_together(viewer):
    answers = [attempt(f"someone-{number}").status_code for number in range(BURST + 1)]

    assert answers == [200] * BURST + [429]
    assert told(attempt(password=PASSWORD)) == "There were too many tries. Wait a minute, then try again."
    assert was_let_in(attempt(password=PASSWORD, address="192.0.2.2"))


def test_an_ipv6_network_is_one_address(viewer):
    fail(TRIES, address="2001:db8:1:2::1")

    assert attempt(address="2001:db8:1:2:ffff::2").status_code == 429
    assert attempt(address="2001:db8:1:3::1").status_code == 200


def test_a_form_that_is_not_whole_is_not_counted(viewer):
    for data in ({}, {"username": "viewer"}, {"password": "x"}):
        for _ in range(TRIES + 1):
            assert Client().post(LOGIN, data).status_code == 200
    assert not RateBucket.objects.exists()


def test_a_name_as_long_as_a_body_may_be_is_a_name(viewer):
    assert fail(TRIES + 1, "\ufdfa" * 100_000) == [200] * TRIES + [429]


def test_a_right_password_forgives_the_wrong_ones_before_it(viewer):
    for _ in range(2):
        fail(TRIES - 1)
        assert was_let_in(attempt(password=PASSWORD))


def test_a_right_password_gives_an_address_no_more_tries_at_others(viewer):
    for number in range(BURST // 2):
        attempt(f"someone-{number}")
        attempt(password=PASSWORD)

    assert attempt("someone-else").status_code == 429


def test_limits_can_be_switched_off(viewer, no_limits):
    assert fail(20) == [200] * 20
    assert was_let_in(attempt(password=PASSWORD))
    assert not RateBucket.objects.exists()


def test_no_name_and_no_address_is_kept(viewer):
    attempt()

    assert RateBucket.objects.count() == 3
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in RateBucket.objects.values_list("key", flat=True))


# Browsers that the account knows


@pytest.fixture
def known_browser(viewer):
    client = Client()
    assert was_let_in(attempt(password=PASSWORD, client=client))
    client.post("/admin/logout/")
    return client


def test_guesses_from_everywhere_hold_back_new_browsers_and_no_known_one(viewer, known_browser):
    fail_from_everywhere()

    assert attempt(password=PASSWORD, address="203.0.113.9").status_code == 429
    assert was_let_in(attempt(password=PASSWORD, address="203.0.113.9", client=known_browser))


def test_strangers_behind_the_same_address_do_not_hold_a_known_browser_back(viewer, known_browser):
    fail(BURST + 1)

    assert attempt(password=PASSWORD).status_code == 429
    assert was_let_in(attempt(password=PASSWORD, client=known_browser))


def test_one_address_alone_does_not_keep_a_new_browser_elsewhere_out(viewer, clock):
    for _ in range(60):
        attempt()
        clock.shift(timedelta(seconds=30))

    assert was_let_in(attempt(password=PASSWORD, address="203.0.113.9"))


def test_a_known_browser_may_not_guess_more_than_others(viewer, known_browser, clock):
    assert fail(TRIES + 1, client=known_browser) == [200] * TRIES + [429]

    assert told(attempt(password=PASSWORD, client=known_browser))
    assert attempt(password=PASSWORD, client=Client()).status_code == 302
    clock.shift(timedelta(seconds=180))
    assert was_let_in(attempt(password=PASSWORD, client=known_browser))


def test_a_known_browser_is_a_strangers_to_other_accounts(viewer, maintainer, known_browser):
    fail_from_everywhere("maintainer")

    assert attempt("maintainer", PASSWORD, "203.0.113.9", known_browser).status_code == 429


def assert_forgotten(client):
    fail_from_everywhere()
    assert attempt(password=PASSWORD, address="203.0.113.9", client=client).status_code == 429


def test_a_changed_password_makes_all_browsers_strangers(viewer, known_browser):
    viewer.set_password("another one entirely")
    viewer.save()

    assert_forgotten(known_browser)


def test_a_browser_is_forgotten_after_its_time(viewer, known_browser, clock):
    clock.shift(timedelta(days=91))

    assert_forgotten(known_browser)


def test_an_inactive_account_knows_no_browser(viewer, known_browser):
    User.objects.filter(pk=viewer.pk).update(is_active=False)

    assert_forgotten(known_browser)


@pytest.mark.parametrize("change", [lambda value: value[:-1] + "~", lambda value: "", lambda value: "x:y:z"])
def test_a_cookie_that_was_not_given_is_worth_nothing(viewer, known_browser, change):
    known_browser.cookies[COOKIE] = change(known_browser.cookies[COOKIE].value)

    assert_forgotten(known_browser)


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_for_the_server_alone(viewer, settings, secure):
    settings.SESSION_COOKIE_SECURE = secure

    cookie = attempt(password=PASSWORD).cookies[COOKIE]

    assert cookie["httponly"]
    assert bool(cookie["secure"]) is secure
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Strict", LOGIN, 90 * 24 * 3600)


# Changing one's password


def change_password(client, old="wrong", new="s7aple-pass"):
    return client.post(CHANGE, {"old_password": old, "new_password1": new, "new_password2": new})


def test_a_stolen_session_does_not_try_out_passwords(client, viewer):
    client.force_login(viewer)

    answers = [change_password(client).status_code for _ in range(TRIES + 1)]

    assert answers == [200] * TRIES + [429]
    refused = change_password(client, old=PASSWORD)
    assert told(refused) == "There were too many tries. Wait 3 minutes, then try again."
    assert refused["Retry-After"] == "180"
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


def test_who_signs_in_anew_is_free_of_what_a_thief_has_used_up(client, viewer):
    client.force_login(viewer)
    [change_password(client) for _ in range(TRIES + 1)]
    own = Client()
    attempt(password=PASSWORD, client=own)

    assert change_password(own, old=PASSWORD).status_code == 302

    assert client.get("/").status_code == 302  # The thief is out.
    assert own.get("/").status_code == 200


def test_a_new_password_that_is_refused_is_no_guess(client, viewer):
    client.force_login(viewer)

    answers = [change_password(client, old=PASSWORD, new="1234").status_code for _ in range(TRIES + 2)]

    assert set(answers) == {200}


def test_a_change_of_the_own_password_is_in_the_audit_log(client, viewer):
    client.force_login(viewer)

    change_password(client, old=PASSWORD)

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (viewer, str(viewer.pk), "Changed their password.")
