"""Snapshots of several instances, filed in one statement (PostgreSQL).

A server's threads bring what they have received; whatever came while the statement before was under way goes into the
next one. So the round trips, the commits and what the planner costs are shared, and the more so the more arrives.

The statement does the plain case and nothing else: an active instance, known by its current key. It leaves the others
out, and metrics.ingestion.store then says what is the matter with them, or does what they need.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from instances.rates import Verdict, verdict
from instances.signers import Signer
from instances.throttling import TAKE, bucket_key, refused
from metrics.together import Together

MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Report:
    """A snapshot that has been checked: its metrics as they were sent and the scalars of them flattened, as JSON."""

    signer: Signer
    timestamp: datetime
    metrics: str
    scalars: str


@dataclass(frozen=True)
class Receipt:
    """What became of a report. `limit` is None where there are no limits, and refuses who signed with another key than
    the current one; `is_new` is None if nothing was filed, because the limit refused it or because it is no plain case,
    False if it had been filed before."""

    limit: Verdict | None
    is_new: bool | None
    latest_version: str
    notice: str


# Buckets are taken and instances locked one after the other in one order, so that two processes which both report for
# the same two cannot wait for each other. An instance that somebody else holds is left out: nobody waits for it but
# its own report. An instance has one row in here at most.
_FILE = """
    WITH sent AS (
        SELECT * FROM json_to_recordset(%(reports)s::json)
        AS sent (id uuid, key text, bucket text, timestamp timestamptz, metrics json, scalars jsonb)
    ), taken AS (
        {taken}
    ), ours AS (
        SELECT sent.*, instance.app_version, application.active_days, application.latest_version, application.notice
        FROM sent
        JOIN taken ON taken.key = sent.bucket
        JOIN instances_instance AS instance ON instance.id = sent.id AND instance.state = 'active'
        JOIN instances_application AS application ON application.id = instance.application_id
        JOIN instances_publickey AS current
            ON current.instance_id = sent.id AND current.retired_at IS NULL AND current.hex = sent.key
        ORDER BY sent.id
        FOR NO KEY UPDATE OF instance SKIP LOCKED
    ), stored AS (
        INSERT INTO metrics_snapshot (instance_id, timestamp, app_version, metrics)
        SELECT id, timestamp, app_version, metrics FROM ours
        ON CONFLICT DO NOTHING
        RETURNING instance_id
    ), updated AS (
        UPDATE instances_instance AS instance
        SET last_seen_at = %(at)s,
            first_report_at = least(instance.first_report_at, ours.timestamp),
            last_report_at = greatest(instance.last_report_at, ours.timestamp),
            returned_at = CASE
                WHEN instance.last_report_at < ours.timestamp - make_interval(days => ours.active_days)
                THEN ours.timestamp ELSE instance.returned_at END,
            reported_version = CASE
                WHEN instance.last_report_at >= ours.timestamp
                THEN instance.reported_version ELSE ours.app_version END,
            metrics = CASE
                WHEN instance.last_report_at >= ours.timestamp
                THEN instance.metrics ELSE ours.scalars END
        FROM ours
        JOIN stored ON stored.instance_id = ours.id
        WHERE instance.id = ours.id
    )
    SELECT
        sent.id, taken.arrival, CASE WHEN ours.id IS NOT NULL THEN stored.instance_id IS NOT NULL END,
        coalesce(ours.latest_version, ''), coalesce(ours.notice, '')
    FROM sent
    LEFT JOIN taken ON taken.key = sent.bucket
    LEFT JOIN ours ON ours.id = sent.id
    LEFT JOIN stored ON stored.instance_id = sent.id
"""
# Nobody takes a place from the instance by a key that it has replaced, and that a process may still remember.
_SIGNED = """
    SELECT bucket, %(now)s + %(interval)s
    FROM sent
    WHERE EXISTS (
        SELECT FROM instances_publickey AS current
        WHERE current.instance_id = sent.id AND current.retired_at IS NULL AND current.hex = sent.key
    )
    ORDER BY id
"""
_FILE_LIMITED = _FILE.format(taken=TAKE.format(source=_SIGNED))
_FILE_UNLIMITED = _FILE.format(taken="SELECT bucket AS key, NULL::float8 AS arrival FROM sent")


def file(report: Report) -> Receipt:
    """Files the report, together with those that other threads bring at this moment.

    Raises Django's database errors, and then nothing was filed.
    """
    return _together.do(report)


def _file_all(reports: list[Report]) -> list[Receipt]:
    now = time.time()
    rate = settings.RATELIMITS["snapshot"]
    is_limited = settings.RATELIMIT_ENABLED
    buckets = [bucket_key("snapshot", str(report.signer.instance_id), now) for report in reports]
    rows = _execute(
        _FILE_LIMITED if is_limited else _FILE_UNLIMITED,
        {
            "reports": f"[{','.join(map(_as_json, reports, buckets))}]",
            "at": datetime.fromtimestamp(now, UTC),
            "now": now,
            "interval": rate.interval,
            "tolerance": rate.tolerance,
        },
    )
    filed = {instance_id: rest for instance_id, *rest in rows}
    receipts = []
    for report, bucket in zip(reports, buckets, strict=True):
        arrival, is_new, latest_version, notice = filed[report.signer.instance_id]
        limit = None
        if is_limited:
            is_allowed = arrival is not None
            limit = verdict(rate, arrival, now, allowed=True) if is_allowed else refused(rate, bucket, now)
        receipts.append(Receipt(limit, is_new, latest_version, notice))
    return receipts


def _as_json(report: Report, bucket: str) -> str:
    """Around the metrics, which are JSON already, stands nothing that would have to be escaped."""
    instance_id, key = report.signer
    return (
        f'{{"id":"{instance_id}","key":"{key}","bucket":"{bucket}","timestamp":"{report.timestamp.isoformat()}",'
        f'"metrics":{report.metrics},"scalars":{report.scalars}}}'
    )


def _execute(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """By psycopg's own cursor: Django's puts the parameters into the text, so that each is planned anew."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchall()


_together = Together[Report, Receipt](_file_all, key=lambda report: report.signer.instance_id, most=MOST_AT_ONCE)
