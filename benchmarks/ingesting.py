"""How many signed snapshots a second the server stores."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

from benchmarks.seeding import Seeded, metrics


def ingest(port: int, seeded: Seeded, snapshots: int, connections: int) -> tuple[float, list[float]]:
    """Snapshots a second over kept-alive connections, and each answer's seconds, sorted. Signed before the clock."""
    start = datetime.now(UTC)
    shares: list[list[tuple[bytes, dict[str, str]]]] = [[] for _ in range(connections)]
    for number in range(snapshots):
        place = number % len(seeded.keys)
        instance, key = str(seeded.ids[place]), seeded.keys[place]
        at = (start + timedelta(microseconds=number)).isoformat()
        body = json.dumps({"instance_id": instance, "timestamp": at, "metrics": metrics(place, number)}).encode()
        headers = {"X-Instance-ID": instance, "X-Signature": key.sign(body).signature.hex()}
        shares[number % connections].append((body, headers))
    seconds: list[float] = []
    refused: list[int] = []

    def send(share: list[tuple[bytes, dict[str, str]]]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for body, headers in share:
            began = time.perf_counter()
            connection.request("POST", "/v1/snapshot", body, headers)
            response = connection.getresponse()
            response.read()
            seconds.append(time.perf_counter() - began)
            if response.status != 202:
                refused.append(response.status)

    threads = [threading.Thread(target=send, args=(share,)) for share in shares]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = snapshots / (time.perf_counter() - began)
    assert not refused, f"{len(refused)} snapshots were refused, the first with {refused[0]}"
    return rate, sorted(seconds)
