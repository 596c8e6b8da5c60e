"""Which application a command is about, and what wrong use is told."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from shm_sdk import SHMClient, cli
from shm_sdk import client as clients
from shm_sdk.commands import Surroundings
from shm_sdk.transport import Transport
from tests.cli.reading import ALL, PROGRAM, parts


@pytest.fixture
def module(tmp_path, monkeypatch, config):
    """A module in the working directory, with an application in it that starts its client when it is imported."""
    names = iter(range(100))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])

    def write(code):
        name = f"ledger_{tmp_path.name}_{next(names)}".replace("-", "_")
        head = "from shm_sdk import Config, SHMClient\n"
        head += f"config = Config({config.url!r}, 'Ledger', '1.0.0', {str(config.data_dir)!r})\n"
        (tmp_path / f"{name}.py").write_text(head + textwrap.dedent(code))
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith(f"ledger_{tmp_path.name}".replace("-", "_"))]:
        del sys.modules[name]


def test_a_client_is_found_by_its_module_and_name(module, server, clock, capsys):
    name = module("telemetry = SHMClient(config, lambda: {'found': 1})")
    code = cli.run(["send", "--client", f"{name}:telemetry"], None, Surroundings(clock))

    assert code == 0
    assert server.snapshots[0]["metrics"]["found"] == 1


def test_a_client_is_found_by_a_function(module, capsys, clock):
    name = module("def make():\n    return SHMClient(config)")

    assert cli.run(["status", "--client", f"{name}:make"], None, Surroundings(clock)) == 0
    assert "Ledger" in capsys.readouterr().out


def test_an_application_that_is_imported_to_be_looked_at_does_not_report(module, server, clock, files, capsys):
    name = module("telemetry = SHMClient(config)\ntelemetry.start()\ntelemetry.send()\n")
    assert cli.run(["preview", "--client", f"{name}:telemetry"], None, Surroundings(clock)) == 0

    assert sys.modules[name].telemetry._thread is None
    assert server.requests == []
    assert files() == set()
    assert clients.may_report


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("", "nothing_like_that:client"),
        ("", "{}:client"),
        ("", "{}"),
        ("", ":"),
        ("client = 3", "{}:client"),
        ("def client(needs_this): ...", "{}:client"),
        ("def client(): ...", "{}:client"),
        ("1 / 0", "{}:client"),
        ("raise SystemExit('Not like this.')", "{}:client"),
        ("syntax error", "{}:client"),
    ],
)
def test_a_client_that_cannot_be_found_is_wrong_use(module, capsys, code, path):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["status", "--client", path.format(module(code))])

    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert "--client" in err
    assert "Traceback" not in err


def test_an_application_may_be_described_by_options(server, clock, folder, capsys):
    options = ["--server-url", server.url, "--app-name", "Ledger", "--data-dir", str(folder), "--app-version", "2.0.0"]
    code = cli.run(["send", *options, "--environment", "staging"], None, Surroundings(clock))

    assert code == 0
    assert server.requests[0][1]["app_version"] == "2.0.0"
    assert server.requests[0][1]["environment"] == "staging"


@pytest.mark.parametrize("command", ALL)
def test_options_that_describe_no_application_are_wrong_use(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--app-name", "Ledger"])

    assert exit_.value.code == 2
    assert "--server-url" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["dance"], ["status", "--loud"]])
def test_what_is_no_command_is_wrong_use(argv, client, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(argv, client=client)

    assert exit_.value.code == 2


@pytest.mark.parametrize("command", ALL)
def test_a_configuration_that_never_works_is_told(shm, make_config, command):
    code, out, err = shm(command, client=SHMClient(make_config(server_url="telemetry.example.org")))

    assert (code, out) == (1, "")
    assert err.startswith("server_url is 'telemetry.example.org': give")


def test_applications_that_make_it_a_part_of_their_own_have_no_options_for_it(client, capsys):
    with pytest.raises(SystemExit):
        cli.main(["status", "--help"], client=client)
    assert "--server-url" not in capsys.readouterr().out

    assert cli.main(["status"], client=client) == 0


def test_an_interruption_is_no_traceback(shm, installed, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Transport, "post", interrupt)
    code, _, err = shm("export")

    assert code == 1
    assert "Interrupted" in err


def test_it_runs_as_a_program(server, folder):
    command = [sys.executable, "-W", "error", "-m", "shm_sdk", "preview", "--server-url", server.url]
    command += ["--app-name", "Ledger", "--app-version", "1.0.0", "--data-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, env=PROGRAM, timeout=60, check=False)

    assert done.returncode == 0
    assert done.stderr.startswith(b"Note: the application's own numbers are not in it.")
    assert done.stderr.count(b"\n") == 1
    assert len(parts(done.stdout.decode())) == 3
    assert not folder.exists()


def test_whoever_has_read_enough_sees_no_traceback(server, folder):
    command = [sys.executable, "-m", "shm_sdk", "preview", "--server-url", server.url, "--app-name", "Ledger"]
    command += ["--app-version", "1.0.0", "--data-dir", str(folder)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=PROGRAM, timeout=60, check=False)
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


def test_wrong_use_names_the_program_as_it_was_called():
    done = subprocess.run([sys.executable, "-m", "shm_sdk"], capture_output=True, env=PROGRAM, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith(b"usage: python")
    assert b"-m shm_sdk" in done.stderr
