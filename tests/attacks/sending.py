"""What attackers send, and what they would have changed by it."""

import json

from django.test import Client
from nacl.signing import SigningKey

from instances import urls as instances_urls
from instances.models import Event, Instance, PublicKey
from metrics import urls as metrics_urls
from metrics.models import Snapshot
from tests.clock import NOW

SIGNED = {str(pattern.pattern) for pattern in [*instances_urls.urlpatterns, *metrics_urls.urlpatterns]} - {"register"}


def all_of(installation):
    """All that is stored of one instance, and all that its history says."""
    return [
        *Instance.objects.filter(pk=installation.id).values(),
        *PublicKey.objects.filter(instance=installation.id).order_by("pk").values(),
        *Snapshot.objects.filter(instance=installation.id).order_by("timestamp").values(),
        *Event.objects.filter(instance=installation.id).order_by("pk").values(),
    ]


def body_for(installation, endpoint, at=NOW):
    """What an instance sends to an endpoint, unsigned."""
    report = {"timestamp": at.isoformat(), "metrics": {"users": 666}}
    bodies = {
        "activate": {"action": "activate"},
        "snapshot": {"instance_id": installation.id, **report},
        "snapshots": {"instance_id": installation.id, "snapshots": [report]},
    }
    if endpoint in bodies:
        return json.dumps(bodies[endpoint]).encode()
    body = {"instance_id": installation.id, "timestamp": at.isoformat(), "action": endpoint}
    if endpoint == "rotate":
        key = SigningKey.generate()
        public_key = key.verify_key.encode().hex()
        message = f"shm-rotate:{installation.id}:{body['timestamp']}:{public_key}".encode()
        body |= {"public_key": public_key, "proof": key.sign(message).signature.hex()}
    return json.dumps(body).encode()


def sent_by(installation, endpoint, at=NOW):
    """The body and headers of a request that was seen on its way."""
    body = body_for(installation, endpoint, at)
    return body, {"X-Instance-ID": installation.id, "X-Signature": installation.sign(body)}


def send(path, body, headers=None, **extra):
    return Client().post(path, body, content_type="application/json", headers=headers or {}, **extra)
