"""How Lighthouse judges the pages of a fleet of 1,000, at a first visit on a phone and on a desk (`make lighthouse`).

Lighthouse is not of Python: `npm install --global lighthouse` brings it. It drives the Chromium that the tests drive.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.utils import timezone

from benchmarks.seeding import seed
from benchmarks.serving import Maintainer, running_server
from metrics import taking

CATEGORIES = ["performance", "accessibility", "best-practices"]
TARGET = 95
# Each page so many times, because the machine is not equally busy all the time.
RUNS = 3
ATTEMPTS = 4
FLAGS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
FIGURES = {
    "first paint": "first-contentful-paint",
    "largest paint": "largest-contentful-paint",
    "blocked": "total-blocking-time",
    "shift": "cumulative-layout-shift",
    "loaded": "total-byte-weight",
}


def browse() -> None:
    lighthouse = shutil.which("lighthouse")
    if not lighthouse:
        sys.exit("There is no lighthouse. Install it with npm, on the PATH: npm install --global lighthouse")
    seeded = seed("Thousand", 1000, 30)
    taking.rebuild(seeded.application, taking.rebuild_times(seeded.application, None, None, timezone.now()), int)
    address = seeded.application.get_absolute_url()
    pages = {
        "overview": "/",
        "application": address,
        "metric": f"{address}metric/?key=storage_mb",
        "instance": f"/instances/{seeded.ids[0]}/",
    }
    print("\n| page | on | " + " | ".join([*CATEGORIES, *FIGURES]) + " |")
    print("| --- " * (2 + len(CATEGORIES) + len(FIGURES)) + "|")
    with running_server() as server:
        headers = Maintainer(server.port).headers
        for name, path in pages.items():
            for place in ("phone", "desk"):
                reports = [
                    report(lighthouse, f"http://127.0.0.1:{server.port}{path}", place, headers) for _ in range(RUNS)
                ]
                print(f"| {name} | {place} | {row(reports)} |", flush=True)


def report(lighthouse: str, url: str, place: str, headers: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        command = [lighthouse, url, "--quiet", f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={FLAGS}"]
        command += [f"--extra-headers={json.dumps(headers)}", "--output=json", f"--output-path={target}"]
        command += ["--preset=desktop"] if place == "desk" else []
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        # Now and then Lighthouse misses the beginning of what it has itself started (NO_NAVSTART): once more then.
        for attempt in range(ATTEMPTS):
            done = subprocess.run(command, check=attempt == ATTEMPTS - 1, env={**os.environ, "CHROME_PATH": chromium})
            if done.returncode == 0:
                break
        read: dict[str, Any] = json.loads(target.read_text())
        return read


def row(reports: list[dict[str, Any]]) -> str:
    """The medians of the scores and figures."""
    scores = [statistics.median(report["categories"][name]["score"] * 100 for report in reports) for name in CATEGORIES]
    marked = [f"{score:.0f}" + ("" if score >= TARGET else " **missed**") for score in scores]
    audits = {
        name: statistics.median(report["audits"][audit]["numericValue"] for report in reports)
        for name, audit in FIGURES.items()
    }
    return " | ".join(
        [
            *marked,
            f"{audits['first paint'] / 1000:.1f} s",
            f"{audits['largest paint'] / 1000:.1f} s",
            f"{audits['blocked']:.0f} ms",
            f"{audits['shift']:.3f}",
            f"{audits['loaded'] / 1024:.0f} KiB",
        ]
    )
