"""POST /v1/export: everything that is stored about the instance that asks, as JSON."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from instances.actions import ActionView, accepted
from instances.models import Instance
from instances.wire import format_timestamp
from metrics.models import Snapshot

TIMES = (
    "registered_at",
    "activated_at",
    "revoked_at",
    "excluded_at",
    "first_report_at",
    "last_report_at",
    "last_seen_at",
    "returned_at",
    "wrong_clock_at",
)


class ExportView(ActionView):
    action = "export"

    def perform(self, request: Request, body: dict[str, Any], timestamp: datetime) -> HttpResponseBase:
        with accepted(request, timestamp) as instance:
            about = describe(instance, timezone.now())
        # The snapshots are read while they are sent: neither a transaction nor a cursor waits for a slow client.
        response = StreamingHttpResponse(document(about, instance), content_type="application/json")
        response["Cache-Control"] = "no-store"
        return response


def document(about: dict[str, Any], instance: Instance) -> Iterator[str]:
    """One JSON object, piece by piece: `about` and the snapshots, whose metrics are the very text that is stored."""
    yield f'{dumps(about)[:-1]}, "snapshots": ['
    between = "\n"
    for at, version, metrics in Snapshot.objects.as_stored(instance):
        head = f'{{"timestamp": "{format_timestamp(at)}", "app_version": {dumps(version)}'
        yield f'{between}{head}, "metrics": {metrics}}}'
        between = ",\n"
    yield "\n]}\n"


def describe(instance: Instance, now: datetime) -> dict[str, Any]:
    """All that is stored but the snapshots. Every key is always there; what is not known is null or empty."""
    return {
        "instance_id": str(instance.pk),
        "exported_at": format_timestamp(now),
        "application": {"slug": instance.application.slug, "name": instance.application.name},
        "state": instance.state,
        "exclusion": instance.exclusion,
        "rules_apply": instance.rules_apply,
        "awaits_approval": instance.awaits_approval,
        "refused_by": instance.refused_by,
        **{name: getattr(instance, name) for name in Instance.DESCRIPTION},
        "claims": instance.claims,
        **{name: _time(getattr(instance, name)) for name in TIMES},
        "latest": {"app_version": instance.reported_version, "metrics": instance.metrics},
        "keys": [
            {"public_key": key.hex, "created_at": _time(key.created_at), "retired_at": _time(key.retired_at)}
            for key in instance.keys.all()
        ],
        "events": [
            {"at": _time(event.at), "kind": event.kind, "detail": event.detail} for event in instance.events.all()
        ],
    }


def _time(moment: datetime | None) -> str | None:
    return format_timestamp(moment) if moment else None


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
