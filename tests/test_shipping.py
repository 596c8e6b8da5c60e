"""What ships the server: image, Compose file, units, Makefile. There need be no Docker: each step is run by itself."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests import postgres
from tests.test_docs import documented

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
STEPS = re.findall(r"^([A-Z]+) (.+)$", DOCKERFILE, re.MULTILINE)
COMPOSE_TEXT = (ROOT / "compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SETTINGS = (ROOT / "docs/settings.md").read_text()
DEPLOYMENT = (ROOT / "docs/deployment.md").read_text()
PATIENCE_SECONDS = 60
# What the image fixes, and what only `manage.py up` reads, is no setting of a Compose file.
NOT_FOR_COMPOSE = {
    "SHM_DATA_DIR",
    "SHM_STATIC_DIR",
    "SHM_HOST",
    "PORT",
    "SHM_DB_DSN",
    "SHM_ADMIN_USER",
    "SHM_ADMIN_PASSWORD",
}


def steps(name):
    return [argument for instruction, argument in STEPS if instruction == name]


def health_check():
    return json.loads(steps("HEALTHCHECK")[0].partition(" CMD ")[2])


def environment_of(folder, **variables):
    """As inside the container: nothing of the tests' own environment, and the image's programs on the PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    image = {"SHM_DATA_DIR": str(folder / "data"), "SHM_STATIC_DIR": str(folder / "static")}
    return {"PATH": path, "HOME": str(folder), **image, **variables}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder with what .dockerignore lets through and the static files that the build collects."""
    folder = tmp_path_factory.mktemp("image")
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], folder / "srv" / line[1:]
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)
    [collect] = [step for step in steps("RUN") if "collectstatic" in step]
    command = collect.replace("=/tmp ", f"={folder} ").replace("/srv/static", str(folder / "static"))
    subprocess.run(["sh", "-ec", command], cwd=folder / "srv", env=environment_of(folder), check=True)
    return folder


def test_static_files_are_in_the_image_and_the_key_of_the_build_is_not(image):
    assert (image / "static/staticfiles.json").is_file()
    assert not list(image.rglob("secret_key"))


def test_the_translations_are_in_the_image(image):
    assert (image / "srv/locale/fr/LC_MESSAGES/django.mo").is_file()


def test_every_step_of_the_build_is_sound():
    for command in steps("RUN"):
        subprocess.run(["sh", "-n", "-c", command], check=True)
    install = next(step for step in steps("RUN") if step.startswith("pip install"))
    # All is installed here already, so an index is not needed to see that the list is complete and agrees with itself.
    command = [sys.executable, "-m", *shlex.split(install), "--dry-run", "--no-index", "--quiet"]
    subprocess.run(
        command, cwd=ROOT, check=True, env={**os.environ, "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    )


def test_the_image_compiles(image):
    [step] = [step for step in steps("RUN") if "compileall" in step]
    subprocess.run(shlex.split(step), cwd=image / "srv", env=environment_of(image), check=True)


def test_the_server_does_not_run_as_root():
    last_stage = STEPS[max(index for index, (name, _) in enumerate(STEPS) if name == "FROM") :]
    assert [argument for name, argument in last_stage if name == "USER"] == ["shm"]


def test_the_image_serves_and_its_health_check_passes(image):
    port = str(postgres.free_port())
    environment = environment_of(image, PORT=port, SHM_HOST="127.0.0.1", SHM_WORKERS="1")
    run = {"cwd": image / "srv", "env": environment}
    subprocess.run(COMPOSE["services"]["migrate"]["command"], **run, check=True, stdout=subprocess.DEVNULL)
    assert subprocess.run(health_check(), **run, check=False).returncode == 1
    with subprocess.Popen(json.loads(steps("CMD")[0]), **run) as server:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while subprocess.run(health_check(), **run, check=False).returncode:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            server.terminate()
        assert server.wait(PATIENCE_SECONDS) == 0


def test_the_worker_of_the_image_works_and_stops(image):
    command = COMPOSE["services"]["worker"]["command"]
    run = {"cwd": image / "srv", "env": environment_of(image)}
    with subprocess.Popen(command, **run, stderr=subprocess.PIPE, text=True) as worker:
        assert "The worker has started" in worker.stderr.readline()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0


def test_compose_starts_things_in_order():
    services = COMPOSE["services"]
    assert services["db"]["healthcheck"]["test"][1] == "pg_isready"
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    # The web server is what the image runs unless told otherwise.
    assert "command" not in services["web"]
    named = {volume.partition(":")[0] for service in services.values() for volume in service["volumes"]}
    assert named == set(COMPOSE["volumes"])


def shown_in_compose():
    """Every variable of the Compose file with its default: set, interpolated, or in a comment."""
    comments = dict(re.findall(r'^ *# ((?:SHM|DATABASE)_\w+): "?([^"\n]*)"?$', COMPOSE_TEXT, re.MULTILINE))
    interpolated = dict(re.findall(r"\$\{(\w+)(?::[-?]([^}]*))?\}", COMPOSE_TEXT))
    used = {name: None for service in COMPOSE["services"].values() for name in service.get("environment", {})}
    return {**used, **interpolated, **comments}


def test_every_variable_of_compose_is_documented_and_every_setting_shown():
    shown = shown_in_compose()
    assert all(f"| `{name}` |" in SETTINGS for name in shown)
    assert set(documented()) - NOT_FOR_COMPOSE <= set(shown)
    for name, default in documented().items():
        if default.startswith("`") and name in shown and shown[name] is not None:
            assert shown[name] == default.strip("`"), name


def test_systemd_runs_what_the_image_runs():
    starts = re.findall(r"^ExecStart=/srv/shm/.venv/bin/(.*)$", DEPLOYMENT, re.MULTILINE)
    assert starts == [" ".join(json.loads(steps("CMD")[0])), " ".join(COMPOSE["services"]["worker"]["command"])]


def test_make_explains_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    run = {"cwd": ROOT, "check": True, "text": True, "stdout": subprocess.PIPE}
    shown = subprocess.run(["make", "--no-print-directory"], **run).stdout
    for target in targets[1].split():
        assert target in ("python3", "chromium") or re.search(rf"^  {target} +\S", shown, re.MULTILINE)
        subprocess.run(["make", "--dry-run", target], **run)


def test_ci_runs_what_a_developer_runs():
    script = (ROOT / ".ci/run").read_text()
    assert "set -euo pipefail" in script
    assert script.splitlines()[-1] == "make test"
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


def test_the_licence_is_whole():
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"


FILL = """
from django.contrib.auth.models import Group, User
from django.utils import timezone
from instances.models import Application, Instance, PublicKey
from metrics.models import Snapshot
User.objects.create_superuser("ada", "", "x").groups.add(Group.objects.create(name="team"))
instance = Instance.objects.create(application=Application.named("Ledger"), metrics={"users": 1})
PublicKey.objects.create(instance=instance, hex="a" * 64)
metrics = {"z": 12345678901234567890123, "a": None}
Snapshot.objects.create(instance=instance, timestamp=timezone.now(), metrics=metrics)
"""
READ = """
from django.contrib.auth.models import User
from instances.models import Application, PublicKey
from metrics.models import Snapshot
print([group.name for group in User.objects.get().groups.all()], PublicKey.objects.get().instance.metrics)
print([snapshot.metrics for snapshot in Snapshot.objects.all()])
Application.named("A new one, whose number must not be taken")
"""


@pytest.mark.server
def test_sqlite_moves_to_postgresql_as_documented(image, tmp_path):
    section = DEPLOYMENT.partition("## From SQLite to PostgreSQL")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    commands = block[1].replace(".venv/bin/python", "python").replace("all.jsonl", str(tmp_path / "all.jsonl"))
    environment = environment_of(tmp_path)
    run = {"cwd": image / "srv", "check": True, "text": True, "stdout": subprocess.PIPE}
    python = ["python", "manage.py"]
    subprocess.run([*python, "migrate"], env=environment, **run)
    subprocess.run([*python, "shell", "--verbosity=0", "--command", FILL], env=environment, **run)
    with postgres.server() as server:
        subprocess.run(["sh", "-ec", commands], env={**environment, "NEW": server.url}, **run)
        environment["DATABASE_URL"] = server.url
        read = subprocess.run([*python, "shell", "--verbosity=0", "--command", READ], env=environment, **run).stdout
    assert read == "['team'] {'users': 1}\n[{'z': 12345678901234567890123, 'a': None}]\n"
