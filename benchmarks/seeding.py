"""Fleets with a past, by COPY straight into PostgreSQL's tables."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from nacl.signing import SigningKey
from tqdm import tqdm

from instances.models import Application, Instance, PublicKey
from metrics.models import ClosedCensus, Snapshot

HOUR = timedelta(hours=1)
BUSINESS = [f"documents_{kind}" for kind in ("created", "shared", "archived", "deleted")]
BUSINESS += [f"users_{kind}" for kind in ("active", "invited", "disabled")]


def metrics(number: int, hour: int) -> dict[str, Any]:
    """Fifteen metrics, as a client of SHM's sends them: about 330 bytes of JSON."""
    return {
        **{key: (number * 37 + place * 11) % 5000 + hour for place, key in enumerate(BUSINESS)},
        "storage_mb": round((number % 977) * 1.37 + hour * 0.25, 2),
        "cache_hit_ratio": round(0.5 + (number * 7 + hour) % 500 / 1000, 3),
        "sys_os": "linux",
        "sys_arch": "amd64",
        "sys_cpu_cores": 2 ** (number % 5),
        "sys_mode": "docker",
        "app_mem_alloc_mb": 40 + (number + hour) % 300,
        "app_goroutines": 8 + (number + hour) % 60,
    }


@dataclass
class Seeded:
    """An application with its instances' ids, in their order, and the keys of the first of them."""

    application: Application
    ids: list[uuid.UUID]
    keys: list[SigningKey]
    hours: int


def seed(name: str, instances: int, days: int, keys: int = 300) -> Seeded:
    """An application whose instances have reported every hour for `days`; with `days` 0, once."""
    now = datetime.now(UTC)
    hours = max(1, days * 24)
    seeded = Seeded(
        application=Application.named(name),
        ids=[uuid.UUID(int=uuid.uuid5(uuid.NAMESPACE_DNS, name).int ^ number) for number in range(instances)],
        keys=[SigningKey.generate() for _ in range(min(instances, keys))],
        hours=hours,
    )
    _copy(Instance, _instances(seeded, now), instances, f"{name}: instances")
    _copy(PublicKey, _keys(seeded, now), len(seeded.keys), f"{name}: keys", with_id=False)
    if days:
        _copy(Snapshot, _snapshots(seeded, now), instances * hours, f"{name}: snapshots")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return seeded


def reported_at(seeded: Seeded, number: int, hour: int, now: datetime) -> datetime:
    """Within each hour every instance has a minute of its own. Hour 0 is the first."""
    return now - HOUR * (seeded.hours - hour) + timedelta(seconds=number % 3000)


def version(number: int, hour: int) -> str:
    """An upgrade every ten days, which each instance takes in its own time."""
    return f"1.{(hour + number % 240) // 240}.0"


def _instances(seeded: Seeded, now: datetime) -> Iterator[tuple[Any, ...]]:
    last = seeded.hours - 1
    for number, pk in enumerate(seeded.ids):
        first_at, last_at = reported_at(seeded, number, 0, now), reported_at(seeded, number, last, now)
        values = {
            "id": pk,
            "application_id": seeded.application.pk,
            "state": "active",
            "app_version": version(number, last),
            "reported_version": version(number, last),
            "environment": ("production", "staging")[number % 9 == 0],
            "deployment_mode": ("docker", "kubernetes", "binary")[number % 3],
            "os_arch": ("linux/amd64", "linux/arm64")[number % 4 == 0],
            "registered_at": first_at,
            "activated_at": first_at,
            "first_report_at": first_at,
            "last_report_at": last_at,
            "last_seen_at": last_at,
            "metrics": json.dumps(metrics(number, last)),
        }
        yield _row(Instance, values)


def _keys(seeded: Seeded, now: datetime) -> Iterator[tuple[Any, ...]]:
    for pk, key in zip(seeded.ids, seeded.keys, strict=False):
        yield pk, key.verify_key.encode().hex(), now, None


def _snapshots(seeded: Seeded, now: datetime) -> Iterator[tuple[Any, ...]]:
    # Hour by hour, as they would have arrived: it decides how full the pages of the index become.
    for hour in range(seeded.hours):
        for number, pk in enumerate(seeded.ids):
            at = reported_at(seeded, number, hour, now)
            body = json.dumps(metrics(number, hour), separators=(",", ":"))
            yield _row(
                Snapshot,
                {
                    "instance_id": pk,
                    "timestamp": at,
                    "app_version": version(number, hour),
                    "metrics": body,
                },
            )


def _row(model: Any, values: dict[str, Any]) -> tuple[Any, ...]:
    """A row in the order of the model's columns; what is not given is the field's default."""
    return tuple(
        values[field.column] if field.column in values else field.get_default()
        for field in model._meta.local_concrete_fields
    )


def _copy(model: Any, rows: Iterator[tuple[Any, ...]], total: int, title: str, with_id: bool = True) -> None:
    columns = [field.column for field in model._meta.local_concrete_fields]
    columns = columns if with_id else columns[1:]
    names = ", ".join(f'"{column}"' for column in columns)
    with (
        connection.cursor() as cursor,
        cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN') as copy,
    ):
        for row in tqdm(rows, total=total, desc=title, unit_scale=True, mininterval=1):
            copy.write_row(row)


def file_censuses(seeded: Seeded, days: int) -> None:
    """As many closed censuses as there would be, each a copy of the present one: pages cost what their size costs."""
    from metrics import taking

    now = datetime.now(UTC)
    document = taking.present(seeded.application, now).document()
    times = taking.closing_times(now - timedelta(days=days), now)
    ClosedCensus.objects.bulk_create(
        [ClosedCensus(application=seeded.application, at=at, document=document) for at in times], batch_size=50
    )
