"""Everything that clients, maintainers and the worker do, at the same moment, for some seconds: on PostgreSQL.

What each does alone has tests of its own. Here none may fail, or wait for another that waits for it (which PostgreSQL
ends as a deadlock), and no rows may contradict each other.
"""

import random
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connections, transaction
from django.db.models import F
from nacl.signing import SigningKey

from instances import jobs
from instances.forgetting import forget_pending
from instances.models import Application, Event, Instance, PublicKey
from instances.rates import Rate
from metrics.exclusion import apply_rules
from metrics.models import KeyFlag, Snapshot
from metrics.retention import thin
from metrics.taking import close_hours, refresh_presents
from tests.installation import Installation

SECONDS = 6
NAMES = ["Ledger", "Abacus", "Beads", "Cash"]
NOW = datetime.now(UTC)
EMAIL = "alice@example.com"

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


class Client(Installation):
    """Does whatever comes to its mind. Used by one thread at a time."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice.choice(NAMES))
        self.dice = dice
        self.client.raise_request_exception = False
        self.lock = threading.Lock()

    def act(self):
        acts = [self.report] * 8 + [self.personal] * 3 + [self.batch] * 3 + [self.move] * 3
        acts += [self.activate, self.change_key, self.forget, self.export, self.wrong_clock]
        with self.lock:
            answer = self.dice.choice(acts)()
            if answer.status_code == 403:
                self.move()
        return answer

    def past(self) -> datetime:
        return NOW - timedelta(milliseconds=self.dice.randrange(10**8))

    def report(self):
        return self.snapshot({"n": self.dice.randrange(9)}, self.past())

    def personal(self):
        return self.snapshot({f"{self.dice.choice('abcd')}_owner": EMAIL}, self.past())

    def batch(self):
        keys = self.dice.sample("abcdefgh", 4)
        sent = [{"timestamp": self.past().isoformat(), "metrics": {f"{key}_owner": EMAIL}} for key in keys]
        return self.post("/v1/snapshots", {"instance_id": self.id, "snapshots": sent})

    def move(self):
        self.register(app_name=self.dice.choice([*NAMES, "New"]), app_version=str(self.dice.randrange(5)))
        return self.activate()

    def change_key(self):
        key = SigningKey.generate()
        answer = self.rotate(key)
        self.key = key if answer.status_code == 200 else self.key
        return answer

    def wrong_clock(self):
        return self.snapshot({}, NOW + timedelta(days=3))


def maintain(dice):
    one = Instance.objects.order_by("?").first()
    if dice.random() < 0.05:
        for application in Application.objects.order_by("?")[:1]:
            application.erase()
    elif one is not None:
        with transaction.atomic():
            for locked in Instance.objects.select_for_update().filter(pk=one.pk):
                exclude = partial(locked.exclude, Instance.Exclusion.MANUAL)
                acts = [locked.revoke, locked.restore, locked.restore, locked.include, locked.approve, locked.erase]
                dice.choice([*acts, exclude])()


def work(dice):
    for pk in KeyFlag.objects.values_list("pk", flat=True):  # As after an hour.
        KeyFlag.objects.filter(pk=pk).update(last_at=F("last_at") - timedelta(hours=2))
    regular = [jobs.sweep_rates, jobs.sweep_spent_bodies, jobs.forget_events, forget_pending, apply_rules]
    dice.choice([*regular, close_hours, refresh_presents, thin])(datetime.now(UTC))


def test_nothing_fails_and_nothing_contradicts_itself(settings):
    # Limits are counted, but soon full again, so that they are swept all the time.
    settings.RATELIMITS = {scope: Rate(10**6, timedelta(minutes=1), 10**5) for scope in settings.RATELIMITS}
    settings.KEEP_PENDING = timedelta(microseconds=1)
    for name in NAMES:
        Application.named(name)
    Application.objects.filter(slug="beads").update(registration="approval")
    fleet = [Client(random.Random(number)) for number in range(20)]
    failures: list[str] = []
    answers = set()
    end = time.monotonic() + SECONDS

    def use(dice):
        answer = dice.choice(fleet).act()
        if answer.streaming:
            b"".join(answer)
        answers.add((answer.request["PATH_INFO"], answer.status_code))
        if answer.status_code >= 500:
            failures.append(f"{answer.request['PATH_INFO']}: {answer.status_code}")

    def repeat(act, dice):
        try:
            while time.monotonic() < end:
                act(dice)
        except Exception:
            failures.append(traceback.format_exc())
        finally:
            connections.close_all()

    acts = [use] * 8 + [maintain] * 2 + [work] * 2
    threads = [threading.Thread(target=repeat, args=(act, random.Random(n))) for n, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert answers >= {("/v1/activate", 200), ("/v1/snapshot", 202), ("/v1/snapshots", 202), ("/v1/forget", 200)}
    for one in Instance.objects.all():
        agrees(one)


def agrees(one):
    """Whether what is said of an instance in several places is the same."""
    events = Event.objects.filter(instance=one)
    assert not events.exclude(application=one.application_id).exists()
    assert events.filter(kind=Event.Kind.REGISTERED).count() == 1
    assert events.filter(kind=Event.Kind.ACTIVATED).count() == (one.activated_at is not None)
    assert PublicKey.objects.current().filter(instance=one).count() == 1
    assert not (one.state == Instance.State.ACTIVE and one.awaits_approval)
    assert (one.state == Instance.State.REVOKED) == (one.revoked_at is not None)
    times = Snapshot.objects.filter(instance=one).order_by("timestamp").values_list("timestamp", flat=True)
    # Thinning leaves the last of each day.
    assert list(times)[-1:] == ([one.last_report_at] if one.last_report_at else [])
