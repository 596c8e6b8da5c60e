"""How many signed snapshots a second the server stores, beside the floor: the same work with nothing around it."""

import json
import os
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
from nacl.signing import VerifyKey

from benchmarks.seeding import Seeded, metrics

# What the server writes for a snapshot of an instance that it knows: as anybody would write it,
INSERT = """
    INSERT INTO metrics_snapshot (instance_id, timestamp, app_version, metrics)
    VALUES (%(id)s, %(at)s, %(version)s, %(metrics)s) ON CONFLICT DO NOTHING
"""
UPDATE = """
    UPDATE instances_instance SET last_seen_at = now(), last_report_at = %(at)s, metrics = %(latest)s
    WHERE id = %(id)s AND last_report_at < %(at)s
"""
# and in the fewest round trips that there can be.
BOTH = f"""
    WITH stored AS ({INSERT} RETURNING instance_id)
    {UPDATE} AND id = (SELECT instance_id FROM stored)
"""
ANSWER_BYTES = 64 * 1024
SILENCE_SECONDS = 60
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
# Every snapshot of a run has a time of its own, a microsecond after the one before.
_numbers = count()


@dataclass(frozen=True)
class Signed:
    """One signed snapshot."""

    instance: str
    public_key: bytes
    signature: bytes
    body: bytes

    def request(self) -> bytes:
        head = (
            "POST /v1/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Instance-ID: {self.instance}\r\nX-Signature: {self.signature.hex()}\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Ingested:
    """`seconds` are those of each answer, sorted; CPU seconds are those that the whole run took."""

    rate: float
    seconds: list[float]
    server_cpu: float
    database_cpu: float

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return self.seconds[int(len(self.seconds) * share)] * 1000


def sign(seeded: Seeded, snapshots: int) -> list[Signed]:
    start = datetime.now(UTC)
    signed = []
    for place, number in zip(range(snapshots), _numbers, strict=False):
        instance, key = str(seeded.ids[place % len(seeded.keys)]), seeded.keys[place % len(seeded.keys)]
        at = (start + timedelta(microseconds=number)).isoformat()
        body = json.dumps({"instance_id": instance, "timestamp": at, "metrics": metrics(place, number)}).encode()
        signed.append(Signed(instance, bytes(key.verify_key), key.sign(body).signature, body))
    return signed


def floor(database: str, signed: list[Signed], statements: Sequence[str]) -> float:
    """Snapshots a second of one process that checks each signature, parses the body and writes it in a transaction."""
    with psycopg.connect(database, autocommit=True, prepare_threshold=0) as connection:
        began = time.perf_counter()
        for snapshot in signed:
            VerifyKey(snapshot.public_key).verify(snapshot.body, snapshot.signature)
            sent = json.loads(snapshot.body)
            document = json.dumps(sent["metrics"])
            row = {
                "id": sent["instance_id"],
                "at": sent["timestamp"],
                "version": "1.0.0",
                "metrics": document,
                "latest": document,
            }
            # One statement is a transaction by itself.
            with connection.transaction() if len(statements) > 1 else nullcontext():
                for statement in statements:
                    assert connection.execute(statement, row).rowcount == 1
        return len(signed) / (time.perf_counter() - began)


def ingest(port: int, signed: list[Signed], connections: int, server: int, database: int) -> Ingested:
    """Sends the snapshots over so many kept-alive connections, each of which waits for its answer before the next.

    `server` and `database` are the ids of the processes whose CPU time counts, with that of all below them. One thread
    sends everything, which costs the machine that it shares with the server as little as can be.
    """
    requests = iter([snapshot.request() for snapshot in signed])
    seconds: list[float] = []
    answers: dict[int, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            selector.register(client, selectors.EVENT_READ)
        before = cpu_seconds(server), cpu_seconds(database)
        began = time.perf_counter()
        sent = {key.fd: _send_next(key.fileobj, requests) for key in list(selector.get_map().values())}
        open_requests = connections
        while open_requests:
            ready = selector.select(SILENCE_SECONDS)
            assert ready, f"no answer for {SILENCE_SECONDS} s"
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                received = key.fileobj.recv(ANSWER_BYTES)
                assert received, "the server closed a connection"
                answer = answers[key.fd] = answers.get(key.fd, b"") + received
                if not answer.endswith(b"}"):
                    continue  # The head has come alone.
                assert answer.startswith(b"HTTP/1.1 202 "), f"answered {answer!r}"
                del answers[key.fd]
                seconds.append(time.perf_counter() - sent[key.fd])
                sent[key.fd] = _send_next(key.fileobj, requests)
                open_requests -= not sent[key.fd]
        rate = len(signed) / (time.perf_counter() - began)
        cpu = cpu_seconds(server) - before[0], cpu_seconds(database) - before[1]
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return Ingested(rate, sorted(seconds), *cpu)


def _send_next(client: object, requests: Iterator[bytes]) -> float:
    """When the next request was sent, 0 if there is none."""
    assert isinstance(client, socket.socket)
    request = next(requests, None)
    if request is None:
        return 0
    began = time.perf_counter()
    client.sendall(request)
    return began


def cpu_seconds(process: int) -> float:
    """Of a process and all below it, those that have ended included. 0 where there is no /proc."""
    parents, own = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended meanwhile.
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            # Parent; utime, stime, cutime, cstime: proc(5).
            parents[pid], own[pid] = int(fields[1]), sum(int(field) for field in fields[11:15]) / _CLOCK_TICKS
    return sum(seconds for pid, seconds in own.items() if process in _line(pid, parents))


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """The process and those above it."""
    line = [pid]
    while line[-1] in parents:
        line.append(parents[line[-1]])
    return line
