"""A server that answers as the real one does, until a test tells it to misbehave."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from shm_sdk.wire import rfc3339

Behaviour = Callable[["Handler"], None]


def answers(status: int, body: Any = None, **headers: str) -> Behaviour:
    """Answers that, whatever is asked."""

    def behave(handler: Handler) -> None:
        handler.answer(status, body if body is not None else {"detail": "So says the test.", "code": ""}, **headers)

    return behave


def hangs_up(handler: Handler) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def loses_its_answer(handler: Handler) -> None:
    """Does as it is asked, and nobody hears of it."""
    handler.is_mute = True
    Handler.behave(handler)
    hangs_up(handler)


class Server:
    """`requests` are those that it has got: path and parsed body. `behaviours` are used up one by one, by path."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.retired_keys: set[str] = set()
        self.stored: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[Any] = []
        self.answered: list[str] = []
        self.behaviours: dict[str, list[Behaviour]] = defaultdict(list)
        self.always: dict[str, Behaviour] = {}
        self.extras: dict[str, Any] = {}
        self.clock: Callable[[], float] = time.time  # What it says the time is.
        self.arrived = threading.Condition()
        self.released = threading.Event()  # For handlers that hang.
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"server_": self}))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        return [snapshot for snapshots in self.stored.values() for snapshot in snapshots]

    def wait_for(self, path: str, seconds: float = 20) -> None:
        """Until so many seconds have passed, which fails, or a request for the path has been answered."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: path in self.answered, seconds), f"{path} was never asked for"


class Handler(BaseHTTPRequestHandler):
    server_: Server
    protocol_version = "HTTP/1.1"
    is_mute = False

    def do_POST(self) -> None:
        self.content = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(self.content)
        server = self.server_
        queue = server.behaviours[self.path]
        behave = queue.pop(0) if queue else server.always.get(self.path, Handler.behave)
        server.headers.append(self.headers)
        # Before it is answered: whoever has the answer may send the next one at once.
        server.requests.append((self.path, body))
        try:
            behave(self)
        finally:
            with server.arrived:
                server.answered.append(self.path)
                server.arrived.notify_all()

    def behave(self) -> None:
        """As the real server does."""
        body = json.loads(self.content)
        if self.path == "/v1/register":
            key = self.server_.keys.setdefault(body["instance_id"], body["public_key"])
            return self.answer(201, {"status": "ok"}) if key == body["public_key"] else self.refuse(409, "key_conflict")
        if not self.is_signed():
            return self.refuse(403, "invalid_signature")
        stored = self.server_.stored[self.headers["X-Instance-ID"]]
        if self.path == "/v1/activate":
            return self.answer(200, {"status": "active"})
        if self.path == "/v1/snapshot":
            stored.append(body)
            return self.answer(202, {"status": "ok", **self.server_.extras})
        if self.path == "/v1/snapshots":
            stored.extend(body["snapshots"])
            return self.answer(202, {"accepted": len(body["snapshots"]), "duplicates": 0, "rejected": []})
        return self.act(body, stored)

    def act(self, body: dict[str, Any], stored: list[dict[str, Any]]) -> None:
        """What the instance asks for by a body with a time and a purpose."""
        action = self.path[len("/v1/") :]
        if action not in {"rotate", "export", "forget"}:
            return self.refuse(404, "not_found")
        if body["action"] != action or body["instance_id"] != self.headers["X-Instance-ID"]:
            return self.refuse(400, "invalid_action")
        now = self.server_.clock()
        if abs(datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00")).timestamp() - now) > 300:
            problem = {"detail": "Set the clock.", "code": "timestamp_out_of_range", "server_time": rfc3339(now)}
            return self.answer(400, problem)
        if action == "export":
            return self.answer(200, {"instance_id": body["instance_id"], "snapshots": stored})
        if action == "rotate":
            return self.rotate(body)
        self.server_.retired_keys.add(self.server_.keys.pop(body["instance_id"]))
        stored.clear()
        return self.answer(200, {"status": "ok"})

    def rotate(self, body: dict[str, Any]) -> None:
        new, old = body["public_key"], self.server_.keys[body["instance_id"]]
        message = f"shm-rotate:{body['instance_id']}:{body['timestamp']}:{new}"
        if not verifies(new, message.encode(), body["proof"]):
            return self.refuse(403, "invalid_proof")
        if new == old or new in self.server_.retired_keys:
            return self.refuse(409, "key_conflict")
        self.server_.retired_keys.add(old)
        self.server_.keys[body["instance_id"]] = new
        return self.answer(200, {"status": "ok", "message": "Key rotated"})

    def is_signed(self) -> bool:
        key = self.server_.keys.get(self.headers["X-Instance-ID"] or "")
        return key is not None and verifies(key, self.content, self.headers["X-Signature"])

    def refuse(self, status: int, code: str, **headers: str) -> None:
        self.answer(status, {"detail": f"Refused: {code}.", "code": code}, **headers)

    def answer(self, status: int, body: Any, **headers: str) -> None:
        if self.is_mute:
            return
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server_.clock())

    def log_message(self, *args: Any) -> None:
        """Nothing: a test that fails says what it needs."""


def verifies(key: str, message: bytes, signature: str) -> bool:
    try:
        VerifyKey(bytes.fromhex(key)).verify(message, bytes.fromhex(signature))
    except BadSignatureError:
        return False
    return True


@contextlib.contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
