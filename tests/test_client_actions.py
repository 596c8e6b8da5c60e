"""The Python client's command line against the real server: what it asks for is what is done."""

import json
import time

import pytest
from shm_sdk import Config, SHMClient, identity
from shm_sdk.actions import Actions, Unknown
from shm_sdk.cli import run
from shm_sdk.commands import Surroundings
from shm_sdk.consent import CI_VARIABLES
from shm_sdk.delivery import Server
from shm_sdk.folder import Folder
from shm_sdk.transport import Transport, Unreachable

from tests.gunicorn_server import gunicorn_server, migrated_database

pytestmark = pytest.mark.server

HOUR = 3600


@pytest.fixture(scope="module")
def server():
    with migrated_database() as database, gunicorn_server(database) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_word_of_the_machine(monkeypatch):
    for variable in [*CI_VARIABLES, "DO_NOT_TRACK"]:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def client(server, tmp_path):
    """Of an installation that has reported."""
    config = Config(f"http://127.0.0.1:{server.port}", "Ledger", "1.0.0", data_dir=tmp_path / "data")
    client = SHMClient(config, lambda: {"documents_created": 123})
    assert client.send()
    return client


@pytest.fixture
def shm(client):
    def command(*argv, clock=time.time):
        return run(argv, client, Surroundings(clock))

    return command


@pytest.fixture
def export(shm, tmp_path):
    """What the server stores about the installation, as the command writes it."""

    def everything(**given):
        assert shm("export", "--output", str(tmp_path / "all.json"), **given) == 0
        return json.loads((tmp_path / "all.json").read_text())

    return everything


def who(client):
    return identity.load(Folder(client.config))


def current_keys(everything):
    return [key["public_key"] for key in everything["keys"] if key["retired_at"] is None]


def actions_of(client, identity):
    return Actions(Server(client.config, Transport(client.config.url), time.time), Folder(client.config), identity)


def lose_the_next_answer(monkeypatch):
    """The server does as it is asked, and the network breaks down."""

    def post(transport, request, *args):
        undone.undo()
        transport.post(request, *args)
        raise Unreachable("The test has pulled the plug.")

    undone = monkeypatch
    monkeypatch.setattr(Transport, "post", post)


def test_an_export_holds_all_that_was_sent(shm, client, export):
    assert shm("send") == 0
    everything = export()

    assert everything["instance_id"] == who(client).instance_id
    assert everything["application"]["name"] == "Ledger"
    assert [key["public_key"] for key in everything["keys"]] == [who(client).public_key]
    assert [snapshot["metrics"]["documents_created"] for snapshot in everything["snapshots"]] == [123, 123]


def test_an_export_goes_to_the_terminal_as_well(shm, client, capfd):
    assert shm("export") == 0

    assert json.loads(capfd.readouterr().out)["instance_id"] == who(client).instance_id


def test_a_rotation_retires_the_old_key_and_reports_go_on_with_the_new_one(shm, client, export):
    old = who(client)
    assert shm("rotate") == 0
    assert shm("send") == 0
    everything = export()

    assert {key["public_key"]: key["retired_at"] is None for key in everything["keys"]} == {
        old.public_key: False,
        who(client).public_key: True,
    }
    assert len(everything["snapshots"]) == 2
    with pytest.raises(Unknown):
        actions_of(client, old).export()


@pytest.mark.parametrize("goes_on", ["rotate", "send", "export"])
def test_a_rotation_whose_answer_was_lost_is_finished_by_whatever_comes_next(shm, client, export, monkeypatch, goes_on):
    old = who(client)
    with monkeypatch.context() as patch:
        lose_the_next_answer(patch)
        assert shm("rotate") == 1
    assert who(client) == old

    assert shm(goes_on) == 0
    assert current_keys(export()) == [who(client).public_key]
    assert who(client) != old


def test_a_forgotten_installation_is_gone_there_and_here(shm, client):
    known = who(client)
    assert shm("forget", "--yes") == 0

    assert who(client) is None
    with pytest.raises(Unknown):
        actions_of(client, known).export()
    assert shm("send") == 1
    assert not client.send()
    assert sorted(path.name for path in Folder(client.config).path.iterdir()) == [
        "ledger_shm_lock",
        "ledger_shm_opt_out",
    ]


def test_a_forget_whose_answer_was_lost_is_finished_by_the_next(shm, client, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        lose_the_next_answer(patch)
        assert shm("forget", "--yes") == 1
    assert who(client) is not None

    assert shm("forget", "--yes") == 0
    assert "is erased already" in capsys.readouterr().out
    assert who(client) is None


def test_whoever_opts_in_again_after_that_is_a_new_installation(shm, client, export):
    known = who(client)
    assert shm("forget", "--yes") == 0
    assert shm("opt-in") == 0
    assert shm("send") == 0

    assert who(client).instance_id != known.instance_id
    assert len(export()["snapshots"]) == 1


@pytest.mark.parametrize("hours", [-30, 30])
@pytest.mark.parametrize("command", [["export"], ["rotate"], ["forget", "--yes"]])
def test_they_work_with_a_clock_that_is_far_off(shm, command, hours):
    assert shm(*command, clock=lambda: time.time() + hours * HOUR) == 0


def test_an_export_while_opted_out_is_answered(shm, export, monkeypatch):
    assert shm("opt-out") == 0
    monkeypatch.setenv("DO_NOT_TRACK", "1")

    assert len(export()["snapshots"]) == 1


def test_the_limit_of_actions_is_told_with_the_time_to_wait(shm, client, capsys):
    codes = [shm("export") for _ in range(7)]

    assert codes[:5] == [0] * 5
    assert codes[-1] == 1
    assert "Try again in" in capsys.readouterr().err
