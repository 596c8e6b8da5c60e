"""POST /v1/snapshot and /v1/snapshots."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from instances.answers import extras
from instances.authentication import signer, signing_instance
from instances.clocks import check_timestamp
from instances.exceptions import InstanceMismatch, InvalidBody, TimestampOutOfRange
from instances.models import Instance
from instances.rates import Verdict
from instances.throttling import PerInstance
from instances.views import WireView
from instances.wire import Malformed, parse_timestamp, parse_uuid
from metrics.fields import dumps
from metrics.filing import Report, file
from metrics.flatten import scalars
from metrics.ingestion import Outcome, Sent, store
from metrics.screening import findings_of

ANSWERS = {
    Outcome.STORED: {"status": "ok", "message": "Snapshot received"},
    Outcome.DUPLICATE: {"status": "duplicate", "message": "Snapshot already received"},
}
# Above it the limit is counted before anything is searched for personal data, which takes a tenth of a second where a
# body is made for that; below, together with what the report changes.
LARGE_BODY_BYTES = 4096


class ReportView(WireView):
    """Takes snapshots. The limit is counted together with what they change, or where nothing is to be changed."""

    throttle_classes = [PerInstance]

    def check_throttles(self, request: Request) -> None:
        """Not yet: see admit."""

    def admit(self, request: Request) -> Instance:
        """Counts the request, and gives the instance that signed it. Raises what speaks against either."""
        instance = signing_instance(request)
        super().check_throttles(request)
        return instance


class SnapshotView(ReportView):
    def post(self, request: Request) -> HttpResponse:
        now = timezone.now()
        try:
            body: Any = request.data
            check_instance(request, body)
            sent = parse_snapshot(body, now)
        except APIException as error:
            instance = self.admit(request)
            if isinstance(error, TimestampOutOfRange):
                instance.mark_wrong_clock(error.timestamp)
            raise
        # Not DRF's, which is a template's response first: that would cost as much as to parse the request.
        return HttpResponse(dumps(self.file(request, sent, now)), content_type="application/json", status=202)

    def file(self, request: Request, sent: Sent, now: datetime) -> dict[str, str]:
        """Files the snapshot. Returns the answer."""
        is_large = len(request.body) > LARGE_BODY_BYTES
        if connection.vendor != "postgresql" or is_large or findings_of(sent.metrics):
            return _store(self.admit(request), sent, now)
        receipt = file(Report(signer(request), sent.timestamp, dumps(sent.metrics), dumps(scalars(sent.metrics))))
        if receipt.limit is not None:
            self.hold_to(receipt.limit, request)
        if receipt.is_new is None:
            return _store(signing_instance(request), sent, now)
        outcome = Outcome.STORED if receipt.is_new else Outcome.DUPLICATE
        return ANSWERS[outcome] | extras(receipt.latest_version, receipt.notice)

    def hold_to(self, limit: Verdict, request: Request) -> None:
        self.rate_verdict = limit
        if not limit.allowed:
            signing_instance(request)  # Who is revoked, or signs with a key that has been replaced, is told that.
            self.throttled(request, limit.retry_after)


def _store(instance: Instance, sent: Sent, now: datetime) -> dict[str, str]:
    (outcome,) = store(instance, [sent], now)
    return ANSWERS[outcome] | extras(instance.application.latest_version, instance.application.notice)


class SnapshotsView(ReportView):
    """Several of one instance, for clients that were offline. One that is refused does not keep the others out."""

    max_body_bytes = settings.MAX_BATCH_BODY_BYTES

    def post(self, request: Request) -> Response:
        now = timezone.now()
        instance = self.admit(request)
        body: Any = request.data
        check_instance(request, body)
        accepted, refused = _parse_each(_snapshots_in(body), now)
        if wrong := [error for error in refused.values() if isinstance(error, TimestampOutOfRange)]:
            instance.mark_wrong_clock(wrong[-1].timestamp)
        outcomes = Counter(store(instance, accepted, now))
        return Response(
            {
                "accepted": outcomes[Outcome.STORED],
                "duplicates": outcomes[Outcome.DUPLICATE],
                "rejected": [
                    {"index": index, "code": error.get_codes(), "detail": str(error.detail)}
                    for index, error in refused.items()
                ],
                **extras(instance.application.latest_version, instance.application.notice),
            },
            status=202,
        )


def _snapshots_in(body: dict[str, Any]) -> list[Any]:
    snapshots = body.get("snapshots")
    if not isinstance(snapshots, list):
        raise InvalidBody("snapshots is no list. Send one of objects with timestamp and metrics.", "invalid_snapshots")
    if len(snapshots) > settings.MAX_BATCH:
        raise InvalidBody(
            f"There are {len(snapshots)} snapshots. Send at most {settings.MAX_BATCH} at once.", "too_many_snapshots"
        )
    return snapshots


def _parse_each(snapshots: list[Any], now: datetime) -> tuple[list[Sent], dict[int, APIException]]:
    """Those that can be stored, and why the others cannot, by their places in the list."""
    accepted, refused = [], {}
    for index, snapshot in enumerate(snapshots):
        try:
            accepted.append(parse_snapshot(snapshot, now))
        except APIException as error:
            refused[index] = error
    return accepted, refused


def check_instance(request: Request, body: Any) -> None:
    """A body names the instance that signed it; one that names another is not stored under either."""
    claimed = body.get("instance_id") if isinstance(body, dict) else None
    if claimed is None:
        raise InvalidBody("Send a JSON object with instance_id, timestamp and metrics.", "invalid_snapshot")
    if parse_uuid(claimed) != signer(request).instance_id:
        raise InstanceMismatch


def parse_snapshot(body: Any, now: datetime) -> Sent:
    """The snapshot's time in UTC and its metrics, an empty object for null (which the Go SDK sends for none)."""
    if not isinstance(body, dict):
        raise InvalidBody("This is no snapshot. Send a JSON object with timestamp and metrics.", "invalid_snapshot")
    try:
        timestamp = parse_timestamp(body.get("timestamp"))
    except Malformed as error:
        raise InvalidBody.of(error) from error
    metrics = body.get("metrics", ...)
    if metrics is None:
        metrics = {}
    if not isinstance(metrics, dict):
        raise InvalidBody('metrics is no JSON object. Send one, such as {"users_count": 42}.', "invalid_metrics")
    check_timestamp(timestamp, now, oldest=settings.ACCEPTANCE_WINDOW)
    return Sent(timestamp, metrics)
