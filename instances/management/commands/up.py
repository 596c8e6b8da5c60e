"""`manage.py up`: the whole site with one command, for a trial on one's own machine."""

import errno
import hashlib
import os
import secrets
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from instances.jobs import in_words
from shm_site import env
from shm_site.children import BASE_DIR, Children
from shm_site.healthcheck import answers, reachable
from shm_site.stopping import Stopping

START_SECONDS = 60
LOOK_SECONDS = 0.2
SERVER, WORKER, DEMO = "The web server", "The worker", "The demo"


class Command(BaseCommand):
    help = "Prepares the database and runs the web server and the worker until it is told to stop (Ctrl-C)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="Also make up a fleet that has a past and reports.")

    def handle(self, *args: Any, demo: bool, **options: Any) -> None:
        try:
            self.host = env.text("SHM_HOST", "127.0.0.1").strip("[]")
            self.port = env.integer("PORT", 8080, minimum=1, maximum=65535)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        check_port(self.host, self.port)
        with Stopping() as stopping:
            self.prepare()
            if not stopping:
                self.run(stopping, demo)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    # Preparing

    def prepare(self) -> None:
        try:
            settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
            self.migrate()
            self.collect_static_files()
            self.create_first_user()
        except OSError as error:
            raise CommandError(f"{error}. Set SHM_DATA_DIR to a folder that can be written.") from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {in_words(error)}. Check DATABASE_URL.") from error
        finally:
            connections.close_all()  # The processes that follow have connections of their own.

    def migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.say("Preparing the database ...")
            call_command("migrate", interactive=False, verbosity=0)

    def collect_static_files(self) -> None:
        stamp = Path(settings.STATIC_ROOT) / ".collected"
        state = state_of_static_files()
        if stamp.is_file() and stamp.read_text() == state:
            return
        self.say("Collecting static files ...")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(state)

    def create_first_user(self) -> None:
        users: type[User] = get_user_model()
        if users.objects.exists():
            return
        name = env.text("SHM_ADMIN_USER", "admin")
        given = env.text("SHM_ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        users.objects.create_superuser(name, "", password)
        shown = "the one in SHM_ADMIN_PASSWORD" if given else f"{password}   (shown this once)"
        self.say(f"\n  Sign in as   {name}\n  Password     {shown}\n")

    # Running

    def run(self, stopping: Stopping, demo: bool) -> None:
        site = {"SHM_HOST": self.host, "PORT": str(self.port)}
        gunicorn = ["gunicorn", "--config", "python:shm_site.gunicorn", "shm_site.wsgi"]
        with Children(stopping) as children:
            children.start(SERVER, [sys.executable, "-m", *gunicorn], site)
            children.start(WORKER, manage("worker"))
            self.wait_for_answer(stopping, children)
            if not stopping:
                self.say(f"\n  Look at      {self.url}\n  Stop with    Ctrl-C\n")
                if demo:
                    children.start(DEMO, manage("demo", "--url", self.url))
            while not stopping.wait(LOOK_SECONDS):
                check_children(children)
            self.say("Stopping ...")

    def wait_for_answer(self, stopping: Stopping, children: Children) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not stopping and not answers(self.host, self.port, timeout=2):
            check_children(children)
            if time.monotonic() > deadline:
                raise CommandError(f"The web server has not answered at {self.url} for {START_SECONDS} s; stopped.")
            stopping.wait(LOOK_SECONDS)

    @property
    def url(self) -> str:
        address = reachable(self.host)
        return f"http://{f'[{address}]' if ':' in address else address}:{self.port}"


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(BASE_DIR / "manage.py"), *arguments]


def check_port(host: str, port: int) -> None:
    """Raises CommandError if nothing can listen there, before anything is prepared for it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} of {host} is in use by another program. End that one, or choose another port: "
                f"make run PORT={port % 65535 + 1}"
            ) from error
        raise CommandError(
            f"Nothing can listen on port {port} of {host}: {error.strerror}. "
            "Set PORT and SHM_HOST to a port above 1023 and an address of this machine."
        ) from error


def check_children(children: Children) -> None:
    """Raises CommandError if one has ended that should not have; the demo may, when it has done its work."""
    for name, code in children.ended().items():
        if name == DEMO and code == 0:
            continue
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise CommandError(f"{name} has ended {how}, so all is stopped. What it wrote above says why.")


def state_of_static_files() -> str:
    """A text that is another one once a static file, or where they are collected to, has changed."""
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = os.stat(storage.path(path))
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
