"""The requests of the wire protocol, as bytes that are signed and sent exactly so. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from shm_sdk import system
from shm_sdk.config import Config
from shm_sdk.identity import Identity

MAX_BATCH = 500  # Snapshots.
MAX_BATCH_BYTES = 1024 * 1024 - 256  # The rest is room for what is around them.


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """`timestamp` in seconds since 1970: by it, and by the instance, a server tells two snapshots apart."""

    timestamp: float
    metrics: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"timestamp": rfc3339(self.timestamp), "metrics": self.metrics}


def rfc3339(seconds: float) -> str:
    """In UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def register(identity: Identity, config: Config) -> Request:
    """The one request that is not signed. What the application keeps to itself is left out."""
    said = {
        "instance_id": identity.instance_id,
        "public_key": identity.public_key,
        "app_name": config.app_name,
        "app_version": config.app_version,
        "environment": config.environment,
    }
    if config.collects_system_metrics:
        said["deployment_mode"] = system.deployment_mode()
        said["os_arch"] = f"{system.system()}/{system.architecture()}"
    headers = {"X-Enrolment-Token": config.enrolment_token} if config.enrolment_token else {}
    return Request("/v1/register", as_bytes(said), headers)


def signed(identity: Identity, path: str, body: dict[str, Any]) -> Request:
    content = as_bytes(body)
    return Request(path, content, {"X-Instance-ID": identity.instance_id, "X-Signature": identity.sign(content)})


def activate(identity: Identity) -> Request:
    return signed(identity, "/v1/activate", {"action": "activate"})


def snapshot(identity: Identity, snapshot: Snapshot) -> Request:
    return signed(identity, "/v1/snapshot", {"instance_id": identity.instance_id, **snapshot.as_dict()})


def snapshots(identity: Identity, batch: list[Snapshot]) -> Request:
    body = {"instance_id": identity.instance_id, "snapshots": [each.as_dict() for each in batch]}
    return signed(identity, "/v1/snapshots", body)


def action(identity: Identity, name: str, at: float, **fields: str) -> Request:
    """`export` and `forget`; `rotate` needs `rotation`."""
    return signed(
        identity,
        f"/v1/{name}",
        {"instance_id": identity.instance_id, "timestamp": rfc3339(at), "action": name, **fields},
    )


def rotation(identity: Identity, new: Identity, at: float) -> Request:
    """Signed by the current key, and proven by the new one, so that nobody can have a key put in that is not theirs."""
    message = f"shm-rotate:{identity.instance_id}:{rfc3339(at)}:{new.public_key}"
    return action(identity, "rotate", at, public_key=new.public_key, proof=new.sign(message.encode()))
