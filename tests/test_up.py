import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management.base import CommandError

from instances.management.commands import up
from shm_site.healthcheck import answers
from tests.postgres import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60
# The laptop trial is SQLite in a folder of its own, whatever the tests run on.
REMOVED = ("DATABASE_URL", "SHM_DB_DSN", "SHM_SECRET_KEY", "SHM_STATIC_DIR", "SHM_ALLOWED_HOSTS")

pytestmark = pytest.mark.server


def descendants(pid):
    """The ids of all processes below `pid`."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


class Trial:
    """`manage.py up` in a process of its own, and what it writes."""

    def __init__(self, folder, **variables):
        self.folder = folder
        self.port = int(variables.get("PORT", 0)) or free_port()
        self.log = folder.parent / f"{folder.name}.log"
        environment = {name: value for name, value in os.environ.items() if name not in REMOVED}
        environment |= {"DJANGO_SETTINGS_MODULE": "shm_site.settings", "SHM_DATA_DIR": str(folder)}
        environment |= {"PORT": str(self.port), "SHM_WORKERS": "1", **variables}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "manage.py", "up"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    @property
    def output(self):
        return self.log.read_text()

    def wait_until_it_answers(self):
        wait_until(lambda: "Look at" in self.output or self.process.poll() is not None)
        assert answers("127.0.0.1", self.port), self.output
        self.family = descendants(self.process.pid)

    def child(self, word):
        """The id of the direct child that has `word` in its command line."""
        return next(
            int(pid)
            for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if word in Path(f"/proc/{pid}/cmdline").read_text()
        )

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def assert_nobody_is_left(self):
        wait_until(lambda: not any(is_running(pid) for pid in self.family))
        assert not answers("127.0.0.1", self.port)


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(**variables):
            trial = Trial(tmp_path / "data", **variables)
            stack.callback(trial.process.wait, PATIENCE_SECONDS)
            stack.callback(trial.process.terminate)
            return trial

        yield start


def users_of(folder):
    with contextlib.closing(sqlite3.connect(folder / "shm.sqlite3")) as database:
        return database.execute("SELECT username, is_superuser, password FROM auth_user").fetchall()


def test_the_first_start_prepares_all_and_the_second_nothing(start):
    first = start()
    first.wait_until_it_answers()
    password = first.output.partition("Password")[2].split()[0]
    [(name, is_superuser, encoded)] = users_of(first.folder)
    assert (name, is_superuser) == ("admin", 1)
    assert PBKDF2PasswordHasher().verify(password, encoded)
    assert f"http://127.0.0.1:{first.port}" in first.output
    assert len(first.family) == 3  # gunicorn, its one worker process, the worker of the regular work
    assert first.stop(signal.SIGINT) == 0
    first.assert_nobody_is_left()

    second = start()
    second.wait_until_it_answers()
    assert not {"Preparing", "Collecting", "Password"} & set(second.output.split())
    assert second.stop() == 0
    second.assert_nobody_is_left()


def test_a_given_password_is_used_and_not_shown(start, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    trial = start(SHM_ADMIN_USER="ada", SHM_ADMIN_PASSWORD_FILE=str(secret))
    trial.wait_until_it_answers()
    assert "correct horse" not in trial.output
    [(name, _, encoded)] = users_of(trial.folder)
    assert name == "ada"
    assert PBKDF2PasswordHasher().verify("correct horse", encoded)


@pytest.mark.parametrize(("word", "name"), [("gunicorn", "The web server"), ("worker", "The worker")])
def test_when_a_child_dies_the_other_ends_too(start, word, name):
    trial = start()
    trial.wait_until_it_answers()
    os.kill(trial.child(word), signal.SIGKILL)
    assert trial.process.wait(PATIENCE_SECONDS) == 1
    assert f"{name} has ended by signal 9" in trial.output
    assert "Traceback" not in trial.output
    trial.assert_nobody_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_nobody_is_left_when_it_is_killed(start):
    trial = start()
    trial.wait_until_it_answers()
    trial.stop(signal.SIGKILL)
    trial.assert_nobody_is_left()


def test_a_port_in_use_is_a_sentence(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        trial = start(PORT=str(other.getsockname()[1]))
        assert trial.process.wait(PATIENCE_SECONDS) == 1
    assert f"Port {trial.port} of 127.0.0.1 is in use" in trial.output
    assert "Traceback" not in trial.output
    assert not (trial.folder / "shm.sqlite3").exists()


def test_a_port_that_is_none_is_a_sentence(start):
    trial = start(PORT="70000")
    assert trial.process.wait(PATIENCE_SECONDS) == 1
    assert "PORT is '70000'; it must be a whole number from 1 to 65535." in trial.output
    assert "Traceback" not in trial.output


class Ended:
    def __init__(self, **codes):
        self.codes = {getattr(up, name): code for name, code in codes.items()}

    def ended(self):
        return self.codes


def test_the_demo_may_end_when_it_is_done():
    up.check_children(Ended(DEMO=0))
    with pytest.raises(CommandError, match="The demo has ended with exit code 3"):
        up.check_children(Ended(DEMO=3))


def test_the_health_check_passes_when_only_the_public_name_is_allowed(start):
    trial = start(SHM_ALLOWED_HOSTS="shm.example.org")
    wait_until(lambda: "Look at" in trial.output or trial.process.poll() is not None)
    assert trial.process.poll() is None, trial.output
    environment = {**os.environ, "PORT": str(trial.port), "SHM_ALLOWED_HOSTS": "shm.example.org"}
    command = [sys.executable, "-m", "shm_site.healthcheck"]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
    environment["PORT"] = str(free_port())
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 1
