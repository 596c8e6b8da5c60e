"""Calls that may never come back: a provider that hangs, a name server that does not answer."""

from __future__ import annotations

import threading
from typing import Any, Callable


class Hanging(Exception):
    """There was no result in time, or the call before this one still has none."""


class Patience:
    """Calls one function at a time in a thread of its own, and waits so many seconds for it.

    Python cannot end a thread, so one that hangs is left behind. While it hangs nothing more is called: there is never
    more than one such thread.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], Any]) -> Any:
        """Its result. Raises what it raises, SystemExit and the like as RuntimeError, and Hanging."""
        if self._thread is not None and self._thread.is_alive():
            raise Hanging(f"{self.what} has been hanging since an earlier report")
        results: list[Any] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(function())
            except BaseException as error:  # It is raised again where it is waited for.
                errors.append(error)

        self._thread = threading.Thread(target=run, name="shm-sdk-call", daemon=True)
        self._thread.start()
        self._thread.join(self.seconds)
        if results:
            return results[0]
        if not errors:
            raise Hanging(f"{self.what} has not come back within {self.seconds:g} s")
        if isinstance(errors[0], Exception):
            raise errors[0]
        raise RuntimeError(f"{self.what} raised {type(errors[0]).__name__}") from errors[0]
