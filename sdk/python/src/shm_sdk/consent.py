"""Whether anything may be sent. Asked before an identity is made, and again before each request."""

from __future__ import annotations

import os
from pathlib import Path

from shm_sdk.config import UNTRUE, Config

# What build services set. A value that says no ("CI=false") does not count.
CI_VARIABLES = (
    "CI",
    "CONTINUOUS_INTEGRATION",
    "APPVEYOR",
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CIRCLECI",
    "CODEBUILD_BUILD_ID",
    "DRONE",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)


def is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in UNTRUE


def opt_out_file(config: Config) -> Path:
    """Where this file is, nothing is sent. What is in it does not matter."""
    return Path(os.path.expanduser(config.data_dir)) / f"{config.slug}_shm_opt_out"


def refusal(config: Config) -> str:
    """Why nothing may be sent, as a sentence; "" if it may. The first that applies, the user's own word before all."""
    return _objection(config)[0]


def remedy(config: Config) -> str:
    """What to do about the refusal, for those who want reports, as a sentence."""
    return _objection(config)[1]


def _objection(config: Config) -> tuple[str, str]:
    if is_set("DO_NOT_TRACK"):  # https://consoledonottrack.com
        return "DO_NOT_TRACK is set in the environment.", "To report all the same, unset it."
    if config.enabled is False:
        return "The application has switched it off (enabled=False).", "Its settings say how to switch it on."
    if config.enabled is not True:
        # A text like "false", straight from the environment, is true to Python. It must not be a yes here.
        return f"enabled is {config.enabled!r}, and nothing but True switches it on.", "Have the application say True."
    problem = config.problem()
    if problem:
        return problem, ""
    if _exists(opt_out_file(config)):
        return f"There is the file {opt_out_file(config)}.", "To report again, use the command opt-in."
    ci = next(filter(is_set, CI_VARIABLES), "")
    if ci and config.allow_ci is not True:
        return (
            f"This looks like a build service ({ci} is set), and installations there are not counted.",
            "If it is none, unset the variable, or have the application say allow_ci=True.",
        )
    return "", ""


def _exists(path: Path) -> bool:
    """Whether it is there, or might be: a folder that cannot be looked into is no consent."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True
