"""The table of figures, on the terminal and as docs/benchmarks.md."""

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from benchmarks.serving import Look

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass
class Table:
    """Sections of rows: what was measured, its target or "", the figure, and whether that meets the target."""

    sections: list[tuple[str, list[tuple[str, str, str, bool | None]]]] = field(default_factory=list)

    def section(self, title: str) -> None:
        self.sections.append((title, []))
        print(f"\n{title}")

    def add(self, what: str, figure: str, target: str = "", met: bool | None = None) -> None:
        self.sections[-1][1].append((what, target, figure, met))
        mark = "" if met is None else "  met" if met else "  MISSED"
        print(f"  {what:42} {figure:>24}  {target}{mark}")

    def at_most(self, what: str, value: float, limit: float, unit: str, digits: int = 0, note: str = "") -> None:
        figure = f"{value:,.{digits}f} {unit}" + (f", {note}" if note else "")
        self.add(what, figure, f"≤ {limit:,g} {unit}", value <= limit)

    def at_least(self, what: str, value: float, limit: float) -> None:
        self.add(what, f"{value:.2f}", f"≥ {limit:g}", value >= limit)

    def page(self, what: str, look: Look, limit_ms: float) -> None:
        note = f"{look.size / 1024:.0f} KiB"
        if look.chart_size:
            note += f", {look.chart_size / 1000:.1f} KB of chart data (≤ 40)"
        met = look.seconds * 1000 <= limit_ms and look.chart_size <= 40_000
        self.add(what, f"{look.seconds * 1000:,.0f} ms; {note}", f"≤ {limit_ms:g} ms", met)

    def markdown(self) -> str:
        lines = [
            "# Benchmarks",
            "",
            "Written by `make bench`, which starts a PostgreSQL and the production server of its own, files fleets,",
            "and measures over HTTP on 127.0.0.1 as a signed-in maintainer. A page's time is the median of 15",
            "requests. Other machines give other figures; those of one run can be compared with each other.",
            "",
            f"- when: {datetime.now(UTC):%Y-%m-%d}",
            f"- machine: {os.cpu_count()} cores ({processor()}), shared with others; {platform.system()}",
            f"- Python {platform.python_version()}, {database()}",
        ]
        for title, rows in self.sections:
            lines += ["", f"## {title}", "", "| what | target | measured | |", "| --- | --- | --- | --- |"]
            lines += [
                f"| {what} | {target} | {figure} | {'' if met is None else 'met' if met else '**missed**'} |"
                for what, target, figure, met in rows
            ]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        PAGE.write_text(self.markdown())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]} with its default settings"
