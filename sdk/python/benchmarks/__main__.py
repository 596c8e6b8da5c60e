"""What the client costs an application: `python -m benchmarks`, in this folder. Prints a table.

Each figure is the median of several processes; those with the client and those without alternate, so that whatever
else the machine does meets both.
"""

from __future__ import annotations

import os
import ssl
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import trustme

from tests.server import running

ROUNDS = 15
REPORTS = 100

# What is measured is what comes on top of PyNaCl, which applications that sign anything have loaded anyway.
START = """
import time, sys
import nacl.signing
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = resident(), time.perf_counter()
{act}
print((time.perf_counter() - before[1]) * 1000, resident() - before[0])
"""
IMPORT = START.format(act="import shm_sdk")
BEGIN = START.format(act="import shm_sdk; import shm_sdk.reporter")

REPORT = f"""
import sys, tempfile, time
from shm_sdk import Config
from shm_sdk.reporter import Reporter
now = time.time()
config = Config(sys.argv[1], "Ledger", "1.0.0", data_dir=tempfile.mkdtemp(dir=sys.argv[2]))
numbers = {{f"key_{{number}}": number for number in range(30)}}
reporter = Reporter(config, lambda: lambda: numbers, 0.0, lambda: now)
reporter.tick()
cpu, wall = time.process_time(), time.perf_counter()
for _ in range({REPORTS}):
    now += 4000
    reporter.tick()
    assert reporter.has_sent_all
print((time.process_time() - cpu) * 1000 / {REPORTS}, (time.perf_counter() - wall) * 1000 / {REPORTS})
"""


def figures(program: str, *arguments: str, **variables: str) -> tuple[float, float]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src"), **variables}
    environment.pop("CI", None)
    command = [sys.executable, "-c", program, *arguments]
    first, second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    return float(first), float(second)


def median(rows: list[tuple[float, float]]) -> tuple[float, float]:
    return tuple(map(statistics.median, zip(*rows)))  # type: ignore[return-value]


def row(what: str, figure: float, unit: str, limit: float | None = None) -> None:
    verdict = "" if limit is None else f"≤ {limit:g} {unit}  {'met' if figure <= limit else 'MISSED'}"
    print(f"  {what:52} {figure:8.1f} {unit:3} {verdict}")


def main() -> None:
    imported = [(figures(IMPORT), figures(BEGIN)) for _ in range(ROUNDS)]
    print(f"Python {sys.version.split()[0]}, on top of PyNaCl; medians of {ROUNDS}")
    (ms, mb), (begin_ms, begin_mb) = median([light for light, _ in imported]), median([heavy for _, heavy in imported])
    row("import shm_sdk", ms, "ms", 30)
    row("import shm_sdk, memory", mb, "MB", 5)
    row("start(): TLS and HTTP besides, where it reports", begin_ms, "ms")
    row("start(), memory", begin_mb, "MB")
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/chain.pem")
        with running() as plain, running() as secret:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{folder}/chain.pem")
            secret.http.socket = context.wrap_socket(secret.http.socket, server_side=True)
            address, trust = secret.url.replace("http:", "https:"), {"SSL_CERT_FILE": f"{folder}/authority.pem"}
            rounds = [(figures(REPORT, plain.url, folder), figures(REPORT, address, folder, **trust)) for _ in range(5)]
    for name, rows in (("HTTP", [each for each, _ in rounds]), ("TLS", [each for _, each in rounds])):
        cpu, wall = median(rows)
        row(f"a report of 30 numbers by {name}, CPU", cpu, "ms", 5)
        row(f"a report of 30 numbers by {name}, until it is sent", wall, "ms")


if __name__ == "__main__":
    main()
