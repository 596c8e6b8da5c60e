"""That the benchmark still runs, on small fleets. What it measures is not for a test to judge."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.postgres
@pytest.mark.server
def test_the_benchmark_runs_to_its_end():
    before = (ROOT / "docs" / "benchmarks.md").read_bytes()
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks"],
        cwd=ROOT,
        env={**os.environ, "QUICK": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    for section in ("of it", "latest state and censuses only", "Ingestion"):
        assert section in ran.stdout
    assert (ROOT / "docs" / "benchmarks.md").read_bytes() == before
