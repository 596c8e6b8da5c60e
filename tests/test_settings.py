"""What somebody sees who starts the server with a variable that is wrong, or with none."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def environment(folder, **variables):
    """A process environment with nothing of the test run's own configuration in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SHM_", "DATABASE_", "DJANGO_"))}
    return {**kept, "SHM_DATA_DIR": str(folder), **variables}


def check(folder, **variables):
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def start_settings(folder, **variables):
    """A process that does no more than load the settings, and prints the secret key."""
    return subprocess.Popen(
        [sys.executable, "-c", "from shm_site.settings import SECRET_KEY; print(SECRET_KEY)"],
        cwd=ROOT,
        env=environment(folder, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def secret_key(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def test_it_starts_without_any_variable(tmp_path):
    done = check(tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHM_DEBUG", "maybe"),
        ("SHM_TRUSTED_PROXIES", "proxy.example"),
        ("SHM_ACCEPTANCE_WINDOW", "7 days"),
        ("SHM_REGISTRATION", "shut"),
        ("SHM_UNKNOWN_APPLICATIONS", "maybe"),
        ("SHM_KEEP_PENDING", "a week"),
        ("SHM_KEEP_PENDING", "59m"),
        ("SHM_RATELIMIT_CLEANUP_INTERVAL", "1ms"),
        ("SHM_MAX_UNCONFIRMED_APPLICATIONS", "-1"),
        ("SHM_RATELIMIT_REGISTER_BURST", "0"),
        ("SHM_RATELIMIT_SNAPSHOT_PERIOD", "60"),
        ("DATABASE_URL", "postgres://shm:hunter2@db.example:port/fleet"),
        ("SHM_DB_DSN", "host=db.example password=hunter2 dbname"),
    ],
)
def test_a_bad_variable_stops_the_start_with_a_sentence_that_names_it(tmp_path, name, value):
    done = check(tmp_path, **{name: value})

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert name in last
    assert last.endswith(".")
    # The whole of what is printed counts: a traceback of what went wrong underneath shows the value too.
    assert "hunter2" not in done.stderr + done.stdout


def test_a_secret_key_is_made_once_and_kept_private(tmp_path):
    folder = tmp_path / "data"

    first = secret_key(start_settings(folder))
    second = secret_key(start_settings(folder))

    assert len(first) >= 32
    assert second == first == (folder / "secret_key").read_text().strip()
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_share_one_secret_key(tmp_path):
    folder = tmp_path / "data"

    keys = {secret_key(process) for process in [start_settings(folder) for _ in range(8)]}

    assert keys == {(folder / "secret_key").read_text().strip()}
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_a_secret_key_that_is_given_is_not_kept(tmp_path):
    assert secret_key(start_settings(tmp_path, SHM_SECRET_KEY="k" * 40)) == "k" * 40
    assert not (tmp_path / "secret_key").exists()


def test_a_secret_key_that_was_cut_short_stops_the_start(tmp_path):
    (tmp_path / "secret_key").write_text("short")

    done = check(tmp_path)

    assert done.returncode != 0
    assert "secret_key holds no secret key of 32 characters or more" in done.stderr.strip().splitlines()[-1]


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path):
    (tmp_path / "file").write_text("in the way")

    done = check(tmp_path / "file")

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "SHM_SECRET_KEY" in last
    assert "SHM_DATA_DIR" in last
