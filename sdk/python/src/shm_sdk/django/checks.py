"""What `manage.py check` says about the setting SHM. What is wrong with it breaks nothing: nothing is sent."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from shm_sdk.django import conf, provider


def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    if not conf.given():
        return [_not_there()]
    messages: list[checks.CheckMessage] = [*_names(), *_switches()]
    # A telemetry that the site has switched off need not be configured.
    if conf.given().get("ENABLED") in (None, True):
        messages += [*_values(), *_provider(), *_data_dir(), *_transport()]
    return messages


def _not_there() -> checks.Error:
    what = "is no dict" if getattr(settings, "SHM", None) else "is missing"
    return _error(
        f"The setting SHM {what}, so no telemetry is sent.",
        f"Set SHM to a dict with at least {', '.join(conf.REQUIRED)}; or take shm_sdk.django out of INSTALLED_APPS.",
        "E001",
    )


def _names() -> Iterator[checks.Error]:
    shm = conf.given()
    missing = [name for name in conf.REQUIRED if name not in shm]
    if missing:
        yield _error(f"SHM lacks {', '.join(missing)}, so no telemetry is sent.", "Add what is missing.", "E002")
    for name in shm:
        if name not in conf.KEYS:
            yield _error(f"SHM[{name!r}] means nothing.", _advice_for(name), "E003")


def _advice_for(name: Any) -> str:
    alike = difflib.get_close_matches(str(name).upper(), conf.KEYS, n=1)
    return f"Did you mean {alike[0]!r}?" if alike else f"Take it out. There are: {', '.join(conf.KEYS)}."


def _switches() -> Iterator[checks.Error]:
    for name in conf.SWITCHES:
        value = conf.given().get(name)
        if value is not None and not isinstance(value, bool):
            yield _error(
                f"SHM[{name!r}] is {value!r}, which is taken as False.",
                "Give True or False. A text from the environment has to be made one of them first.",
                "E004",
            )


def _values() -> Iterator[checks.Error]:
    """Only of what is there: what is missing has been told."""
    problem = conf.config().problem()
    name = problem.partition(" ")[0]
    if problem and name.upper() in conf.given():
        what, _, advice = problem.removeprefix(name).rpartition(": ")
        yield _error(f'SHM["{name.upper()}"]{what}, so no telemetry is sent.', _sentence(advice), "E005")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _provider() -> Iterator[checks.Error]:
    path = conf.given().get("PROVIDER")
    problem = _problem_of_provider(path) if path else ""
    if problem:
        yield _error(
            f'SHM["PROVIDER"] is {path!r}, and {problem}. Reports go without its numbers.',
            'Give the dotted path of a function without arguments, like "ledger.telemetry.numbers".',
            "E006",
        )


def _problem_of_provider(path: Any) -> str:
    if not isinstance(path, str):
        return "that is no text"
    try:
        function = provider.load()
    except Exception as error:
        return f"it cannot be imported ({type(error).__name__}: {error})"
    if not callable(function):
        return "what is there cannot be called"
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        return f"it cannot be called without arguments ({error})"
    except ValueError:  # Functions in C may have no signature to be asked for.
        return ""
    return ""


def _data_dir() -> Iterator[checks.Warning]:
    value = conf.given().get("DATA_DIR", ".")
    if not isinstance(value, (str, os.PathLike)):
        return
    path = Path(os.path.expanduser(value))
    if not path.is_absolute():
        yield _warning(
            f'SHM["DATA_DIR"] is {"missing" if "DATA_DIR" not in conf.given() else f"{os.fspath(value)!r}"}, so where '
            "the identity is kept depends on the folder that a process is started in.",
            'Give an absolute path, like BASE_DIR / "data": each folder counts as another installation.',
            "W001",
        )
    # Where nothing is sent, as where one develops, nothing is written either.
    elif conf.is_enabled() and not _is_writable(path):
        yield _warning(
            f'SHM["DATA_DIR"] is {str(path)!r}, where this user cannot write, so no telemetry is sent.',
            "Give the user that runs the site a folder of its own that outlives a restart.",
            "W002",
        )


def _is_writable(path: Path) -> bool:
    """Whether it is a folder to write to, or one that could be made."""
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
    except (OSError, StopIteration):
        return False
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _transport() -> Iterator[checks.Warning]:
    config = conf.config()
    if not config.problem() and config.is_exposed:
        yield _warning(
            f'SHM["SERVER_URL"] is {config.url!r}: the numbers travel unencrypted, for everybody on the way to see.',
            "Give an address that begins with https://.",
            "W003",
        )


def _error(message: str, hint: str, number: str) -> checks.Error:
    return checks.Error(message, hint=hint, id=f"shm_sdk.{number}")


def _warning(message: str, hint: str, number: str) -> checks.Warning:
    return checks.Warning(message, hint=hint, id=f"shm_sdk.{number}")
