"""What was removed from snapshots or left out of the count, kept for the maintainers to see: which keys, never what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from instances.models import Application
from instances.personal import Kind
from instances.personal_findings import found_in_registration
from metrics.models import KeyFlag
from metrics.screening import Finding, left_out, screen

# However large the fleet that sends it, a flag is written once in this time.
WRITTEN_EVERY = timedelta(hours=1)
# So many are kept of an application, and taken from one request. A client that sends more of them shows what is wrong
# with it by the first ones.
MAX_FLAGS = 200
MAX_FINDINGS = 20
# One that has not been seen for so long makes room for others, and is shown no more.
RECENT_FOR = timedelta(days=30)


def screened(application_id: int, snapshots: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """What of the snapshots' metrics may be stored, less what looks personal; flags what is removed or not counted.

    Asks the database nothing unless there is something of the kind, and then once for all of them.
    """
    looked_at = [screen(metrics) for metrics in snapshots]
    found = [finding for one in looked_at for finding in one.findings]
    if found and (allowed := allowed_keys(application_id, found)):
        looked_at = [screen(metrics, allowed) for metrics in snapshots]
    if findings := [finding for clean, found in looked_at for finding in [*found, *left_out(clean)]]:
        note(application_id, findings, now)
    return [one.metrics for one in looked_at]


def allowed_keys(application_id: int, findings: Sequence[Finding]) -> set[str]:
    """Those keys of the findings whose values the maintainers have said are not personal."""
    keys = {finding.key for finding in findings}
    # By the application and not by these keys, of which one snapshot may hold thousands; there are MAX_FLAGS at most.
    rows = KeyFlag.objects.filter(application=application_id).allowed().values_list("key", flat=True)
    return keys & set(rows)


def note(application_id: int, findings: Sequence[Finding], now: datetime) -> None:
    """Flags the findings, each at most once an hour however many instances have it. Safe to be done twice at once.

    Called in a transaction that holds an instance, at most once: twice, and two of them could wait for each other.
    """
    wanted = list(dict.fromkeys(findings))[:MAX_FINDINGS]
    rows = KeyFlag.objects.of(application_id, {finding.key for finding in wanted})
    known = {
        Finding(key, kind): (pk, last_at) for pk, key, kind, last_at in rows.values_list("pk", "key", "kind", "last_at")
    }
    if new := [finding for finding in wanted if finding not in known]:
        _add(application_id, new, now)
    due = [known[finding][0] for finding in wanted if finding in known and known[finding][1] <= now - WRITTEN_EVERY]
    if due:
        _renew(due, now)


def _renew(due: list[int], now: datetime) -> None:
    with transaction.atomic():
        # The condition again: whoever comes second at this moment has nothing left to write. Nor has it to wait for
        # whoever is first, so that nobody waits here who may be waited for.
        rows = KeyFlag.objects.filter(pk__in=due, last_at__lte=now - WRITTEN_EVERY)
        mine = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        KeyFlag.objects.filter(pk__in=mine).update(last_at=now)


def _add(application_id: int, new: list[Finding], now: datetime) -> None:
    with transaction.atomic():
        # Locked, so that two who add at once neither add the same nor both take the last place; not against new
        # instances, which only refer to it. None: it has been erased at this very moment.
        applications = Application.objects.select_for_update(no_key=True).filter(pk=application_id)
        if not applications.values_list("pk", flat=True).first():
            return
        flags = KeyFlag.objects.filter(application=application_id)
        there = set(flags.values_list("key", "kind"))
        new = [finding for finding in new if finding not in there]
        if len(there) + len(new) > MAX_FLAGS:
            flags.stale(now - RECENT_FOR).delete()
        room = max(MAX_FLAGS - flags.count(), 0)
        rows = [
            KeyFlag(application_id=application_id, key=key, kind=kind, first_at=now, last_at=now)
            for key, kind in new[:room]
        ]
        KeyFlag.objects.bulk_create(rows)


def note_registration(
    sender: object, application_id: int, found: Mapping[str, Kind], now: datetime, **more: Any
) -> set[str]:
    """Flags what instances say of themselves in the same way, and says which of it the maintainers have allowed."""
    findings = [Finding(field, kind.value) for field, kind in found.items()]
    allowed = allowed_keys(application_id, findings)
    if rest := [finding for finding in findings if finding.key not in allowed]:
        note(application_id, rest, now)
    return allowed


found_in_registration.connect(note_registration, dispatch_uid="metrics.flags")


def allow(flag: KeyFlag, now: datetime) -> None:
    """From now on all that stands under the flag's key is kept, whatever it looks like."""
    KeyFlag.objects.filter(application=flag.application_id, key=flag.key).update(allowed_at=now)


def disallow(flag: KeyFlag) -> None:
    KeyFlag.objects.filter(application=flag.application_id, key=flag.key).update(allowed_at=None)
