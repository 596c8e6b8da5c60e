"""`make bench`: what the server takes and how long its pages need, on a PostgreSQL of its own.

Starts PostgreSQL and the server by the very command of the Dockerfile, files a fleet, then measures over HTTP on
127.0.0.1. The figures are of one machine at one time: compare those of one run with each other.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

from tests.postgres import free_port, server

QUICK = bool(os.environ.get("QUICK"))
INSTANCES = 50 if QUICK else 300
DAYS = 10 if QUICK else 30
SNAPSHOTS = 400 if QUICK else 4000
CONNECTIONS = 16
LOOKS = 5 if QUICK else 20


def metrics(number: int) -> dict[str, Any]:
    """Fifteen metrics, as a real client sends them."""
    return {
        **{f"documents_{kind}": number * 7 for kind in ("created", "shared", "archived", "deleted")},
        **{f"users_{kind}": number % 50 for kind in ("active", "invited", "disabled")},
        "storage_mb": number * 1.5,
        "cache_hit_ratio": 0.97,
        "sys_os": "linux",
        "sys_arch": "amd64",
        "sys_cpu_cores": 4,
        "sys_mode": "docker",
        "app_mem_alloc_mb": 42,
        "app_goroutines": 17,
    }


@contextmanager
def running_server(environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:shm_site.gunicorn", "shm_site.wsgi"]
    process = subprocess.Popen(command, env={**environment, "PORT": str(port), "SHM_HOST": "127.0.0.1"})
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/api/v1/healthcheck")
                connection.getresponse().read()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def file_fleet() -> list[tuple[str, Any]]:
    """A fleet with a past, straight into the tables. Returns each instance's id and signing key."""
    from nacl.signing import SigningKey
    from tqdm import tqdm

    from instances.models import Application, Instance, PublicKey
    from metrics.models import Snapshot

    application = Application.named("Bench")
    now = datetime.now(UTC)
    fleet = []
    for number in tqdm(range(INSTANCES), desc="Filing a fleet"):
        key = SigningKey.generate()
        times = [now - timedelta(hours=hour, minutes=7) for hour in range(24 * DAYS)]
        instance = Instance.objects.create(
            id=uuid.uuid4(),
            application=application,
            state=Instance.State.ACTIVE,
            app_version=f"1.{number % 5}.0",
            activated_at=times[-1],
            first_report_at=times[-1],
            last_report_at=times[0],
            last_seen_at=times[0],
            metrics=metrics(number),
        )
        PublicKey.objects.create(instance=instance, hex=key.verify_key.encode().hex())
        Snapshot.objects.bulk_create(
            Snapshot(instance=instance, timestamp=at, received_at=at, metrics=metrics(number)) for at in times
        )
        fleet.append((str(instance.pk), key))
    return fleet


def ingest(port: int, fleet: list[tuple[str, Any]]) -> tuple[float, list[float]]:
    """Snapshots a second over CONNECTIONS kept-alive connections, and each answer's seconds. Signed beforehand."""
    start = datetime.now(UTC)
    requests: list[list[tuple[bytes, dict[str, str]]]] = [[] for _ in range(CONNECTIONS)]
    for number in range(SNAPSHOTS):
        instance, key = fleet[number % len(fleet)]
        at = start + timedelta(microseconds=number)
        body = json.dumps({"instance_id": instance, "timestamp": at.isoformat(), "metrics": metrics(number)}).encode()
        headers = {"X-Instance-ID": instance, "X-Signature": key.sign(body).signature.hex()}
        requests[number % CONNECTIONS].append((body, headers))
    latencies: list[float] = []
    refused: list[int] = []

    def send(share: list[tuple[bytes, dict[str, str]]]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for body, headers in share:
            began = time.perf_counter()
            connection.request("POST", "/v1/snapshot", body, headers)
            response = connection.getresponse()
            response.read()
            latencies.append(time.perf_counter() - began)
            if response.status != 202:
                refused.append(response.status)

    threads = [threading.Thread(target=send, args=(share,)) for share in requests]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused, f"{len(refused)} snapshots were refused, the first with {refused[0]}"
    return SNAPSHOTS / (time.perf_counter() - began), latencies


def look(port: int, fleet: list[tuple[str, Any]]) -> Iterator[tuple[str, float, int]]:
    """Each page's median seconds and its bytes, for a signed-in maintainer."""
    from django.contrib.auth.models import User
    from django.test import Client

    User.objects.create_superuser("bench")
    client = Client()
    client.force_login(User.objects.get())
    cookie = client.cookies["sessionid"].value
    pages = [
        "/",
        "/applications/bench/",
        "/applications/bench/?metric=storage_mb&period=7d",
        f"/instances/{fleet[0][0]}/",
    ]
    for path in [*pages, "/badge/bench/metric/storage_mb"]:
        times = []
        for _ in range(LOOKS):
            connection = HTTPConnection("127.0.0.1", port, timeout=120)
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": f"sessionid={cookie}"})
            response = connection.getresponse()
            size = len(response.read())
            times.append(time.perf_counter() - began)
            assert response.status == 200, f"{path} answered {response.status}"
        yield path.replace(fleet[0][0], "…"), statistics.median(times), size


def main() -> None:
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATABASE_URL=postgres.url,
            SHM_DATA_DIR=folder,
            SHM_RATELIMIT_ENABLED="false",
            DJANGO_SETTINGS_MODULE="shm_site.settings",
        )
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        fleet = file_fleet()
        with running_server(dict(os.environ)) as port:
            rate, latencies = ingest(port, fleet)
            latencies.sort()
            p50, p95, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.95, 0.99))
            print(f"{INSTANCES} instances, {DAYS} days hourly; PostgreSQL, {CONNECTIONS} connections\n")
            print("| what | figure |\n| --- | --- |")
            print(f"| snapshots a second | {rate:.0f} |")
            print(f"| answered within (p50, p95, p99) | {p50:.1f} ms, {p95:.1f} ms, {p99:.1f} ms |")
            for path, seconds, size in look(port, fleet):
                print(f"| {path} | {seconds * 1000:.0f} ms, {size / 1024:.0f} KiB |")


if __name__ == "__main__":
    main()
