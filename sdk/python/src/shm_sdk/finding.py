"""Which application a command is about: its own client, or what the options say."""

from __future__ import annotations

import argparse
import importlib
import operator
import os
import sys

from shm_sdk import client as clients
from shm_sdk.client import SHMClient
from shm_sdk.config import Config

# What a command cannot do without, if there is no --client.
NEEDED = ("server_url", "app_name")
NEEDED_TO_REPORT = (*NEEDED, "app_version")
REPORTING = {"preview", "send"}


class NotFound(Exception):
    """The options lead to no client. The text says what to change."""


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "which application", "Either --client, or the others as the application has them."
    )
    group.add_argument(
        "--client", metavar="MODULE:NAME", help="its SHMClient, or a function that returns it: ledger.telemetry:client"
    )
    group.add_argument("--server-url", metavar="URL", help="the server that it reports to")
    group.add_argument("--app-name", metavar="NAME")
    group.add_argument("--app-version", metavar="VERSION", default="")
    group.add_argument("--data-dir", metavar="FOLDER", default=".", help="where it keeps its identity (default: here)")
    group.add_argument("--environment", metavar="NAME", default="", help="production, staging, ...")


def find(options: argparse.Namespace) -> SHMClient:
    """Raises NotFound. Nothing that is imported on the way begins to report."""
    if options.client:
        clients.may_report = False
        return _imported(options.client)
    needed = NEEDED_TO_REPORT if options.command in REPORTING else NEEDED
    missing = [f"--{name.replace('_', '-')}" for name in needed if not getattr(options, name)]
    if missing:
        raise NotFound(f"Which application? Give --client, or else {', '.join(missing)}.")
    return SHMClient(
        Config(options.server_url, options.app_name, options.app_version, options.data_dir, options.environment)
    )


def _imported(path: str) -> SHMClient:
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise NotFound(f"--client is {path!r}: give a module and a name in it, like ledger.telemetry:client.")
    try:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        found = operator.attrgetter(attribute)(importlib.import_module(module_name))
        if callable(found) and not isinstance(found, SHMClient):
            found = found()
    except (Exception, SystemExit) as error:  # It is somebody else's code.
        raise NotFound(f"--client {path} does not work here: {type(error).__name__}: {error}") from error
    if not isinstance(found, SHMClient):
        raise NotFound(
            f"--client {path} is a {type(found).__name__}: give an SHMClient or a function that returns one."
        )
    return found
