"""POST /v1/snapshot."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from instances.authentication import signer
from instances.exceptions import InstanceMismatch, InvalidBody, TimestampOutOfRange
from instances.models import Instance
from instances.throttling import PerInstance
from instances.views import WireView
from instances.wire import Malformed, format_timestamp, parse_timestamp, parse_uuid
from metrics.ingestion import Outcome, store

ANSWERS = {
    Outcome.STORED: {"status": "ok", "message": "Snapshot received"},
    Outcome.DUPLICATE: {"status": "duplicate", "message": "Snapshot already received"},
}


class SnapshotView(WireView):
    throttle_classes = [PerInstance]

    def post(self, request: Request) -> Response:
        instance = signer(request)
        body: Any = request.data
        now = timezone.now()
        check_instance(instance, body)
        timestamp, metrics = parse_snapshot(body)
        check_clock(instance, timestamp, now)
        return Response(ANSWERS[store(instance, timestamp, metrics, now)], status=202)


def check_instance(instance: Instance, body: Any) -> None:
    """A body names the instance that signed it; one that names another is not stored under either."""
    claimed = body.get("instance_id") if isinstance(body, dict) else None
    if claimed is None:
        raise InvalidBody("Send a JSON object with instance_id, timestamp and metrics.", "invalid_snapshot")
    if parse_uuid(claimed) != instance.pk:
        raise InstanceMismatch


def parse_snapshot(body: dict[str, Any]) -> tuple[datetime, dict[str, Any]]:
    """The snapshot's time in UTC and its metrics, an empty object for null (which the Go SDK sends for none)."""
    try:
        timestamp = parse_timestamp(body.get("timestamp"))
    except Malformed as error:
        raise InvalidBody.of(error) from error
    metrics = body.get("metrics", ...)
    if metrics is None:
        metrics = {}
    if not isinstance(metrics, dict):
        raise InvalidBody('metrics is no JSON object. Send one, such as {"users_count": 42}.', "invalid_metrics")
    return timestamp, metrics


def check_clock(instance: Instance, timestamp: datetime, now: datetime) -> None:
    """Refuses what is too far ahead or too old, and marks the instance's clock as wrong for its maintainers to see."""
    ahead, behind = timestamp - now, now - timestamp
    if ahead <= settings.CLOCK_TOLERANCE and behind <= settings.ACCEPTANCE_WINDOW:
        return
    instance.mark_wrong_clock()
    allowed = (
        "5 minutes ahead of" if ahead > settings.CLOCK_TOLERANCE else f"{_span(settings.ACCEPTANCE_WINDOW)} behind"
    )
    raise TimestampOutOfRange(
        f"timestamp is more than {allowed} this server's time, {format_timestamp(now)}. Set the clock right.", now
    )


def _span(span: timedelta) -> str:
    """In the largest unit of which it is a whole number: 7 days, 36 hours, 90 minutes."""
    units = {"days": timedelta(days=1), "hours": timedelta(hours=1), "minutes": timedelta(minutes=1)}
    for name, unit in units.items():
        if not span % unit:
            return f"{span // unit} {name}"
    return f"{span.total_seconds():g} seconds"
