"""The README, to be held together with the code and to be run."""

from __future__ import annotations

import re

from tests.programs import PACKAGE

README = (PACKAGE / "README.md").read_text()


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(title: str, language: str = "python") -> list[str]:
    """The code in a section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def table(title: str) -> list[list[str]]:
    """The rows of a section's table below its head, each as its cells."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
