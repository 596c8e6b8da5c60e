"""A client that runs for years is as large as one that has just been started."""

from __future__ import annotations

import pytest

from tests.server import answers
from tests.test_client import run

REPORTS = 200
# Less than half of what one report is in memory.
MOST_A_REPORT = 500

PROGRAM = f"""
    import gc, logging, time, tracemalloc
    from shm_sdk.reporter import Reporter
    logging.getLogger("shm_sdk").addHandler(logging.NullHandler())
    now = time.time()
    provider = lambda: {{f"key_{{number}}": number for number in range(50)}}
    reporter = Reporter(client.config, lambda: provider, 0.0, lambda: now)

    def report(times):
        global now
        for _ in range(times):
            now += 4500
            reporter.tick()
        gc.collect()

    report(50)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    report({REPORTS})
    after, _ = tracemalloc.get_traced_memory()
    print((after - before) / {REPORTS}, threading.active_count())
"""


@pytest.mark.parametrize("status", [202, 503, 400])
def test_reports_leave_nothing_behind(server, folder, status):
    if status != 202:
        server.always["/v1/snapshot"] = answers(status)

    done = run(PROGRAM, server, folder, seconds=120)

    assert done.returncode == 0, done.stderr
    grown, threads = done.stdout.split()
    assert float(grown) < MOST_A_REPORT
    assert threads == "1"
    assert len(server.answered) >= REPORTS
