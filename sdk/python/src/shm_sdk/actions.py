"""What the user asks of a server now and then: all that it stores, a new key, or to be forgotten.

None of it asks for consent: whoever has switched reports off may still see, and have erased, what was sent before.
"""

from __future__ import annotations

from typing import Any, Callable

from shm_sdk import rotation, wire
from shm_sdk.delivery import NO_SUCH_ENDPOINT, Server
from shm_sdk.folder import Folder
from shm_sdk.identity import Identity
from shm_sdk.output import sentence
from shm_sdk.transport import MAX_ANSWER, Answer, Unreachable
from shm_sdk.wire import Request

# Far more than years of hourly snapshots.
MAX_EXPORT = 128 * 1024 * 1024
# For a whole export, which the server gathers while it sends it.
EXPORT_SECONDS = 600.0
BY_NOBODY = "invalid_signature"

Build = Callable[[Identity, float], Request]


class Failed(Exception):
    """It did not work. The text says why, and what to do."""


class Unknown(Failed):
    """The server does not know this installation, or not with this key."""


class Actions:
    """The caller must hold the folder's lock. Everything raises Failed, Unreachable and Unusable."""

    def __init__(self, server: Server, folder: Folder, who: Identity) -> None:
        self.server = server
        self.folder = folder
        self.identity = who

    def export(self) -> bytes:
        """One JSON object, whole."""
        answer = self._signed_by_either_key(lambda who, at: wire.action(who, "export", at), MAX_EXPORT)
        if answer.status == 200 and "instance_id" not in answer.json:
            raise Failed(
                f"{self.server.config.url} has not sent an export, or only a part of one. Try again; if it stays like "
                "that, see whether a proxy or a login page answers in the server's place."
            )
        self._check(answer, "export")
        return answer.content

    def forget(self) -> None:
        answer = self._signed_by_either_key(lambda who, at: wire.action(who, "forget", at))
        self._check(answer, "forget", status="ok")

    def rotate(self) -> Identity:
        """With the new key, which is in place."""
        new = rotation.prepare(self.folder, self.identity)
        try:
            answer = self._signed(lambda who, at: wire.rotation(who, new, at))
            if answer.status == 200 and answer.json.get("status") == "ok":
                rotation.complete(self.folder, new)
                return new
            # This answer, or that to an attempt before it, may have been lost on the way, and another come instead.
            finished = rotation.finish(self.folder, self.identity, self.server.ask)
        except Unreachable as error:
            raise Failed(
                f"{sentence(str(error))} Whether the server has taken the new key is not known. Both keys "
                "are kept, so nothing is lost: run rotate again."
            ) from error
        if finished is not None:
            return finished
        if answer.code == "key_conflict":
            rotation.discard(self.folder)
            raise Failed("The server has had this new key before. Run rotate again, which makes another.")
        self._check(answer, "rotate", status="ok")
        raise AssertionError("An answer that is not yes has passed for one.")

    def _signed_by_either_key(self, build: Build, max_answer: int = MAX_ANSWER) -> Answer:
        """A rotation that was cut off may have reached the server, which takes the new key alone then."""
        answer = self._signed(build, max_answer)
        new = rotation.pending(self.folder, self.identity) if answer.code == BY_NOBODY else None
        if new is None:
            return answer
        activation = self.server.ask(wire.activate(new))
        if rotation.has_key(activation):
            rotation.complete(self.folder, new)
            self.identity = new
            return self._signed(build, max_answer)
        # While it is not known whether the new key counts, nobody may take the installation for one without any.
        return answer if activation.code == BY_NOBODY else activation

    def _signed(self, build: Build, max_answer: int = MAX_ANSWER) -> Answer:
        """Once more by the server's clock, if it says that ours is wrong."""
        answer = self.server.ask(build(self.identity, self.server.now()), max_answer)
        if answer.status == 400 and answer.code == "timestamp_out_of_range":
            answer = self.server.ask(build(self.identity, self.server.now()), max_answer)
        return answer

    def _check(self, answer: Answer, action: str, **expected: Any) -> None:
        """Raises Failed, unless it is a yes with these fields in it."""
        url = self.server.config.url
        if answer.status == 200:
            if all(answer.json.get(name) == value for name, value in expected.items()):
                return
            raise Failed(
                f"{url} has answered, but not as a server of this kind does. See whether a proxy or a login page "
                "answers in its place."
            )
        if answer.status in NO_SUCH_ENDPOINT:
            raise Failed(
                f"{url} does not know {action} ({answer.status}): not every server has it. Ask its maintainers to do "
                f"it, and name this installation: {self.identity.instance_id}."
            )
        if answer.code == BY_NOBODY:
            raise Unknown(
                f"{url} does not know this installation, or not with this key. Either it has not reported there yet "
                "(send does), or it has been erased there, or its identity comes from an old backup."
            )
        raise Failed(f"{url} refuses: {sentence(answer.text)} {self._when(answer)}".rstrip())

    def _when(self, answer: Answer) -> str:
        wait = answer.retry_after(self.server.clock())
        if wait:
            return f"Try again in {in_words(wait)}."
        return "Try again later." if answer.status >= 500 or answer.status in {408, 429} else ""


def in_words(seconds: float) -> str:
    """Rounded up, so that it is never too early."""
    if seconds <= 90:
        return f"{max(1, -int(-seconds // 1))} s"
    return f"{-int(-seconds // 60)} minutes"
