"""What `make bench` runs: files fleets, measures, prints a table and writes docs/benchmarks.md.

With QUICK=1 the fleets are small and nothing is written: it shows that everything still works, in under two minutes.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from tqdm import tqdm

# A signal that ends this process must not leave its servers and its worker behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

django.setup()

from benchmarks.browsing import browse
from benchmarks.ingesting import BOTH, INSERT, UPDATE, Ingested, floor, ingest, sign
from benchmarks.reporting import Table
from benchmarks.seeding import Seeded, file_censuses, seed
from benchmarks.serving import Maintainer, pages_of, running_server, running_worker
from metrics import taking
from metrics.models import Snapshot

# `make bench-ingest` measures this part and prints it; `make bench` measures and writes everything.
INGESTION_ALONE = sys.argv[1:] == ["ingestion"]
# `make lighthouse` has Lighthouse look at pages, and prints what it says.
BROWSING_ALONE = sys.argv[1:] == ["browsing"]
QUICK = os.environ.get("QUICK", "") not in ("", "0")

LOOKS = 3 if QUICK else 15
ROUNDS = 5
FLOORS = {"two statements": (INSERT, UPDATE), "one statement": (BOTH,)}

# Run in a process of its own, so that its memory is that of a census and of nothing else.
CENSUS = """
import json, resource, sys, time
import django
django.setup()
from django.utils import timezone
from instances.models import Application
from metrics import taking
application = Application.objects.get(slug=sys.argv[1])
began = time.perf_counter()
taking.refresh(application, timezone.now())
seconds = time.perf_counter() - began
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if BROWSING_ALONE:
        browse()
        return
    table = Table()
    if INGESTION_ALONE:
        ingestion(table)
        return
    history(table, *((60, 3) if QUICK else (1000, 30)))
    large(table, "Ten thousand", 80 if QUICK else 10_000, 2 if QUICK else 30, page_ms=150, sort_ms=150, census_s=1)
    large(table, "Hundred thousand", 120 if QUICK else 100_000, 0, page_ms=300, sort_ms=1000, census_s=10)
    ingestion(table)
    if not QUICK:
        table.write()


def history(table: Table, instances: int, days: int) -> None:
    """The same fleet with its history, and with three times as much of it: what looking costs must not differ."""
    short, long = (seed(f"{days * times} days", instances, days * times) for times in (1, 3))
    stored = Snapshot.objects.count()
    table.section(f"{instances:,} instances, hourly, {days} and {days * 3} days of it ({stored:,} snapshots)")
    table.at_most("disk a snapshot, indexes included", size_of(Snapshot) / stored, 480, "bytes")
    for seeded in (short, long):
        rebuild(table, seeded)
    with running_server() as server:
        maintainer = Maintainer(server.port)
        pages = pages_of(short.application.slug, short.ids[0]).items()
        for (page, path), other in zip(pages, pages_of(long.application.slug, long.ids[0]).values(), strict=True):
            # In turns, because the machine is not equally busy all the time.
            looks = maintainer.look([path, other], LOOKS)
            for look, seeded in zip(looks, (short, long), strict=True):
                table.page(f"{page}; {seeded.application.name}", look, 80)
            ratio = looks[1].seconds / looks[0].seconds
            table.add(f"{page}; ratio", f"{ratio:.2f}", "≤ 1.15", ratio <= 1.15)
    clear()


def rebuild(table: Table, seeded: Seeded) -> None:
    """Closes all of the fleet's censuses from its snapshots."""
    snapshots = len(seeded.ids) * seeded.hours
    times = taking.rebuild_times(seeded.application, None, None, timezone.now())
    with tqdm(total=len(times), desc=f"{seeded.application.name}: censuses", mininterval=1) as bar:
        began = time.perf_counter()
        taking.rebuild(seeded.application, times, bar.update)
        minutes = (time.perf_counter() - began) / 60
    what = f"rebuild_census, {snapshots:,} snapshots, {len(times)} censuses"
    # The target is one for 720,000 snapshots; more of them may take longer in proportion.
    table.at_most(what, minutes, 3 * max(1, snapshots / 720_000), "min", digits=1)


def large(table: Table, name: str, instances: int, days: int, page_ms: float, sort_ms: float, census_s: float) -> None:
    """A fleet whose closed censuses are copies of its present one, and the worker that takes that anew."""
    seeded = seed(name, instances, days)
    past = (
        f"hourly for {days} days ({Snapshot.objects.count():,} snapshots)" if days else "latest state and censuses only"
    )
    table.section(f"{instances:,} instances, {past}")
    command = [sys.executable, "-c", CENSUS, seeded.application.slug]
    taken = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    seconds, megabytes = json.loads(taken.stdout)
    table.at_most("a census", seconds, census_s, "s", digits=2)
    table.at_most("memory of the process that takes it", megabytes, 400, "MB")
    file_censuses(seeded, days=365)
    with running_worker(), running_server() as server:
        maintainer = Maintainer(server.port)
        everybody = f"data-count>{instances:,}</span>"
        assert maintainer.sees(seeded.application.get_absolute_url(), everybody)
        for page, path in pages_of(seeded.application.slug, seeded.ids[0]).items():
            (look,) = maintainer.look([path], LOOKS)
            table.page(page, look, sort_ms if page.startswith("table") else page_ms)
    clear()


def size_of(model: Any) -> int:
    """Bytes on disk, indexes included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [model._meta.db_table])
        return int(cursor.fetchone()[0])


def clear() -> None:
    """Nothing of a fleet is left to be shown, or to be read past."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE instances_application CASCADE")


def ingestion(table: Table) -> None:
    """In turns with the floors, because the machine is not equally busy all the time."""
    seeded = seed("Ingestion", 30 if QUICK else 300, 0)
    snapshots = 300 if QUICK else 4000
    table.section(f"Ingestion: {len(seeded.ids)} instances, signed snapshots of 15 metrics, limits off")
    floors: dict[str, list[float]] = {name: [] for name in FLOORS}
    runs: dict[int, list[Ingested]] = {16: [], 64: []}
    with running_server() as server:
        ingest(server.port, sign(seeded, len(seeded.ids) * 4), 16, server.process, database_process())  # Warms up.
        for _ in range(1 if QUICK else ROUNDS):
            for name, statements in FLOORS.items():
                signed = sign(seeded, 100 if QUICK else 1500)
                floors[name].append(floor(os.environ["DATABASE_URL"], signed, statements))
            for connections, ingested in runs.items():
                signed = sign(seeded, snapshots)
                ingested.append(ingest(server.port, signed, connections, server.process, database_process()))
    for name, rates in floors.items():
        table.add(f"one process, nothing around it, {name}", f"{statistics.median(rates):,.0f} snapshots/s")
    for connections, ingested in runs.items():
        run = sorted(ingested, key=lambda one: one.rate)[len(ingested) // 2]
        times = ", ".join(f"{run.percentile(share):.0f}" for share in (0.5, 0.95, 0.99))
        cpu = [seconds / snapshots * 1000 for seconds in (run.server_cpu, run.database_cpu)]
        what = f"{connections} connections"
        table.add(what, f"{run.rate:,.0f} snapshots/s; {times} ms (p50, p95, p99)")
        table.add(f"{what}, CPU for 1,000 snapshots", f"{cpu[0]:.2f} s server, {cpu[1]:.2f} s database")
        for name, rates in floors.items():
            ratio = statistics.median(one.rate / least for one, least in zip(ingested, rates, strict=True))
            table.at_least(f"{what}, ratio to one process, {name}", ratio, 1)


def database_process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
