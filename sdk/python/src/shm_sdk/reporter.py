"""The turns of one process: whether a report is due, what is in it, and when to look again."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import time
import uuid
from typing import Any, Callable

from shm_sdk import identity
from shm_sdk.config import Config, Provider
from shm_sdk.delivery import Delivery, Server
from shm_sdk.folder import Folder, Unusable
from shm_sdk.identity import Identity
from shm_sdk.numbers import cleaned
from shm_sdk.patience import Hanging, Patience
from shm_sdk.state import State, Unsent
from shm_sdk.system import system_metrics
from shm_sdk.transport import MAX_WAIT, Transport
from shm_sdk.wire import Snapshot

logger = logging.getLogger("shm_sdk")

PROVIDER_SECONDS = 30.0
# So much longer than due a report has to be before another process of the service takes it over.
GRACE = 30.0
# An interval is up to that much longer, by the installation: fleets that were started at one moment drift apart.
SPREAD = 0.1
BUSY = "Another process of this installation is reporting at this moment. Try again in a minute."


class Busy(Exception):
    """Another process of this installation is reporting at this moment."""


class Reporter:
    """`clock` in seconds since 1970; `started` by time.monotonic(). Raises what its methods say and nothing else.

    `is_brief`: a program that ends after one turn, and that something else starts at the interval.
    """

    def __init__(
        self,
        config: Config,
        provider: Callable[[], Provider | None],
        started: float,
        clock: Callable[[], float] = time.time,
        provider_seconds: float = PROVIDER_SECONDS,
        transport: Transport | None = None,
        is_brief: bool = False,
    ) -> None:
        self.config = config
        self.folder = Folder(config)
        self.provider = provider
        self.started = started
        self.clock = clock
        self.is_brief = is_brief
        self.name = uuid.uuid4().hex
        self.server = Server(config, transport or Transport(config.url), clock)
        self._patience = Patience("The provider of the numbers", provider_seconds)
        self._filed = State()
        self._unsaved: State | None = None
        self._told = ""
        self.has_sent_all = False
        self.delivery: Delivery | None = None  # The last.

    def tick(self) -> float:
        """Does what is due. Returns the seconds until the next turn; raises nothing."""
        try:
            return self.turn()
        except Busy:
            return GRACE
        except Unusable as error:
            self._tell(str(error))
        except Exception as error:
            self._tell(f"An unexpected {type(error).__name__} in shm_sdk: {error}. Please report it to its authors.")
            logger.debug("Where it came from:", exc_info=True)
        return self.config.interval

    def turn(self, is_forced: bool = False) -> float:
        """The same, but raises Busy and Unusable. `is_forced`: whether it is due or not."""
        with self.folder.lock() as is_ours:
            if not is_ours:
                raise Busy(BUSY)
            who = identity.load_or_create(self.folder)
            now = self.clock()
            state, unsent = self.state(), Unsent.load(self.folder, now)
            is_due = is_forced or now >= self._due(state, who, now)
            if is_due:
                state.last_report, state.reporter = now, self.name
                unsent.add(self.snapshot())
            self.delivery = delivery = Delivery(self.server, self.folder, who, state, unsent, has_new=is_due)
            if delivery.is_due and (is_forced or now >= self._pause_ends(state)):
                # First: an application that is killed over and over while it reports must not do so over and over.
                self._save(state)
                delivery.run()
            self._save(state)
            unsent.save(self.folder)
            self.has_sent_all = not unsent.snapshots
            return max(1.0, self._next(state, who, unsent) - self.clock())

    def snapshot(self) -> Snapshot:
        """What would be sent now. The system's numbers stand behind the application's own, as in the other clients."""
        metrics, left_out = cleaned(self._provided())
        if left_out:
            self._tell(f"Numbers that cannot be sent are left out: {'; '.join(left_out)[:500]}.")
        system = system_metrics(self.started) if self.config.collects_system_metrics else {}
        return Snapshot(round(self.server.now(), 3), {**metrics, **system})

    def _provided(self) -> Any:
        provider = self.provider()
        if provider is None:
            return {}
        try:
            given = self._patience.call(provider)
            if inspect.iscoroutine(given):
                given.close()
                self._tell(
                    "The provider of the numbers is async; reports go without its numbers. Give a plain function."
                )
                return {}
            return given
        except Hanging as error:
            self._tell(f"{error}; reports go without its numbers.")
        except Exception as error:
            self._tell(f"The provider of the numbers has raised {error!r:.300}; reports go without its numbers.")
            logger.debug("Where it came from:", exc_info=True)
        return {}

    def _due(self, state: State, who: Identity, now: float) -> float:
        if not state.last_report or state.last_report > now:  # The clock has been set back.
            return now
        if self.is_brief:
            # What cron starts every hour is a second early now and then, and shall report every hour all the same.
            return state.last_report + self.config.interval * (1 - SPREAD)
        due = scheduled(self.config, state, who)
        return due if state.reporter == self.name else due + GRACE

    def _next(self, state: State, who: Identity, unsent: Unsent) -> float:
        due = self._due(state, who, self.clock())
        return min(due, state.not_before) if unsent.snapshots and self._pause_ends(state) else due

    def _pause_ends(self, state: State) -> float:
        """0 for a pause that is longer than any: the clock has been set back since."""
        return state.not_before if state.not_before <= self.clock() + MAX_WAIT * (1 + SPREAD) else 0.0

    def state(self) -> State:
        """What could not be filed (a full disk) is remembered here at least. Raises Unusable."""
        filed = State.load(self.folder)
        state = self._unsaved or dataclasses.replace(filed)
        self._filed = filed
        if state.server_url != self.config.url:
            state = State(server_url=self.config.url, last_report=state.last_report, reporter=state.reporter)
        return state

    def _save(self, state: State) -> None:
        if state == self._filed:
            return
        try:
            state.save(self.folder)
        except Unusable as error:
            self._unsaved = state
            self._tell(str(error))
        else:
            self._filed, self._unsaved = dataclasses.replace(state), None

    def _tell(self, problem: str) -> None:
        """Once, as long as it stays the same."""
        if problem != self._told:
            logger.warning(problem)
        self._told = problem


def scheduled(config: Config, state: State, who: Identity) -> float:
    """When the process that reported last does so again."""
    return state.last_report + config.interval * (1 + SPREAD * who.fraction)
