"""What each command does. A method returns when it is done, and raises what says why it is not."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from shm_sdk import consent, identity, state
from shm_sdk.actions import EXPORT_SECONDS, Actions, Failed, Unknown
from shm_sdk.client import SHMClient
from shm_sdk.delivery import Delivery, Server
from shm_sdk.folder import Folder, Unusable
from shm_sdk.identity import Identity
from shm_sdk.output import collected, plain, put, say, sentence, tell
from shm_sdk.preview import preview
from shm_sdk.reporter import BUSY, Busy, Reporter
from shm_sdk.state import State
from shm_sdk.status import status
from shm_sdk.transport import Transport, Unreachable

# A report by the application takes a second or two.
TRIES = 10
PAUSE = 0.5
OPTED_OUT = "Nothing is sent while this file is here. To report again, remove it: the command opt-in does.\n"


@dataclass(frozen=True)
class Surroundings:
    """What tests put something else in the place of."""

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    ask: Callable[[str], str] = input


class Commands:
    """`client` must have a configuration without a problem."""

    def __init__(self, client: SHMClient, around: Surroundings) -> None:
        self.client = client
        self.config = client.config
        self.around = around
        self.folder = Folder(client.config)
        self.opt_out_file = consent.opt_out_file(client.config).absolute()

    def reporter(self) -> Reporter:
        return Reporter(
            self.config, lambda: self.client.provider, self.client._started, self.around.clock, is_brief=True
        )

    def preview(self, options: argparse.Namespace) -> None:
        with collected() as notes:
            seen = preview(self.reporter())
        refusal = consent.refusal(self.config) or seen.problem
        say(f"Nothing would be sent. {refusal}\nIt would be this:" if refusal else "This is what would be sent.")
        if seen.is_example:
            say("The identity is an example: the first report makes the real one.")
        if seen.waiting:
            say(f"Besides, earlier snapshots wait ({seen.waiting}), which go to {self.config.url}/v1/snapshots.")
        for request in seen.requests:
            say(f"\n{request.title}\n\nPOST {request.url}")
            say("".join(f"{name}: {value}\n" for name, value in request.headers.items()))
            put(request.body + b"\n")
        self._tell_whose_numbers()
        self._tell_all(notes)

    def send(self, options: argparse.Namespace) -> None:
        refusal = consent.refusal(self.config)
        if refusal:
            raise Failed(f"Nothing was sent. {refusal} {consent.remedy(self.config)}".rstrip())
        reporter = self.reporter()
        with collected() as notes:
            delivery = self._take_turn(reporter, is_forced=not options.if_due)
        known, waiting = delivery.state, len(delivery.unsent.snapshots)
        self._tell_all(note for note in notes if not known.problem or plain(known.problem) not in note)
        if delivery.has_sent:
            self._tell_sent(delivery.identity, known, waiting)
        elif options.if_due and not delivery.has_new:
            self._tell_not_due(waiting)
        else:
            reason = sentence(consent.refusal(self.config) or known.problem)
            raise Failed(f"Not sent. {reason} {_count(waiting)}".rstrip())

    def _take_turn(self, reporter: Reporter, is_forced: bool) -> Delivery:
        """Raises Busy and Unusable."""
        for number in range(TRIES):
            if number:
                self.around.sleep(PAUSE)
            with contextlib.suppress(Busy):
                reporter.turn(is_forced)
                assert reporter.delivery
                return reporter.delivery
        raise Busy(BUSY)

    def _tell_sent(self, who: Identity, known: State, waiting: int) -> None:
        say(f"Sent to {self.config.url}, as instance {who.instance_id}.")
        self._tell_whose_numbers()
        if waiting:
            tell(f"Note: {_count(waiting)} {sentence(known.problem)}".rstrip())
        if known.latest_version and known.latest_version != self.config.app_version:
            say(f"The maintainers recommend version {known.latest_version}.")
        if known.notice:
            say(f"The maintainers say: {plain(known.notice)}")

    def _tell_whose_numbers(self) -> None:
        if self.client.provider is None:
            tell("Note: the application's own numbers are not in it. They take --client, and a provider in that.")

    def _tell_not_due(self, waiting: int) -> None:
        found = status(self.reporter())
        say(f"Not due before {found.next_due or 'the next minute'}; without --if-due it would be sent now.")
        if waiting:
            tell(f"Note: {_count(waiting)} {sentence(found.problem)}".rstrip())

    def status(self, options: argparse.Namespace) -> None:
        found = status(self.reporter())
        if options.json:
            say(json.dumps(found.as_dict(), indent=2))
        else:
            for line in found.lines():
                say(line)

    def export(self, options: argparse.Namespace) -> None:
        with self._actions(EXPORT_SECONDS) as actions:
            content = actions.export()
        if options.output is None:
            put(content.rstrip(b"\n") + b"\n")
            return
        try:
            Path(options.output).write_bytes(content)
        except OSError as error:
            raise Failed(f"{options.output} cannot be written ({error.strerror}). Name another file.") from error
        say(f"Written to {options.output}: {len(content)} bytes.")

    def rotate(self, options: argparse.Namespace) -> None:
        with self._actions() as actions:
            who = actions.rotate()
        say(f"The key has been replaced. Its fingerprint is {who.fingerprint}")

    def forget(self, options: argparse.Namespace) -> None:
        who = self._identity()
        if not options.yes:
            self._confirm(
                f"{self.config.url} will erase all that it stores about this installation (instance "
                f"{who.instance_id}), nothing more will be sent, and the identity here will be deleted. This cannot "
                "be undone."
            )
        self._opt_out()
        try:
            with self._actions() as actions:
                result = self._forget(actions)
                # The identity last: as long as it is there all this can be done again.
                for name in (state.UNSENT_FILE, state.FILE, identity.NEXT_FILE, identity.FILE):
                    self.folder.remove(self.folder.file(name))
        except (Failed, Busy, Unreachable) as error:
            raise Failed(
                f"{sentence(str(error))} Nothing is sent any more, and the identity is kept, for another try."
            ) from error
        say(result)
        say(f"The identity is deleted. Nothing more will be sent, as long as there is the file {self.opt_out_file}.")

    def _forget(self, actions: Actions) -> str:
        """What came of it. A server that does not know this key will never do anything for it, nor be asked to."""
        try:
            actions.forget()
        except Unknown:
            return (
                f"{self.config.url} does not know this installation, so it has never reported there, or is erased "
                f"already. Should its maintainers still see {actions.identity.instance_id}, ask them to erase it."
            )
        return f"{self.config.url} has erased all that it stored about {actions.identity.instance_id}."

    def _confirm(self, warning: str) -> None:
        try:
            answer = self.around.ask(f"{warning}\nGo on? [y/N] ")
        except EOFError:
            say()
            raise Failed("Nothing was changed: there is nobody to ask. Add --yes to go on.") from None
        if answer.strip().lower() not in {"y", "yes"}:
            raise Failed("Nothing was changed.")

    def opt_out(self, options: argparse.Namespace) -> None:
        self._opt_out()
        say(
            f"Nothing more will be sent, as long as there is the file {self.opt_out_file}. The identity is kept, so "
            "that export and forget still work."
        )

    def _opt_out(self) -> None:
        """The file before all else: an application that is running asks for it before each request.

        Raises Unusable.
        """
        self.folder.write(self.opt_out_file, OPTED_OUT.encode())
        # Busy: a report that is under way finds the file, and drops what waits.
        with contextlib.suppress(Busy), self._alone():
            self.folder.remove(self.folder.file(state.UNSENT_FILE))

    def opt_in(self, options: argparse.Namespace) -> None:
        try:
            self.opt_out_file.unlink()
        except FileNotFoundError:
            say(f"There was no file {self.opt_out_file}.")
        except OSError as error:
            raise Unusable(f"{self.opt_out_file} cannot be removed ({error.strerror}). Remove it by hand.") from error
        refusal = consent.refusal(self.config)
        if refusal:
            say(f"Still nothing is sent. {refusal} {consent.remedy(self.config)}".rstrip())
        else:
            say("The application reports again from its next start.")

    @contextlib.contextmanager
    def _actions(self, seconds: float | None = None) -> Iterator[Actions]:
        """Raises Failed, Busy, Unusable."""
        self._identity()  # Before the lock, which would make a folder where there is none.
        transport = Transport(self.config.url) if seconds is None else Transport(self.config.url, seconds)
        server = Server(self.config, transport, self.around.clock)
        with self._alone():
            yield Actions(server, self.folder, self._identity())

    def _identity(self) -> Identity:
        who = identity.load(self.folder)
        if who is None:
            raise Failed(
                f"There is no identity in {self.folder.path}, so nothing has been sent from there. If the application "
                "keeps its data elsewhere, name that folder."
            )
        return who

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Raises Busy if the application has the folder for longer than it takes to report."""
        for number in range(TRIES):
            if number:
                self.around.sleep(PAUSE)
            with self.folder.lock() as is_ours:
                if is_ours:
                    yield
                    return
        raise Busy(BUSY)

    @staticmethod
    def _tell_all(notes: Iterator[str] | list[str]) -> None:
        for note in notes:
            tell(f"Note: {note}")


def _count(waiting: int) -> str:
    if not waiting:
        return ""
    return (
        "One snapshot waits, and is sent later." if waiting == 1 else f"{waiting} snapshots wait, and are sent later."
    )
