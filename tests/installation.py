"""An installation as a client sees itself: a UUID, a key, and the requests that it signs."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from django.test import Client
from nacl.signing import SigningKey

from instances.models import Instance


class Installation:
    """Speaks the wire protocol through Django's test client. `sent` is what its last request sent."""

    def __init__(self, application: str = "Ledger", version: str = "1.0.0", **description: str) -> None:
        self.id = str(uuid.uuid4())
        self.key = SigningKey.generate()
        self.description = {"app_name": application, "app_version": version, **description}
        self.client = Client()

    @property
    def public_key(self) -> str:
        return self.key.verify_key.encode().hex()

    def register(self, **changes: Any) -> Any:
        body = {"instance_id": self.id, "public_key": self.public_key, **self.description, **changes}
        return self.client.post("/v1/register", json.dumps(body), content_type="application/json")

    def sign(self, body: bytes) -> str:
        return self.key.sign(body).signature.hex()

    def post(self, path: str, body: Any, **headers: str | None) -> Any:
        """POSTs a signed body: bytes as they are, anything else as JSON. A header given as None is left out."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: dict[str, str | None] = {"X-Instance-ID": self.id, "X-Signature": self.sign(data)}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.client.post(
            path,
            data,
            content_type="application/json",
            headers={name: value for name, value in sent.items() if value is not None},
        )

    def activate(self, **headers: str | None) -> Any:
        return self.post("/v1/activate", {"action": "activate"}, **headers)

    def snapshot(self, metrics: Any, at: datetime | str | None = None, **changes: Any) -> Any:
        timestamp = at if isinstance(at, str) else (at or datetime.now(UTC)).isoformat()
        return self.post(
            "/v1/snapshot", {"instance_id": self.id, "timestamp": timestamp, "metrics": metrics, **changes}
        )

    def action(self, action: str, at: datetime | str | None = None, **changes: Any) -> Any:
        """POSTs a signed action. What is changed to ... is left out of the body."""
        timestamp = at if isinstance(at, str) else (at or datetime.now(UTC)).isoformat()
        body = {"instance_id": self.id, "timestamp": timestamp, "action": action, **changes}
        return self.post(f"/v1/{action}", {name: value for name, value in body.items() if value is not ...})

    def rotate(self, key: SigningKey, at: datetime | str | None = None, **changes: Any) -> Any:
        """Asks for a new key, proven; whether it goes on with it is the caller's to say."""
        timestamp = at if isinstance(at, str) else (at or datetime.now(UTC)).isoformat()
        body = {"instance_id": self.id, "timestamp": timestamp, "public_key": key.verify_key.encode().hex(), **changes}
        message = f"shm-rotate:{body['instance_id']}:{body['timestamp']}:{body['public_key']}".encode()
        return self.action("rotate", **{"proof": key.sign(message).signature.hex(), **body})

    def export(self, **changes: Any) -> Any:
        return self.action("export", **changes)

    def forget(self, **changes: Any) -> Any:
        return self.action("forget", **changes)


def row(installation: Installation) -> Instance:
    """What the server has of it."""
    return Instance.objects.get(pk=installation.id)


def refusal(response: Any) -> tuple[int, str]:
    """The status and the code of an answer that refuses, which has to say in a sentence why."""
    body = response.json()
    assert body["detail"].endswith(".")
    return response.status_code, body["code"]


def assert_refused(response: Any, status: int, code: str) -> None:
    assert refusal(response) == (status, code), response.content
    assert response["Content-Type"] == "application/json"
