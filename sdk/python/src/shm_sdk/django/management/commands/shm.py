from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from shm_sdk.django import client, conf


class Command(BaseCommand):
    help = (
        "Shows and controls the telemetry of this installation: preview, send, status, export, rotate, forget, "
        "opt-out or opt-in. `manage.py shm preview --help` tells what a command takes."
    )
    # What is wrong with the site shall not keep anybody from stopping this.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="a command and what it takes")

    def handle(self, *args: Any, **options: Any) -> None:
        from shm_sdk import cli

        if conf.given().get("ENABLED") is None and settings.DEBUG:
            self.stderr.write('DEBUG is on, so nothing is sent unless SHM says "ENABLED": True.')
        # Else Django would end the line after each piece of one that is printed.
        self.stdout.ending = ""
        with contextlib.redirect_stdout(cast(Any, self.stdout)):
            code = cli.main(_without_django(options["arguments"]), client(), "manage.py shm")
        if code:
            sys.exit(code)


def _without_django(arguments: list[str]) -> list[str]:
    """What stands behind the command is Django's own if it is one of these, and has been seen to already."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    return parser.parse_known_args(arguments)[1]
