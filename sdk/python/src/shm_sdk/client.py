"""What an application holds: starts and stops the thread that reports. Nothing here raises, waits or imports much."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, TypeVar

from shm_sdk import consent
from shm_sdk.config import Config, Provider

if TYPE_CHECKING:
    from shm_sdk.reporter import Reporter

logger = logging.getLogger("shm_sdk")

# False where the command line has imported the application only to find its client: looking must not report.
may_report = True

AnyProvider = TypeVar("AnyProvider", bound=Provider)


class SHMClient:
    """Reports one application to one server.

    `provider` returns the numbers of a report, a dict of names and numbers (texts, booleans, lists and dicts of them
    are fine, too). It is called in a thread of its own, once per report.
    """

    def __init__(self, config: Config, provider: Provider | None = None) -> None:
        self.config = config
        self.provider = provider
        self._started = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._follow_forks()

    def set_provider(self, provider: AnyProvider) -> AnyProvider:
        """Returns it, so that this is a decorator, too."""
        self.provider = provider
        return provider

    @property
    def refusal(self) -> str:
        """Why nothing is sent, as a sentence for people; "" if it may be."""
        return consent.refusal(self.config)

    def start(self) -> None:
        """Begins to report, in the background: now if a report is due, and then at the interval.

        A second call does nothing. Where consent is missing there is no thread, and nothing is written anywhere.
        """
        try:
            if not may_report or (self._thread is not None and self._thread.is_alive()):
                return
            refusal = self.refusal
            if refusal:
                logger.info("Telemetry is off. %s", refusal)
                return
            logger.info("%s", self.announcement)
            self._begin()
        except Exception:
            logger.warning("Telemetry could not be started, and the application goes on without.", exc_info=True)

    def _begin(self) -> None:
        # 25 ms and 10 MB (TLS, HTTP, PyNaCl) that only those pay who report. Not in the thread: whoever forks while a
        # thread imports gets half a module, and a lock on it that nobody will ever open.
        from shm_sdk.reporter import Reporter

        reporter = Reporter(self.config, lambda: self.provider, self._started)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[reporter, self._stopped], name="shm-sdk", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No report begins after this. It does not wait for one that is under way."""
        self._stopped.set()
        self._thread = None

    def send(self) -> bool:
        """Reports in the caller's thread, if a report is due: for programs that end before a thread would come to it.

        Takes a minute at the very worst. Returns whether nothing is left to be sent; raises nothing.
        """
        try:
            if not may_report or self.refusal:
                return False
            from shm_sdk.reporter import Reporter

            reporter = Reporter(self.config, lambda: self.provider, self._started, is_brief=True)
            reporter.tick()
            return reporter.has_sent_all
        except Exception:
            logger.warning("shm_sdk could not report.", exc_info=True)
            return False

    @property
    def announcement(self) -> str:
        """What is sent where, and how to stop it."""
        minutes = self.config.interval / 60
        return (
            f"{self.config.app_name} sends signed, aggregate numbers about this installation to {self.config.url} "
            f"every {minutes:g} minutes, and nothing about anybody. To stop it, set DO_NOT_TRACK=1 or create the file "
            f"{consent.opt_out_file(self.config).absolute()}."
        )

    def _run(self, reporter: Reporter, stopped: threading.Event) -> None:
        try:
            while not stopped.is_set():
                refusal = self.refusal
                if refusal:
                    logger.info("Telemetry has been stopped: %s", refusal)
                    return
                stopped.wait(reporter.tick())
        except Exception:
            logger.warning("Telemetry has ended for this run of the application.", exc_info=True)

    def _follow_forks(self) -> None:
        """A fork has no thread of its parent's; one that was reporting goes on in it as well."""
        if not hasattr(os, "register_at_fork"):
            return
        this = weakref.ref(self)

        def begin_again() -> None:
            client = this()
            if client is not None and client._thread is not None and not client._stopped.is_set():
                with contextlib.suppress(Exception):
                    client._begin()

        os.register_at_fork(after_in_child=begin_again)
