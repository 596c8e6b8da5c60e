"""A new key, whatever happens on the way: afterwards the installation has one, and the server knows it."""

from __future__ import annotations

import email.utils
import json

import pytest

from shm_sdk import identity, rotation
from shm_sdk.actions import Actions, Failed, Unknown
from shm_sdk.delivery import Server
from shm_sdk.folder import Folder
from shm_sdk.transport import Transport, Unreachable
from tests.server import Handler, answers, hangs_up, loses_its_answer


class Killed(BaseException):
    """As by SIGKILL: nothing of ours catches it."""


@pytest.fixture
def installation(make_reporter, config):
    """One that has reported."""
    make_reporter().turn()
    return Folder(config)


@pytest.fixture
def rotate(config, clock):
    def run():
        folder = Folder(config)
        who = identity.load(folder)
        return Actions(Server(config, Transport(config.url, 5.0), clock), folder, who).rotate()

    return run


def keys(folder):
    """Those on disk by file, and nothing for a file that is not there."""
    found = {name: identity.load(folder, name) for name in (identity.FILE, identity.NEXT_FILE)}
    return {name: who.public_key for name, who in found.items() if who}


def test_the_new_key_is_on_disk_before_the_server_hears_of_it(installation, rotate, server):
    old = keys(installation)[identity.FILE]
    seen = []

    def look(handler):
        seen.append(keys(installation))
        handler.behave()

    server.behaviours["/v1/rotate"] = [look]
    new = rotate().public_key

    assert seen == [{identity.FILE: old, identity.NEXT_FILE: new}]
    assert keys(installation) == {identity.FILE: new}
    assert list(server.keys.values()) == [new]
    assert new != old


def test_only_this_user_may_read_the_new_key(installation, rotate, server):
    server.behaviours["/v1/rotate"] = [hangs_up]
    with pytest.raises(Failed):
        rotate()

    assert installation.file(identity.NEXT_FILE).stat().st_mode & 0o777 == 0o600


def test_the_instance_stays_the_same_and_goes_on_to_report(installation, rotate, server, make_reporter):
    before = identity.load(installation).instance_id
    rotate()
    make_reporter().turn(is_forced=True)

    assert identity.load(installation).instance_id == before
    assert len(server.stored[before]) == 2


@pytest.mark.parametrize("behaviour", [hangs_up, answers(503), answers(500), answers(429, Retry_After="60")])
def test_a_server_that_has_not_taken_it_is_asked_again_with_the_same_key(installation, rotate, server, behaviour):
    old = keys(installation)[identity.FILE]
    server.behaviours["/v1/rotate"] = [behaviour]
    with pytest.raises(Failed):
        rotate()
    kept = keys(installation)
    assert kept[identity.FILE] == old

    assert rotate().public_key == kept[identity.NEXT_FILE]
    assert keys(installation) == {identity.FILE: kept[identity.NEXT_FILE]}
    assert list(server.keys.values()) == [kept[identity.NEXT_FILE]]


def test_an_answer_that_was_lost_is_made_up_for_by_the_next_rotation(installation, rotate, server):
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    with pytest.raises(Failed, match="nothing is lost: run rotate again"):
        rotate()
    new = keys(installation)[identity.NEXT_FILE]

    assert rotate().public_key == new
    assert keys(installation) == {identity.FILE: new}
    assert list(server.keys.values()) == [new]


def test_an_answer_that_was_lost_is_made_up_for_by_the_next_report(installation, rotate, server, make_reporter):
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    with pytest.raises(Failed):
        rotate()
    make_reporter().turn(is_forced=True)

    assert keys(installation) == {identity.FILE: next(iter(server.keys.values()))}
    assert len(server.snapshots) == 2


def test_an_answer_that_a_proxy_replaced_by_its_own_is_made_up_for_at_once(installation, rotate, server):
    def does_it_and_says_otherwise(handler):
        handler.is_mute = True
        handler.behave()
        handler.is_mute = False
        handler.answer(504, b"<h1>Gateway Time-out</h1>")

    server.behaviours["/v1/rotate"] = [does_it_and_says_otherwise]

    assert rotate().public_key == next(iter(server.keys.values()))
    assert list(keys(installation)) == [identity.FILE]


def kills_after(owner, method, calls):
    """The process dies right after so many calls of the method; and one that dies before the first is `calls` = 0."""
    original, done = getattr(owner, method), []

    def call(*args, **kwargs):
        if len(done) == calls:
            raise Killed
        done.append(1)
        result = original(*args, **kwargs)
        if len(done) == calls:
            raise Killed
        return result

    return call


@pytest.mark.parametrize(
    ("owner", "method", "calls"),
    [
        (Folder, "write", 0),
        (Folder, "write", 1),  # The new key is filed.
        (Transport, "post", 0),
        (Transport, "post", 1),  # The server has taken it.
        (Folder, "write", 2),  # It is in place.
        (Folder, "remove", 0),
        (Folder, "remove", 1),
    ],
)
@pytest.mark.parametrize("goes_on", ["rotating", "reporting"])
def test_a_crash_at_any_step_loses_no_identity(
    installation, rotate, server, make_reporter, monkeypatch, owner, method, calls, goes_on
):
    before = identity.load(installation).instance_id
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, kills_after(owner, method, calls))
        with pytest.raises(Killed):
            rotate()

    if goes_on == "rotating":
        rotate()
    else:
        make_reporter().turn(is_forced=True)

    who = identity.load(installation)
    assert who.instance_id == before
    assert server.keys == {before: who.public_key}


def test_what_a_crash_has_left_right_after_a_rotation_is_no_key_to_rotate_to(installation, rotate, server):
    who = rotate()
    identity.save(installation, who, identity.NEXT_FILE)

    assert rotate().public_key != who.public_key


def test_a_key_that_the_server_has_had_before_makes_room_for_another(installation, rotate, server):
    first = identity.load(installation)
    rotate()
    identity.save(installation, first, identity.NEXT_FILE)
    with pytest.raises(Failed, match="Run rotate again"):
        rotate()

    assert rotate().public_key == next(iter(server.keys.values()))


@pytest.mark.parametrize("content", [b"<html>Please sign in.</html>", b"{}", b'{"status": "welcome"}', b"[]"])
def test_a_login_page_that_answers_yes_to_everything_is_not_believed(installation, rotate, server, content):
    old = keys(installation)[identity.FILE]
    for path in ("/v1/rotate", "/v1/activate"):
        server.always[path] = answers(200, content)
    with pytest.raises(Failed, match="proxy or a login page"):
        rotate()

    assert keys(installation)[identity.FILE] == old


def test_the_next_key_of_another_installation_is_not_taken_over(installation, rotate, server, config):
    """Somebody has deleted the identity to begin anew, and left the other file."""
    old = identity.load(installation)
    stranger = identity.Identity.generate()
    server.keys[stranger.instance_id] = stranger.public_key
    identity.save(installation, stranger, identity.NEXT_FILE)
    del server.keys[old.instance_id]

    with pytest.raises(Unknown):
        rotate()
    assert rotation.finish(installation, old, Server(config, Transport(config.url), lambda: 0.0).ask) is None
    assert identity.load(installation) == old


def test_a_clock_that_is_wrong_is_set_right_by_the_answer(installation, rotate, server, clock):
    server.clock = lambda: clock.now + 86400

    assert rotate().public_key == next(iter(server.keys.values()))
    assert server.paths[-2:] == ["/v1/rotate", "/v1/rotate"]


def test_the_time_that_a_server_tells_counts_before_that_of_a_proxy(installation, rotate, server, clock, monkeypatch):
    monkeypatch.setattr(Handler, "date_time_string", lambda *_: email.utils.formatdate(clock.now, usegmt=True))
    server.clock = lambda: clock.now - 86400

    assert rotate().public_key in server.keys.values()


def test_a_server_that_refuses_every_time_is_asked_twice_and_no_more(installation, rotate, server, clock):
    problem = {"detail": "Set the clock.", "code": "timestamp_out_of_range", "server_time": "nonsense"}
    server.always["/v1/rotate"] = answers(400, problem)
    with pytest.raises(Failed, match="Set the clock"):
        rotate()

    assert server.paths.count("/v1/rotate") == 2


def test_a_server_without_rotation_is_told_about(installation, rotate, server):
    server.always["/v1/rotate"] = answers(404)
    with pytest.raises(Failed, match="does not know rotate"):
        rotate()


def test_an_export_and_an_erasure_finish_what_was_cut_off(installation, rotate, server, config, clock):
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    with pytest.raises(Failed):
        rotate()

    actions = Actions(Server(config, Transport(config.url), clock), installation, identity.load(installation))
    assert json.loads(actions.export())["instance_id"] == actions.identity.instance_id
    actions.forget()
    assert server.keys == {}


def test_a_server_that_is_away_while_it_is_asked_which_key_counts_costs_nothing(installation, rotate, server):
    server.behaviours["/v1/rotate"] = [answers(502)]
    server.behaviours["/v1/activate"] = [hangs_up]
    with pytest.raises(Failed, match="Both keys are kept") as error:
        rotate()

    assert isinstance(error.value.__cause__, Unreachable)
    assert set(keys(installation)) == {identity.FILE, identity.NEXT_FILE}


@pytest.mark.parametrize("behaviour", [answers(429), answers(500), answers(200, b"<html>Please sign in.</html>")])
def test_nobody_is_taken_for_unknown_while_the_new_key_may_count(
    installation, rotate, server, config, clock, behaviour
):
    """Else an erasure would delete the one key by which it could have been done."""
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    with pytest.raises(Failed):
        rotate()
    server.behaviours["/v1/activate"] = [behaviour]
    actions = Actions(Server(config, Transport(config.url), clock), installation, identity.load(installation))
    with pytest.raises(Failed) as error:
        actions.forget()

    assert not isinstance(error.value, Unknown)
    actions.forget()
    assert server.keys == {}


def test_whoever_is_turned_away_after_a_rotation_can_be_erased(installation, rotate, server, config, clock):
    server.behaviours["/v1/rotate"] = [loses_its_answer]
    with pytest.raises(Failed):
        rotate()
    server.always["/v1/activate"] = answers(403, {"detail": "Turned away.", "code": "revoked"})
    Actions(Server(config, Transport(config.url), clock), installation, identity.load(installation)).forget()

    assert server.keys == {}
