"""A small cast for tests of what is counted: instances with reports at chosen times, filed as ingestion files them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from instances.models import Application, Instance, PublicKey
from metrics import ingestion


def instance(application: Application, reports: Mapping[datetime, dict[str, Any]], **fields: Any) -> Instance:
    """An instance, activated, that has reported these metrics at these times. `fields` are the model's."""
    first = min(reports, default=None)
    made = Instance.objects.create(
        id=fields.pop("id", uuid4()),
        application=application,
        **{
            "state": Instance.State.ACTIVE,
            **({"registered_at": first, "activated_at": first} if first else {}),
            **fields,
        },
    )
    PublicKey.objects.create(instance=made, hex=uuid4().hex * 2)
    for timestamp, metrics in reports.items():
        store(made, timestamp, metrics, timestamp)
    made.refresh_from_db()
    return made


def store(reporting: Instance, timestamp: datetime, metrics: dict[str, Any], now: datetime) -> None:
    """Files one snapshot as if it arrived `now`."""
    ingestion.store(reporting, [ingestion.Sent(timestamp, metrics)], now)
