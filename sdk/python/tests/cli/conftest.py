from __future__ import annotations

import pytest

from shm_sdk import SHMClient, cli
from shm_sdk.commands import Surroundings


class Run:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __iter__(self):
        return iter((self.code, self.out, self.err))


@pytest.fixture
def client(config):
    return SHMClient(config, lambda: {"documents_created": 123})


@pytest.fixture
def naps():
    return []


@pytest.fixture
def shm(client, clock, naps, capsys):
    """Runs a command, as an application's own command line does."""

    def run(*argv, client=client, reply="", sleep=naps.append):
        def ask(question):
            cli.tell(question)
            if reply is None:
                raise EOFError
            return reply

        capsys.readouterr()
        code = cli.run(argv, client, Surroundings(clock, sleep, ask))
        return Run(code, *capsys.readouterr())

    return run


@pytest.fixture
def files(folder):
    """The files that are there, without the lock."""

    def names():
        found = (path.name for path in folder.iterdir()) if folder.exists() else ()
        return {name.replace("ledger_shm_", "") for name in found} - {"lock"}

    return names


@pytest.fixture
def installed(shm):
    """An installation that has reported once."""
    assert shm("send").code == 0
