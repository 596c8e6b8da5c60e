"""What `manage.py check` says about settings that do not go together, and nothing about those that are documented."""

import ipaddress
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shm_site import checks

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENT = (ROOT / "docs/deployment.md").read_text()
EVERYBODY, ONE = ipaddress.ip_network("::/0"), ipaddress.ip_network("127.0.0.1")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, []),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["*"]}, ["shm.W001"]),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["localhost"]}, []),
        ({"SESSION_COOKIE_SECURE": True}, ["shm.W002"]),
        ({"SESSION_COOKIE_SECURE": True, "TRUSTED_PROXIES": [ONE]}, []),
        ({"TRUSTED_PROXIES": [ONE, EVERYBODY]}, ["shm.W003"]),
        ({"CSRF_TRUSTED_ORIGINS": ["http://shm.example.org"]}, []),
        (
            {
                "CSRF_TRUSTED_ORIGINS": ["https://a.example.org", "http://shm.example.org"],
                "SESSION_COOKIE_SECURE": True,
                "TRUSTED_PROXIES": [ONE],
            },
            ["shm.W004"],
        ),
    ],
)
def test_bad_combinations_are_found(settings, values, found):
    for name, value in values.items():
        setattr(settings, name, value)

    assert [message.id for message in checks.combinations(None)] == found


def test_what_matters_in_production_alone_is_asked_for_there(settings):
    settings.ALLOWED_HOSTS, settings.RATELIMIT_ENABLED = ["*"], False
    assert [message.id for message in (*checks.allowed_hosts(None), *checks.limits(None))] == ["shm.W005", "shm.W006"]
    settings.ALLOWED_HOSTS, settings.RATELIMIT_ENABLED = ["shm.example.org"], True
    assert [*checks.allowed_hosts(None), *checks.limits(None)] == []


def test_every_message_says_what_to_do():
    messages = [value for name, value in vars(checks).items() if re.fullmatch(r"[WE]\d{3}", name)]
    assert len({message.id for message in messages}) == len(messages) == 6
    assert all(message.hint and message.hint.endswith(".") for message in messages)
    described = (ROOT / "docs/security.md").read_text()
    assert all(f"| `{message.id}` |" in described for message in messages)


def check_deploy(folder, **variables):
    documented = re.search(r"`/etc/shm\.env`.*?```ini\n(.*?)```", DEPLOYMENT, re.DOTALL)
    assert documented
    shown = dict(line.split("=", 1) for line in documented[1].split())
    environment = {"PATH": os.environ["PATH"], **shown, "SHM_DATA_DIR": str(folder), **variables}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_documented_production_settings_pass(tmp_path):
    done = check_deploy(tmp_path)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_production_without_them_does_not_pass(tmp_path):
    done = check_deploy(tmp_path, SHM_SECURE_COOKIES="false", SHM_ALLOWED_HOSTS="*", SHM_RATELIMIT_ENABLED="false")

    assert done.returncode == 1
    assert set(re.findall(r"\(((?:shm|security)\.W\d+)\)", done.stderr)) == {
        "security.W004",
        "security.W008",
        "security.W010",
        "security.W016",
        "shm.W005",
        "shm.W006",
    }
