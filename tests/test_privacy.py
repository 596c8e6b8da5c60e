"""No address, host name or user name is stored or logged anywhere: everything is done once through the real server,
with marks wherever a client says who or where it is, and then each table and each line of the log is searched."""

import http.cookies
import json
import logging
import re
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from nacl.signing import SigningKey

from instances.jobs import Worker
from shm_site.logs import SUSPICIOUS, WithoutClients
from tests.gunicorn_server import ROOT, Answer, GunicornServer, environment, gunicorn_server, migrated_database

V4, V6 = "203.0.113.77", "2001:db8:77::1"
AGENT, HOST, ORIGIN, PERSON = (
    "marked-agent",
    "marked-host-8231.internal",
    "marked-origin-8231.example",
    "marked-8231",
)
# The machine's own name, unless it is a word that stands everywhere.
MACHINE = {name for name in [socket.gethostname()] if len(name) > 8}
MARKS = {V4, V6, AGENT, HOST, ORIGIN, PERSON, *MACHINE}
PASSWORD = "correct horse battery"


class Person:
    """Sends marked requests, and keeps cookies as a browser does."""

    def __init__(self, server: GunicornServer, address: str = V4) -> None:
        self.server = server
        self.headers = {
            "X-Forwarded-For": address,
            "Forwarded": f"for={address};host={HOST}",
            "X-Real-IP": address,
            "X-Forwarded-Host": HOST,
            "User-Agent": AGENT,
            "Referer": f"http://{ORIGIN}/",
            "From": f"{PERSON}@example.com",
        }
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        sent = {**self.headers, "Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.server.send(method, path, body, sent)
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in http.cookies.SimpleCookie(line).items()}
        return answer

    def submit(self, path: str, **form: str) -> Answer:
        data = urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **form}).encode()
        return self.send("POST", path, data, Content_Type="application/x-www-form-urlencoded")


class Signer:
    def __init__(self, person: Person) -> None:
        self.person, self.id, self.key = person, str(uuid.uuid4()), SigningKey.generate()

    def register(self, **changes: str) -> int:
        body = {
            "instance_id": self.id,
            "public_key": self.key.verify_key.encode().hex(),
            "app_name": "Ledger",
            **changes,
        }
        return self.person.send("POST", "/v1/register", json.dumps(body).encode()).status

    def post(self, path: str, body: bytes, **headers: str) -> int:
        signed = {"X_Instance_ID": self.id, "X_Signature": self.key.sign(body).signature.hex(), **headers}
        return self.person.send("POST", path, body, **signed).status

    def snapshot(self, metrics: dict, at: datetime | None = None, **headers: str) -> int:
        body = {"instance_id": self.id, "timestamp": (at or datetime.now(UTC)).isoformat(), "metrics": metrics}
        return self.post("/v1/snapshot", json.dumps(body).encode(), **headers)


def clients_do_everything(server: GunicornServer) -> str:
    """Good and bad requests of the API. Returns the id of the instance that is there then."""
    signer = Signer(Person(server, V6))
    assert signer.register(environment=V4, deployment_mode=f"/home/{PERSON}/app", os_arch=HOST) == 201
    assert signer.register(environment=f"{PERSON}@example.com") == 201
    assert signer.register(app_name=f"{PERSON}@example.com") == 400
    assert signer.post("/v1/activate", b"{}") == 200
    personal = {
        "documents": 5,
        "client": V4,
        "peer": [V6, {"at": f"http://{V4}/"}],
        "hostname": HOST,
        "username": PERSON,
        "path": f"/home/{PERSON}/x",
        f"logins.{PERSON}@example.com.count": 3,
        V4: {V6: 1},
    }
    assert signer.snapshot(personal) == 202
    assert signer.snapshot({}, datetime.now(UTC) - timedelta(days=300)) == 400
    assert signer.snapshot({}, datetime.now(UTC)) == 429
    assert signer.snapshot({}, X_Signature="00" * 64) == 403
    assert signer.snapshot({}, X_Instance_ID=HOST) == 403
    assert signer.post("/v1/snapshot", b"{") in (400, 429)
    assert signer.post("/v1/activate", f'{{"{PERSON}": NaN}}'.encode()) == 400
    assert signer.post("/v1/snapshot", b"x" * 70_000) == 413
    anybody = Person(server)
    assert anybody.send("GET", f"/v1/nothing?{PERSON}={V4}").status == 404
    assert anybody.send("PUT", "/v1/register").status == 405
    assert anybody.send("POST", "/v1/register", f'{{"instance_id": "{HOST}"}}'.encode()).status == 400
    assert anybody.send("GET", f"/nothing/?q={PERSON}").status == 404
    assert anybody.send("GET", "/readyz").status == 503
    assert anybody.send("GET", f"/badge/ledger/instances?label={PERSON}").status == 200
    while anybody.send("POST", "/v1/register", b"{}").status != 429:
        pass
    return signer.id


def bad_requests(server: GunicornServer) -> None:
    """What Django or gunicorn refuse by themselves, and would write about."""
    assert server.send_raw(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()).status == 400
    assert server.send_raw(f"GET /v1/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()).status == 400
    assert server.send_raw(f"GET / HTTP/1.1\r\nHost: a\r\n{PERSON} {V4}: x\r\n\r\n".encode()).status == 400
    assert server.send_raw(f"{PERSON} {V4}\r\n\r\n".encode()).status == 400
    assert server.send_raw(f"GET / HTTP/{V4}\r\nHost: {HOST}\r\n\r\n".encode()).status == 400


def people_do_everything(server: GunicornServer, instance: str) -> None:
    person = Person(server)
    assert person.send("GET", f"/?q={PERSON}").status == 302
    assert person.send("GET", "/admin/login/").status == 200
    assert person.submit("/admin/login/", username="superuser", password=PERSON).status == 200
    assert person.send("POST", "/admin/login/", b"", Origin=f"http://{ORIGIN}").status == 403
    assert person.submit("/admin/login/?next=/", username="superuser", password=PASSWORD).status == 302
    for path in ("/applications/ledger/", f"/instances/{instance}/", "/admin/instances/", "/admin/metrics/keyflag/"):
        assert person.send("GET", path).status == 200
    assert person.send("GET", f"/applications/ledger/?q={PERSON}&sort={V4}").status == 200
    assert person.send("GET", "/applications/ledger/instances.csv").status == 200
    assert person.submit(f"/instances/{instance}/exclude").status == 302
    assert person.submit(f"/instances/{instance}/nothing").status == 400
    assert person.send("GET", f"/?q={PERSON}").status == 500
    assert person.submit("/admin/logout/").status in (200, 302)


def tables(url: str) -> Iterator[tuple[str, str]]:
    """Each table's name and all its rows as text."""
    if url.startswith("sqlite:"):
        with sqlite3.connect(urlsplit(url).path) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                yield name, "\n".join(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
    else:
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (name,) in rows:
                yield name, "\n".join(map(repr, connection.execute(f'SELECT * FROM "{name}"').fetchall()))


def manage(folder: Path, url: str, *arguments: str, **variables: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(folder, DATABASE_URL=url, **variables),
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.server
def test_no_address_host_name_or_user_name_is_stored_or_logged(tmp_path):
    variables = {
        "SHM_STATIC_DIR": str(tmp_path / "static"),
        "SHM_TRUSTED_PROXIES": "127.0.0.1",
        "SHM_ALLOWED_HOSTS": "127.0.0.1",
        "SHM_LOG_LEVEL": "DEBUG",
        "GUNICORN_CMD_ARGS": "--log-level debug",
        "SHM_WORKERS": "1",
    }
    with (
        migrated_database() as database,
        gunicorn_server(database, "tests.failing_wsgi", **variables) as server,
    ):
        manage(tmp_path, server.url, "collectstatic", "--noinput", "--verbosity=0", **variables)
        create = ["createsuperuser", "--noinput", "--username=superuser", "--email="]
        manage(tmp_path, server.url, *create, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        instance = clients_do_everything(server)
        bad_requests(server)
        people_do_everything(server, instance)
        log = manage(tmp_path, server.url, "worker", "--once", **variables)
        server.stop()
        log += server.log.read_text()
        stored = dict(tables(server.url))

    # What the marks stood beside is there, so the right tables and lines were searched.
    assert "documents" in stored["metrics_snapshot"]
    assert "[removed: IP address]" in stored["metrics_snapshot"]
    assert "Excluded" in stored["django_admin_log"]
    assert stored["instances_ratebucket"]
    assert stored["instances_job"]
    assert "RuntimeError: a bug" in log
    assert "A request was refused (csrf)" in log
    found = [(name, mark) for name, text in stored.items() for mark in MARKS if mark in text]
    assert found == []
    # The same in hexadecimal, as a binary column would show it.
    assert [name for name, text in stored.items() if re.search("cb00714d|20010db80077", text)] == []
    assert [mark for mark in MARKS if mark in log] == []


def test_a_workers_name_says_nothing_of_its_machine():
    first, second = Worker().holder, Worker().holder

    assert first != second
    assert re.fullmatch("[0-9a-f]{16}", first)


@pytest.mark.parametrize(
    ("logger", "message", "arguments", "shown"),
    [
        ("django.security.csrf", f"Forbidden ({ORIGIN}): %s", ("/x",), SUSPICIOUS % "csrf"),
        ("django.security.DisallowedHost", f"Invalid HTTP_HOST header: {HOST}", (), SUSPICIOUS % "DisallowedHost"),
        ("instances.jobs", "The worker has started: %s", ("thin",), "The worker has started: thin"),
    ],
)
def test_messages_that_quote_a_request_are_rewritten(logger, message, arguments, shown):
    record = logging.LogRecord(logger, logging.WARNING, __file__, 1, message, arguments, None)

    assert WithoutClients().filter(record)
    assert record.getMessage() == shown
