"""What an application says about its telemetry. Nothing in here raises: what is wrong is a `problem` to be told."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Callable, Union
from urllib.parse import urlsplit

# Returns the numbers of one report; called in a thread of its own.
Provider = Callable[[], Mapping[str, Any]]
Seconds = Union[float, timedelta]

HOUR = 3600.0
MIN_INTERVAL = 60.0
MAX_NAME = 100  # Characters that a server takes of a name or a version.
UNTRUE = {"", "0", "false", "no", "off"}
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Config:
    """Names and meanings are those of the clients for Go and Node.js.

    `server_url`: where the server is, `https://telemetry.example.org`.
    `app_name`, `app_version`: of the application that is counted, at most 100 characters each.
    `data_dir`: a folder that outlives a restart; the identity is kept there, in `<slug of the name>_shm_identity.json`.
    `environment`: `production`, `staging`, ... or nothing.
    `enabled`: anything but True stops everything. `allow_ci`: report even where a build service runs the application.
    `report_interval`: seconds or a timedelta; at least a minute, an hour unless told otherwise.
    `collect_system_metrics`: None leaves it to the variable SHM_COLLECT_SYSTEM_METRICS, which is on if unset.
    `enrolment_token`: for servers that ask for one at registration.
    """

    server_url: str
    app_name: str
    app_version: str
    data_dir: str | os.PathLike[str] = "."
    environment: str = ""
    enabled: bool = True
    report_interval: Seconds = HOUR
    collect_system_metrics: bool | None = None
    enrolment_token: str = field(default="", repr=False)
    allow_ci: bool = False

    @property
    def slug(self) -> str:
        return slug(self.app_name) if isinstance(self.app_name, str) else "app"

    @property
    def url(self) -> str:
        return self.server_url.rstrip("/")

    @property
    def interval(self) -> float:
        """Seconds between two reports; what makes no sense is an hour, what is too short a minute."""
        given = self.report_interval
        seconds = given.total_seconds() if isinstance(given, timedelta) else given
        try:
            seconds = float(seconds)
        except (TypeError, ValueError):
            return HOUR
        return max(seconds, MIN_INTERVAL) if seconds > 0 and seconds != float("inf") else HOUR

    @property
    def collects_system_metrics(self) -> bool:
        if self.collect_system_metrics is not None:
            return self.collect_system_metrics is True
        return os.environ.get("SHM_COLLECT_SYSTEM_METRICS", "1").strip().lower() not in UNTRUE

    def problem(self) -> str:
        """What keeps this from ever working, as a sentence that says what to change; "" if nothing does."""
        for name in ("app_name", "app_version", "environment"):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > MAX_NAME:
                return f"{name} is {value!r}: give a text of at most {MAX_NAME} characters."
        if not self.app_name.strip():
            return "app_name is empty: give the application's name."
        if not isinstance(self.data_dir, (str, os.PathLike)):
            return f"data_dir is {self.data_dir!r}: give the path of a folder that outlives a restart."
        return self._problem_of_url()

    def _problem_of_url(self) -> str:
        advice = f"server_url is {self.server_url!r}: give the server's address, like https://telemetry.example.org."
        if not isinstance(self.server_url, str) or not self.server_url.isprintable() or " " in self.server_url:
            return advice
        try:
            parts = urlsplit(self.server_url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            return advice
        return "" if usable and not parts.query and not parts.fragment else advice

    @property
    def is_exposed(self) -> bool:
        """Whether the numbers travel unencrypted over a network."""
        parts = urlsplit(self.server_url)
        return parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS


def slug(name: str) -> str:
    """The name as a part of file names, letter for letter as the client for Go makes it.

    Accents of Latin letters go, spaces and underscores become hyphens, all else is dropped; "app" if nothing is left.
    """
    letters = "".join(_plain(letter) for letter in name.lower())
    return re.sub("-+", "-", letters).strip("-") or "app"


def _plain(letter: str) -> str:
    if letter in " -_":
        return "-"
    # Go's client knows the accents of Latin-1 and no others: a file has to have one name under both.
    if "\xe0" <= letter <= "\xff":
        letter = unicodedata.normalize("NFD", letter)[0]
    return letter if re.match("[a-z0-9]", letter) else ""
