"""The command line: `python -m shm_sdk`, `shm-sdk`, or a part of an application's own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shm_sdk import __version__, finding
from shm_sdk import client as clients
from shm_sdk.actions import Failed
from shm_sdk.client import SHMClient
from shm_sdk.commands import Commands, Surroundings
from shm_sdk.folder import Unusable
from shm_sdk.output import plain, sentence, tell
from shm_sdk.reporter import Busy
from shm_sdk.transport import Unreachable

DONE, FAILED, USAGE = 0, 1, 2
HELP = {
    "preview": "show to the byte what would be sent, and where; sends and writes nothing",
    "send": "report now",
    "status": "show whether this installation reports, and if not, why",
    "export": "get everything that the server stores about this installation",
    "rotate": "replace the key that signs the reports",
    "forget": "have the server erase this installation, and never report again",
    "opt-out": "stop reports; keeps the identity, so that export and forget still work",
    "opt-in": "allow reports again",
}


def main(argv: Sequence[str] | None = None, client: SHMClient | None = None, prog: str | None = None) -> int:
    """Returns 0 if it is done, 1 if it did not work, which is told on stderr, and raises SystemExit(2) for wrong use.

    With a `client`, for applications that make this a part of their own command line, there are no options that say
    which application it is about. `prog` is what the usage calls it then.
    """
    return run(argv, client, Surroundings(), prog)


def run(argv: Sequence[str] | None, client: SHMClient | None, around: Surroundings, prog: str | None = None) -> int:
    could_report = clients.may_report
    try:
        code = _run(parser(client is None, prog), argv, client, around)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        tell("")
        tell("Interrupted. What is not done can be done again.")
        return FAILED
    finally:
        clients.may_report = could_report


def _run(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, client: SHMClient | None, around: Surroundings
) -> int:
    options = parser.parse_args(argv)
    try:
        client = client or finding.find(options)
        problem = client.config.problem()
        if problem:
            raise Failed(problem)
        getattr(Commands(client, around), options.command.replace("-", "_"))(options)
    except finding.NotFound as error:
        parser.error(plain(str(error)))
    except Unreachable as error:
        tell(f"{sentence(str(error))} See whether this machine reaches it, and try again.")
        return FAILED
    except (Failed, Busy, Unusable) as error:
        tell(str(error))
        return FAILED
    return DONE


def parser(asks_which: bool, prog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog or _name(),
        description="What this installation tells its maintainers, and how to stop it or to have it erased.",
    )
    parser.add_argument("--version", action="version", version=f"shm-sdk {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made = {name: commands.add_parser(name, help=text, description=_sentence(text)) for name, text in HELP.items()}
    made["send"].add_argument("--if-due", action="store_true", help="only if a report is due: for cron")
    made["status"].add_argument("--json", action="store_true", help="for programs")
    made["export"].add_argument("--output", metavar="FILE", help="write it there instead of to the terminal")
    made["forget"].add_argument("--yes", action="store_true", help="do not ask whether to go on")
    if asks_which:
        for each in made.values():
            finding.add_options(each)
    return parser


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _name() -> str | None:
    """As it was called; argparse would say "__main__.py"."""
    return "python -m shm_sdk" if Path(sys.argv[0]).name == "__main__.py" else None
