"""The demo's fleet, and `manage.py demo` from an empty database to a reporting fleet."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models import Count
from nacl.signing import SigningKey

from instances.models import Application, Instance, PublicKey
from metrics.flatten import flatten, is_number, scalars
from metrics.management.commands import demo
from metrics.models import Snapshot
from metrics.simulation import present
from metrics.simulation.client import RefusedError, TryLaterError
from metrics.simulation.fleet import Story
from metrics.simulation.installation import Fate
from metrics.simulation.products import PRODUCTS
from tests.clock import NOW
from tests.postgres import free_port

STORY = Story(seed=1, first_day=NOW - timedelta(days=90), days=90)
ROOT = Path(__file__).resolve().parent.parent


def reports(installation):
    return list(installation.report_times(installation.joined, NOW))


def one(fate):
    return next(installation for installation in STORY.fleet(60) if installation.fate is fate)


class TestFleet:
    def test_it_is_the_same_for_the_same_seed(self):
        again = Story(seed=1, first_day=STORY.first_day, days=90).fleet(60)
        assert again == STORY.fleet(60)
        assert [reports(installation)[-3:] for installation in again] == [
            reports(installation)[-3:] for installation in STORY.fleet(60)
        ]
        assert again[0].metrics(NOW) == STORY.fleet(1)[0].metrics(NOW)

    def test_it_is_another_one_for_another_seed(self):
        other = Story(seed=2, first_day=STORY.first_day, days=90).fleet(60)
        assert not {installation.id for installation in other} & {installation.id for installation in STORY.fleet(60)}

    def test_a_larger_one_has_the_same_installations_and_more(self):
        assert STORY.fleet(80)[:60] == STORY.fleet(60)

    def test_it_has_every_fate_product_and_environment(self):
        fleet = STORY.fleet(60)
        assert len({installation.id for installation in fleet}) == 60
        assert {installation.fate for installation in fleet} == set(Fate)
        assert {installation.product.name for installation in fleet} == {product.name for product in PRODUCTS}
        assert {installation.environment for installation in fleet} == {"production", "staging", "test"}
        assert {installation.system for installation in fleet} == {
            "linux/amd64",
            "linux/arm64",
            "windows/amd64",
            "darwin/arm64",
        }

    def test_its_past_is_of_a_sensible_size(self):
        assert 15_000 < sum(len(reports(installation)) for installation in STORY.fleet(60)) < 60_000

    @pytest.mark.parametrize("seed", range(5))
    def test_no_version_is_ever_older_than_the_one_before(self, seed):
        for installation in Story(seed=seed, first_day=STORY.first_day, days=90).fleet(60):
            order = [release.version for release in installation.product.releases]
            taken = [order.index(version) for _, version in installation.upgrades]
            assert taken == sorted(set(taken))
            assert [at for at, _ in installation.upgrades] == sorted(at for at, _ in installation.upgrades)

    def test_some_linger_on_an_old_version_and_a_few_take_previews(self):
        versions = Counter(installation.version(NOW) for installation in STORY.fleet(60))
        assert versions["2.2.4"] + versions["2.3.1"] >= 1
        assert 1 <= sum(count for version, count in versions.items() if "-" in version) <= 6


class TestInstallation:
    def test_it_reports_hourly_in_the_last_week_and_every_six_hours_before(self):
        gaps = [(late, late - early) for early, late in itertools.pairwise(reports(one(Fate.STEADY))[1:])]
        week = NOW - timedelta(days=7)
        assert {gap for at, gap in gaps if at > week + timedelta(hours=6)} == {timedelta(hours=1)}
        assert {gap for at, gap in gaps if at < week} == {timedelta(hours=6)}

    def test_a_gap_is_filled_with_the_times_that_the_schedule_has(self):
        installation = one(Fate.STEADY)
        earlier = list(installation.report_times(installation.joined, NOW - timedelta(hours=30)))
        later = list(installation.report_times(earlier[-1], NOW))
        assert later == [at for at in reports(installation) if at > earlier[-1]]
        assert len(later) == 30

    def test_an_ephemeral_one_reports_for_an_hour(self):
        times = reports(one(Fate.EPHEMERAL))
        assert len(times) == 3
        assert times[-1] - times[0] < timedelta(hours=1)

    def test_one_that_was_away_is_back(self):
        times = reports(one(Fate.AWAY))
        assert max(late - early for early, late in itertools.pairwise(times)) > timedelta(days=10)
        assert NOW - times[-1] < timedelta(hours=1)

    @pytest.mark.parametrize("fate", [Fate.GONE, Fate.REVOKED])
    def test_one_that_ended_is_silent_since(self, fate):
        assert NOW - reports(one(fate))[-1] > timedelta(days=8)
        assert not one(fate).is_up(NOW)

    def test_a_pending_one_never_reports(self):
        assert reports(one(Fate.PENDING)) == []

    @pytest.mark.parametrize("product", PRODUCTS[:2] + PRODUCTS[3:4], ids=lambda product: product.name)
    def test_its_totals_never_fall(self, product):
        installation = next(each for each in STORY.fleet(60) if each.product is product and each.fate is Fate.STEADY)
        totals = [installation.metrics(at)[product.headline] for at in reports(installation)]
        assert totals == sorted(totals)
        assert totals[0] < totals[-1]

    @pytest.mark.parametrize("installation", STORY.fleet(12), ids=lambda installation: installation.fate.name)
    def test_it_sends_metrics_of_every_kind_that_survive_json(self, installation):
        metrics = installation.metrics(NOW)
        assert json.loads(json.dumps(metrics)) == metrics
        flat = flatten(metrics)
        assert flat == scalars(metrics)
        assert {type(value) for value in flat.values()} == {int, float, str, bool}
        assert any("." in path for path in flat)
        assert {"sys_os", "sys_arch", "sys_cpu_cores", "sys_mode", "app_uptime_h"} <= flat.keys()

    def test_one_sends_text_where_the_others_send_a_number(self):
        fleet = [installation for installation in STORY.fleet(60) if installation.product is one(Fate.TEXT).product]
        values = [installation.metrics(NOW)[installation.product.headline] for installation in fleet]
        assert [is_number(value) for value in values].count(False) == 1

    def test_the_outlier_is_larger_than_all_the_others_together(self):
        outlier = one(Fate.OUTLIER)
        values = [
            each.metrics(NOW)[outlier.product.headline] for each in STORY.fleet(60) if each.product is outlier.product
        ]
        assert max(values) > sum(values) / 2

    def test_its_gauges_follow_the_day(self):
        installation = one(Fate.OUTLIER)
        day = [installation.metrics(NOW + timedelta(hours=hour))["jobs_running"] for hour in range(24)]
        assert max(day) > 3 * min(day)


class Clock:
    """Stands for the time module: sleeping takes no time, but moves the clock."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Stub:
    """A client that answers as told: each report takes the next answer, an exception or None."""

    def __init__(self, *answers, up=True):
        self.answers = list(answers)
        self.times = []
        self.up = up
        self.installation = self

    def is_up(self, at):
        return self.up

    def report(self, at):
        self.times.append(present.time.monotonic())
        if self.answers and (answer := self.answers.pop(0)):
            raise answer


class TestPresent:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(present, "time", clock)
        return clock

    def present(self, *clients):
        self.reported, self.refusals = [], []
        return present.Present(clients, lambda: self.reported.append(1), self.refusals.append)

    def test_one_that_is_told_to_wait_waits_and_holds_nobody_up(self):
        limited, other = Stub(TryLaterError(27)), Stub()
        running = self.present(limited, other)
        running.run_once(300)
        assert other.times == [1000]
        assert limited.times == [1000, 1027]
        assert (running.awaited, len(self.reported)) == (0, 2)

    def test_one_that_is_refused_is_left_alone(self):
        refused = Stub(RefusedError(403, "revoked", "Stop."))
        self.present(refused, Stub()).run(3600)
        assert refused.times == [1000]
        assert [refusal.code for refusal in self.refusals] == ["revoked"]

    def test_a_server_that_does_not_answer_is_asked_again(self):
        client = Stub(ConnectionRefusedError())
        self.present(client).run_once(300)
        assert client.times == [1000, 1010]

    def test_it_gives_up_waiting_for_first_reports(self):
        running = self.present(Stub(*[ConnectionRefusedError() for _ in range(100)]))
        running.run_once(300)
        assert running.awaited == 1

    def test_each_reports_every_few_minutes_and_not_more_than_the_limit_allows(self):
        client = Stub()
        self.present(client, Stub()).run(3600)
        pauses = [late - early for early, late in itertools.pairwise(client.times)]
        assert 10 < len(client.times) < 25
        assert min(pauses) > 60

    def test_one_that_is_down_does_not_report_until_it_is_up(self):
        client = Stub(up=False)
        running = self.present(client)
        running.run(120)
        client.up = True
        running.run(120)
        assert client.times
        assert min(client.times) >= 1120


@pytest.fixture
def server(live_server, no_limits):
    return live_server.url


def run(url, **options):
    out = io.StringIO()
    call_command("demo", **{"url": url, "instances": 14, "days": 12, "once": True, "stdout": out, **options})
    return out.getvalue()


class TestCommand:
    def test_it_says_what_it_does_files_the_past_and_reports(self, server):
        output = run(server)
        now = datetime.now(UTC)
        assert "14 invented installations of Kilnrun, Lumenroll, Quillhaven; 0 are here already." in output
        assert f"report to {server}, over HTTP and signed." in output
        assert Application.objects.count() == 3
        assert Counter(Instance.objects.values_list("state", flat=True)) == {"active": 12, "pending": 1, "revoked": 1}
        assert PublicKey.objects.count() == 14
        assert Snapshot.objects.filter(timestamp__lt=now - timedelta(days=7)).exists()

        story = Story(1, Application.objects.earliest("created_at").created_at, 12)
        for installation in story.fleet(14):
            instance = Instance.objects.get(pk=installation.id)
            latest = instance.snapshots.order_by("timestamp").last()
            assert instance.current_key.hex == installation.public_key
            if installation.fate is Fate.PENDING:
                assert (latest, instance.last_report_at, instance.activated_at) == (None, None, None)
                continue
            assert instance.last_report_at == latest.timestamp
            assert instance.first_report_at == instance.snapshots.order_by("timestamp").first().timestamp
            assert instance.registered_at <= instance.activated_at <= instance.last_seen_at
            assert instance.metrics == scalars(latest.metrics)
            assert instance.app_version == latest.app_version == installation.version(latest.timestamp)
            assert (now - latest.timestamp < timedelta(minutes=1)) == installation.is_up(now)

    def test_a_newcomer_registers_over_http(self, server):
        started = datetime.now(UTC)
        run(server)
        newcomer = Instance.objects.get(registered_at__gte=started)
        assert newcomer.pk == Story(1, started, 12).fleet(2)[1].id
        assert newcomer.snapshots.count() == 1

    def test_a_second_start_goes_on_with_the_same_fleet(self, server):
        run(server)
        identities = set(PublicKey.objects.values_list("instance", "hex"))
        before = Snapshot.objects.count()
        first = dict(Instance.objects.annotate(count=Count("snapshots")).values_list("pk", "count"))
        with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=True):
            output = run(server)
        assert "14 are here already." in output
        assert set(PublicKey.objects.values_list("instance", "hex")) == identities
        assert Application.objects.count() == 3
        steady = Story(1, datetime.now(UTC), 12).fleet(1)[0]
        # One each hour of the two days that passed, and one over HTTP.
        assert Instance.objects.get(pk=steady.id).snapshots.count() - first[steady.id] in (48, 49, 50)
        up = Instance.objects.filter(last_report_at__gte=datetime.now(UTC) + timedelta(days=1)).count()
        assert Snapshot.objects.count() - before <= 50 * up

    def test_it_goes_on_where_it_was_stopped(self, server, monkeypatch):
        filed = demo.file_past_of

        def stop_at_the_fifth(plan, now, counter=itertools.count()):  # noqa: B008
            if next(counter) == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            filed(plan, now)

        monkeypatch.setattr(demo, "file_past_of", stop_at_the_fifth)
        run(server)
        assert 3 <= Instance.objects.count() <= 4
        monkeypatch.undo()
        run(server)
        assert Instance.objects.count() == 14

    def test_a_revoked_one_sends_nothing_more(self, server):
        run(server)
        steady = Instance.objects.get(pk=Story(1, NOW, 12).fleet(1)[0].id)
        steady.revoke()
        count = steady.snapshots.count()
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=5), tick=True):
            run(server)
        assert steady.snapshots.count() == count
        assert Instance.objects.get(pk=steady.pk).state == Instance.State.REVOKED

    def test_it_refuses_beside_real_data(self, db):
        Application.named("Ledger")
        with pytest.raises(CommandError, match=r"holds Ledger, .* set SHM_DATA_DIR"):
            run("http://127.0.0.1:9")
        assert Instance.objects.count() == 0

    def test_it_refuses_beside_instances_that_are_not_the_demos(self, db):
        Instance.objects.create(application=Application.named("Quillhaven"))
        with pytest.raises(CommandError, match="holds 1 instances that this demo does not know"):
            run("http://127.0.0.1:9")
        assert Instance.objects.count() == 1

    def test_it_says_so_when_the_server_works_on_another_database(self, server):
        run(server)
        # As good as another database: the server knows none of the keys.
        PublicKey.objects.update(hex=SigningKey.generate().verify_key.encode().hex())
        with pytest.raises(CommandError, match=r"works on another database than this command\. Give the demo"):
            run(server)

    def test_it_says_so_when_no_server_answers_and_keeps_what_it_filed(self, db, monkeypatch):
        monkeypatch.setattr(demo, "SERVER_START_SECONDS", 0)
        with pytest.raises(CommandError, match="Start the server there, or give its address with --url"):
            run(f"http://127.0.0.1:{free_port()}", instances=3, days=2)
        assert Snapshot.objects.exists()

    def test_it_reports_until_a_signal_ends_it_quietly(self, server):
        class Output(io.StringIO):
            def write(self, text):
                if "Every installation that is up has reported" in text:
                    os.kill(os.getpid(), signal.SIGTERM)
                return super().write(text)

        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        run(server, instances=3, days=2, once=False, stdout=Output())
        assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))

    @pytest.mark.parametrize(
        ("option", "problem"),
        [("--instances=0", "from 1 to 1000"), ("--days=x", "from 1 to 730"), ("--url=localhost", "a server's address")],
    )
    def test_it_refuses_options_that_make_no_sense(self, option, problem):
        with pytest.raises(CommandError, match=problem):
            call_command("demo", option)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_exits_with_0_and_no_traceback(tmp_path, number):
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3", "SHM_DATA_DIR": str(tmp_path)}
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
    command = [*manage, "demo", f"--url=http://127.0.0.1:{free_port()}", "--instances=3", "--days=2"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "A demo: 3 invented installations" in process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors
