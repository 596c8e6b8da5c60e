"""Limits on the signed API, and whose address they are counted by. The site's default limits are on here."""

import ipaddress
import json
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory

from instances import throttling
from instances.models import Instance, RateBucket
from instances.rates import Rate
from instances.throttling import bucket_key, network_of, sweep
from metrics import screening
from metrics.models import Snapshot
from metrics.views import LARGE_BODY_BYTES
from shm_site.middleware import TrustedProxyMiddleware
from tests.installation import Installation
from tests.test_concurrency import at_once

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BURST = 60

pytestmark = pytest.mark.django_db


@pytest.fixture
def behind_proxies(settings):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def probe(client, address="192.0.2.1", **headers):
    """A registration that is refused for its body, and counted all the same."""
    response = client.post("/v1/register", "{}", content_type="application/json", REMOTE_ADDR=address, headers=headers)
    return response.status_code


def use_up(client, address="192.0.2.1", **headers):
    assert {probe(client, address, **headers) for _ in range(BURST)} == {400}
    assert probe(client, address, **headers) == 429


def assert_limited(response):
    assert response.status_code == 429
    assert response.json()["code"] == "rate_limited"
    assert response["Retry-After"] in response.json()["detail"]
    assert int(response["Retry-After"]) >= 1
    assert response["X-RateLimit-Remaining"] == "0"


# Per address


def test_a_dozen_instances_behind_one_address_can_start_at_once(clock):
    installations = [Installation() for _ in range(12)]

    for installation in installations:
        assert installation.register().status_code == 201
        assert installation.activate().status_code == 200
        assert installation.snapshot({"users": 1}).status_code == 202
    assert Instance.objects.filter(state=Instance.State.ACTIVE).count() == 12


def test_after_the_burst_the_next_has_to_wait(clock):
    answers = [Installation().register() for _ in range(BURST)]
    refused = Installation().register()

    assert {answer.status_code for answer in answers} == {201}
    assert_limited(refused)
    assert refused["Retry-After"] == "1"
    assert Instance.objects.count() == BURST


def test_the_headers_say_what_is_left(clock):
    for left in (59, 58, 57):
        response = Installation().register()
        assert response["X-RateLimit-Limit"] == "60"
        assert response["X-RateLimit-Remaining"] == str(left)
        assert response["X-RateLimit-Reset"] == str(int(NOW.timestamp()) + BURST - left)


def test_waiting_as_long_as_told_is_enough(clock, client):
    use_up(client)
    clock.shift(timedelta(seconds=1))

    assert probe(client) == 400
    assert probe(client) == 429


def test_refused_requests_do_not_prolong_the_wait(clock, client):
    use_up(client)
    assert {probe(client) for _ in range(50)} == {429}
    clock.shift(timedelta(seconds=1))

    assert probe(client) == 400


def test_a_minute_later_the_whole_burst_is_there_again(clock, client):
    use_up(client)
    clock.shift(timedelta(minutes=1))

    use_up(client)


def test_register_and_activate_are_counted_together(clock, client):
    installation = Installation()
    installation.register()
    for _ in range(BURST - 1):
        assert installation.activate().status_code == 200

    assert_limited(installation.activate())
    assert_limited(Installation().register())


def test_a_limited_activation_changes_nothing(clock, client):
    installation = Installation()
    installation.register()
    for _ in range(BURST):
        probe(client, "127.0.0.1")

    assert_limited(installation.activate())
    assert Instance.objects.get().state == Instance.State.PENDING


def test_addresses_are_counted_apart(clock, client):
    use_up(client, "192.0.2.1")

    assert probe(client, "192.0.2.2") == 400


def test_an_ipv6_network_is_one_client(clock, client):
    use_up(client, "2001:db8:1:2::1")

    assert probe(client, "2001:db8:1:2:ffff::2") == 429
    assert probe(client, "2001:db8:1:3::1") == 400


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:1::", "2001:db8::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_what_counts_as_one_client(address, network):
    assert network_of(address) == network


def test_the_healthcheck_is_never_limited(clock, client):
    use_up(client)

    response = client.get("/api/v1/healthcheck", REMOTE_ADDR="192.0.2.1")

    assert response.status_code == 200
    assert not response.has_header("X-RateLimit-Limit")


def test_limits_can_be_switched_off(client, no_limits):
    assert {probe(client) for _ in range(BURST + 5)} == {400}
    assert not RateBucket.objects.exists()


def test_a_limit_is_what_the_settings_say(clock, client, settings):
    settings.RATELIMITS = {**settings.RATELIMITS, "register": Rate(requests=1, period=timedelta(hours=1), burst=1)}

    assert probe(client) == 400
    refused = client.post("/v1/register", "{}", content_type="application/json", REMOTE_ADDR="192.0.2.1")
    assert_limited(refused)
    assert refused["Retry-After"] == "3600"


# Per instance


def test_an_instance_may_send_two_snapshots_and_then_one_a_minute(clock, installation):
    for number in range(2):
        assert installation.snapshot({}, NOW + timedelta(seconds=number)).status_code == 202
    refused = installation.snapshot({}, NOW + timedelta(seconds=2))
    assert_limited(refused)
    assert refused["Retry-After"] == "60"
    assert refused["X-RateLimit-Limit"] == "1"
    assert Snapshot.objects.count() == 2

    clock.shift(timedelta(minutes=1))
    assert installation.snapshot({}, NOW + timedelta(seconds=2)).status_code == 202
    assert_limited(installation.snapshot({}, NOW + timedelta(seconds=3)))


def test_instances_behind_one_address_are_counted_apart(clock, installation):
    other = Installation()
    other.register()
    for number in range(3):
        installation.snapshot({}, NOW + timedelta(seconds=number))

    assert other.snapshot({}).status_code == 202


def test_a_strangers_bad_signatures_use_up_nothing_of_an_instances(clock, installation):
    stranger = Installation()
    stranger.register()
    before = list(RateBucket.objects.order_by("key").values())

    for _ in range(10):
        answer = stranger.snapshot({}, instance_id=installation.id)
        assert answer.status_code in (403, 429)
        body = {"instance_id": installation.id, "timestamp": NOW.isoformat(), "metrics": {}}
        answer = stranger.post("/v1/snapshot", body, X_Instance_ID=installation.id)
        assert answer.status_code == 403
        assert not answer.has_header("X-RateLimit-Limit")

    # One bucket more, the stranger's own.
    assert RateBucket.objects.count() == len(before) + 1
    assert installation.snapshot({"users": 1}).status_code == 202
    assert installation.snapshot({"users": 1}, NOW + timedelta(seconds=1)).status_code == 202


def test_bad_signatures_use_up_nothing_of_an_addresss_activations(clock, installation):
    for _ in range(BURST):
        assert installation.activate(X_Signature="0" * 128).status_code == 403

    assert installation.activate().status_code == 200


def test_a_large_body_beyond_the_limit_is_not_searched(installation, clock, monkeypatch):
    installation.snapshot({"log": "x" * LARGE_BODY_BYTES})
    installation.snapshot({"log": "y" * LARGE_BODY_BYTES})
    searched = []
    monkeypatch.setattr(screening, "_has_personal", searched.append)

    assert_limited(installation.snapshot({"log": "z" * LARGE_BODY_BYTES}))
    assert searched == []
    clock.shift(timedelta(minutes=1))
    assert installation.snapshot({"log": "z" * LARGE_BODY_BYTES}).status_code == 202
    assert searched != []


def test_a_repeated_snapshot_is_counted_too(clock, installation):
    answers = [installation.snapshot({}, NOW).status_code for _ in range(3)]

    assert answers == [202, 202, 429]


# What is kept


def test_no_address_is_kept(clock, client, installation):
    for address in ("192.0.2.1", "2001:db8::1"):
        probe(client, address)
    installation.snapshot({})

    kept = json.dumps(list(RateBucket.objects.values()))
    assert all(re.fullmatch("[0-9a-f]{64}", bucket.key) for bucket in RateBucket.objects.all())
    assert RateBucket.objects.count() == 4
    assert not any(text in kept for text in ("192.0.2", "2001:db8", "127.0.0.1", installation.id))


def test_a_hash_is_another_one_after_a_day_and_on_another_site(settings):
    now = NOW.timestamp()
    today = bucket_key("register", "192.0.2.1", now)

    assert today == bucket_key("register", "192.0.2.1", now + 3600)
    assert today != bucket_key("register", "192.0.2.1", now + 24 * 3600)
    assert today != bucket_key("snapshot", "192.0.2.1", now)
    settings.SECRET_KEY = "another"
    assert today != bucket_key("register", "192.0.2.1", now)


def test_a_flood_from_many_networks_fills_no_more_than_a_bounded_table(clock, client, monkeypatch):
    monkeypatch.setattr(throttling, "NETWORK_DIGITS", 1)

    for number in range(100):
        probe(client, f"192.0.2.{number}")

    assert RateBucket.objects.count() <= 16


def test_two_networks_hardly_ever_share_a_limit(clock):
    request = RequestFactory()
    addresses = [f"10.{number // 250}.{number % 250}.1" for number in range(1000)]

    clients = {throttling.PerAddress().client(request.get("/", REMOTE_ADDR=address)) for address in addresses}

    # About half a pair of a thousand is to be expected.
    assert len(clients) > 990


def test_sweeping_forgets_what_says_nothing_any_more(clock, client):
    probe(client, "192.0.2.1")
    clock.shift(timedelta(seconds=30))
    use_up(client, "192.0.2.2")

    assert sweep(datetime.now(UTC).timestamp()) == 1
    assert probe(client, "192.0.2.2") == 429
    assert sweep((NOW + timedelta(minutes=2)).timestamp()) == 1
    assert not RateBucket.objects.exists()


def test_sweeping_is_done_some_at_a_time(db, monkeypatch):
    monkeypatch.setattr(throttling, "SWEEP_BATCH", 3)
    RateBucket.objects.bulk_create([RateBucket(key=str(number), arrival=number) for number in range(10)])

    assert sweep(9) == 9
    assert RateBucket.objects.get().key == "9"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_sweeping_waits_for_nobody_who_takes_from_several_at_once():
    RateBucket.objects.bulk_create([RateBucket(key=key, arrival=0) for key in "ab"])
    is_held, is_swept = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            RateBucket.objects.filter(key="a").update(arrival=100)
            is_held.set()
            return is_swept.wait(20)

    def sweep_meanwhile():
        assert is_held.wait(20)
        swept = sweep(50)
        is_swept.set()
        return swept

    assert at_once(hold, sweep_meanwhile) == [True, 1]
    assert RateBucket.objects.get().key == "a"


# Proxies


def test_a_forwarding_header_from_anybody_else_is_ignored(clock, client, behind_proxies):
    use_up(client, "192.0.2.1")

    assert probe(client, "192.0.2.1", X_Forwarded_For="198.51.100.1") == 429
    assert probe(client, "198.51.100.1") == 400


def test_without_proxies_no_header_is_believed(clock, client):
    use_up(client, "127.0.0.1")

    assert probe(client, "127.0.0.1", X_Forwarded_For="198.51.100.1") == 429


def test_clients_behind_a_proxy_are_counted_apart(clock, client, behind_proxies):
    use_up(client, "10.0.0.1", X_Forwarded_For="198.51.100.1")

    assert probe(client, "10.0.0.1", X_Forwarded_For="198.51.100.2") == 400
    assert probe(client, "10.0.0.2", X_Forwarded_For="198.51.100.1") == 429


def test_what_a_client_writes_before_its_own_address_does_not_help_it(clock, client, behind_proxies):
    use_up(client, "10.0.0.1", X_Forwarded_For="198.51.100.1")

    for forged in ("203.0.113.7", "10.9.9.9", "nonsense", "203.0.113.7, 203.0.113.8"):
        assert probe(client, "10.0.0.1", X_Forwarded_For=f"{forged}, 198.51.100.1") == 429
        assert probe(client, "10.0.0.1", X_Forwarded_For=f"{forged}, 198.51.100.1, 10.0.0.2") == 429


def forwarded(peer, **meta):
    """What the next in line sees of a request."""
    seen = []
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **meta)
    TrustedProxyMiddleware(lambda request: seen.append(request) or HttpResponse())(request)
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "header", "client_address"),
    [
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2,10.0.0.3 ", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ,", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        ("", "203.0.113.7", ""),
        ("unix:", "203.0.113.7", "unix:"),
    ],
)
def test_the_last_hop_that_is_no_proxy_is_the_client(behind_proxies, peer, header, client_address):
    request = forwarded(peer, HTTP_X_FORWARDED_FOR=header)

    assert request.META["REMOTE_ADDR"] == client_address
    assert "HTTP_X_FORWARDED_FOR" not in request.META


@pytest.mark.parametrize(
    ("peer", "scheme", "secure"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "http", False),
        ("10.0.0.1", "gopher", False),
        ("198.51.100.9", "https", False),
    ],
)
def test_the_scheme_is_a_trusted_proxys_to_say(behind_proxies, peer, scheme, secure):
    request = forwarded(peer, HTTP_X_FORWARDED_PROTO=scheme)

    assert request.is_secure() is secure
    assert "HTTP_X_FORWARDED_PROTO" not in request.META


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:50123", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]:50123", "2001:db8::7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_a_trusted_proxy_may_write_addresses_in_any_of_the_usual_ways(settings, rf, peer, forwarded, client):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    seen = []
    middleware = TrustedProxyMiddleware(lambda request: seen.append(request.META["REMOTE_ADDR"]))
    middleware(rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded))
    assert seen == [client]
