"""Whether an installation reports, and if not, why. Reads files and writes none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from shm_sdk import consent, identity, rotation
from shm_sdk.folder import Unusable
from shm_sdk.identity import Identity
from shm_sdk.output import local, plain
from shm_sdk.reporter import Reporter, scheduled
from shm_sdk.state import State, Unsent

# So many intervals without a report mean that nobody makes them.
OVERDUE = 2


@dataclass
class Status:
    """Times as texts with an offset, or None. `reason` says why nothing is sent, and what to do about it."""

    reporting: bool
    reason: str
    app_name: str
    app_version: str
    environment: str
    server_url: str
    unencrypted: bool
    data_dir: str
    opt_out_file: str
    instance_id: str | None = None
    fingerprint: str | None = None
    rotation_pending: bool = False
    last_report: str | None = None
    last_sent: str | None = None
    next_due: str | None = None
    next_try: str | None = None
    overdue: bool = False
    waiting: int = 0
    problem: str = ""
    latest_version: str = ""
    notice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        about = f"{self.app_name} {self.app_version}".strip() + (f" ({self.environment})" if self.environment else "")
        rows = [
            ("Application", about),
            ("Telemetry", "on" if self.reporting else f"off. {self.reason}"),
            ("Server", self.server_url + (" (unencrypted)" if self.unencrypted else "")),
            ("Data folder", self.data_dir),
            ("Instance", self.instance_id or "none yet: it is made by the first report"),
            ("Key", self.fingerprint or ""),
            ("Rotation", "was cut off; the next rotate or report finishes it" if self.rotation_pending else ""),
            ("Last report", self.last_report or "never"),
            ("Last sent", self.last_sent or "never"),
            ("Next due", f"{self.next_due or 'at once'}{self._lateness()}" if self.reporting else ""),
            ("Next try", self.next_try or ""),
            ("Waiting", f"{self.waiting} to be sent" if self.waiting else "nothing"),
            ("Last problem", self.problem or "none"),
            ("Newest version", self.latest_version),
            ("Notice", self.notice),
        ]
        width = max(len(name) for name, _ in rows)
        return [f"{name:<{width}}  {plain(value)}" for name, value in rows if value]

    def _lateness(self) -> str:
        return ", which is long past: is the application running?" if self.overdue else ""


def status(reporter: Reporter) -> Status:
    """Raises nothing: what cannot be read is a reason for not reporting."""
    config = reporter.config
    found = Status(
        reporting=not consent.refusal(config),
        reason=f"{consent.refusal(config)} {consent.remedy(config)}".strip(),
        app_name=config.app_name,
        app_version=config.app_version,
        environment=config.environment,
        server_url=config.url,
        unencrypted=config.is_exposed,
        data_dir=str(reporter.folder.path),
        opt_out_file=str(consent.opt_out_file(config).absolute()),
    )
    try:
        _add_files(found, reporter)
    except Unusable as error:
        found.reporting, found.reason = False, f"{found.reason} {error}".strip()
    return found


def _add_files(found: Status, reporter: Reporter) -> None:
    """Raises Unusable."""
    _add_state(found, reporter.state())
    found.waiting = len(Unsent.load(reporter.folder, reporter.clock()).snapshots)
    who = identity.load(reporter.folder)
    if who is not None:
        found.instance_id, found.fingerprint = who.instance_id, who.fingerprint
        found.rotation_pending = rotation.pending(reporter.folder, who) is not None
        _add_schedule(found, reporter, who)


def _add_state(found: Status, state: State) -> None:
    found.last_report, found.last_sent = local(state.last_report), local(state.last_sent)
    found.next_try = local(state.not_before) if state.failures else None
    found.problem = state.problem
    found.latest_version, found.notice = state.latest_version, state.notice


def _add_schedule(found: Status, reporter: Reporter, who: Identity) -> None:
    state, now = reporter.state(), reporter.clock()
    if not found.reporting or not 0 < state.last_report <= now:
        return
    found.next_due = local(scheduled(reporter.config, state, who))
    found.overdue = now - state.last_report > OVERDUE * reporter.config.interval
