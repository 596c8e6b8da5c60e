"""Attacks on the real addresses, as an attacker would do them: in vain, or for no more than docs/security.md says.

That document lists the attacks, and for each the test that tries it; those that have been tried in the files of single
endpoints are not repeated here.
"""

import csv
import hashlib
import io
import ipaddress
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from nacl import bindings
from nacl.signing import SigningKey

from instances import urls as instances_urls
from instances.enrolment import EnrolmentToken, digest_of
from instances.forgetting import forget_pending
from instances.models import Application, Event, Instance, PublicKey, RateBucket, SpentBody, TurnedAway
from metrics import taking
from metrics import urls as metrics_urls
from metrics.models import Snapshot
from tests.clock import NOW
from tests.gunicorn_server import gunicorn_server, migrated_database
from tests.installation import Installation, refusal, row
from tests.test_ed25519 import ORDER, PRIME

SIGNED = {str(pattern.pattern) for pattern in [*instances_urls.urlpatterns, *metrics_urls.urlpatterns]} - {"register"}
EVIL = "evil.example"

pytestmark = pytest.mark.django_db


@pytest.fixture
def victim(clock, no_limits):
    """Registered, activated and with a report."""
    victim = Installation(environment="production")
    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    assert victim.snapshot({"users": 1}, NOW - timedelta(hours=1)).status_code == 202
    return victim


@pytest.fixture
def mallory(victim):
    """Hostile, with a key of her own, and registered like any other."""
    mallory = Installation()
    assert mallory.register().status_code == 201
    assert mallory.activate().status_code == 200
    return mallory


def all_of(installation):
    """All that is stored of one instance, and all that its history says."""
    return [
        *Instance.objects.filter(pk=installation.id).values(),
        *PublicKey.objects.filter(instance=installation.id).order_by("pk").values(),
        *Snapshot.objects.filter(instance=installation.id).order_by("timestamp").values(),
        *Event.objects.filter(instance=installation.id).order_by("pk").values(),
    ]


def body_for(installation, endpoint, at=NOW):
    """What an instance sends to an endpoint, unsigned."""
    report = {"timestamp": at.isoformat(), "metrics": {"users": 666}}
    bodies = {
        "activate": {"action": "activate"},
        "snapshot": {"instance_id": installation.id, **report},
        "snapshots": {"instance_id": installation.id, "snapshots": [report]},
    }
    if endpoint in bodies:
        return json.dumps(bodies[endpoint]).encode()
    body = {"instance_id": installation.id, "timestamp": at.isoformat(), "action": endpoint}
    if endpoint == "rotate":
        key = SigningKey.generate()
        public_key = key.verify_key.encode().hex()
        message = f"shm-rotate:{installation.id}:{body['timestamp']}:{public_key}".encode()
        body |= {"public_key": public_key, "proof": key.sign(message).signature.hex()}
    return json.dumps(body).encode()


def sent_by(installation, endpoint, at=NOW):
    """The body and headers of a request that was seen on its way."""
    body = body_for(installation, endpoint, at)
    return body, {"X-Instance-ID": installation.id, "X-Signature": installation.sign(body)}


def send(path, body, headers=None, **extra):
    return Client().post(path, body, content_type="application/json", headers=headers or {}, **extra)


# A hostile instance with a key of its own


@pytest.mark.parametrize("endpoint", sorted(SIGNED - {"activate"}))
@pytest.mark.parametrize("header", ["own", "victim's", "none", "both", "own twice"])
def test_writing_into_anothers_history(victim, mallory, endpoint, header):
    before = all_of(victim)
    named = {
        "own": mallory.id,
        "victim's": victim.id,
        "none": None,
        "both": f"{mallory.id},{victim.id}",
        "own twice": f"{mallory.id}, {mallory.id}",
    }[header]

    response = mallory.post(f"/v1/{endpoint}", body_for(victim, endpoint), X_Instance_ID=named)

    assert response.status_code == 403
    assert response.json()["code"] == ("instance_mismatch" if header == "own" else "invalid_signature")
    assert all_of(victim) == before


def test_anothers_key_under_an_id_of_ones_own_files_nothing(victim):
    # Whoever has seen a registration knows the key, and registering asks for no proof of holding it.
    squatter = Installation()
    assert squatter.register(public_key=victim.public_key).status_code == 201
    before = all_of(victim)

    for endpoint in sorted(SIGNED - {"activate"}):
        body, headers = sent_by(victim, endpoint)
        response = send(f"/v1/{endpoint}", body, {**headers, "X-Instance-ID": squatter.id})
        assert refusal(response) == (403, "instance_mismatch"), endpoint

    assert all_of(victim) == before
    assert not Snapshot.objects.filter(instance=squatter.id).exists()


@pytest.mark.parametrize("name", ["ledger", "LEDGER", " Ledger ", "Ledger!", "Lédger", "<Ledger>"])
def test_a_name_that_looks_alike_renames_no_application(victim, name):
    Installation(name).register()

    assert [(application.slug, application.name) for application in Application.objects.all()] == [("ledger", "Ledger")]


def changed_signatures(key, body):
    """Signatures that a lax verifier takes: the same with a number that is not reduced, and ones without a secret R."""
    good = key.sign(body).signature
    number = int.from_bytes(good[32:], "little")
    yield (good[:32] + (number + ORDER).to_bytes(32, "little")).hex()
    # With R the identity, S = hash * secret holds in the equation; PRIME + 1 is another way to write its y of 1.
    digest = bytearray(hashlib.sha512(bytes(key)).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    secret = int.from_bytes(digest, "little")
    for y in (1, PRIME + 1):
        commitment = y.to_bytes(32, "little")
        hashed = hashlib.sha512(commitment + key.verify_key.encode() + body).digest()
        product = int.from_bytes(hashed, "little") * secret % ORDER
        left = bindings.crypto_scalarmult_ed25519_base_noclamp(product.to_bytes(32, "little"))
        right = bindings.crypto_scalarmult_ed25519_noclamp(
            bindings.crypto_core_ed25519_scalar_reduce(hashed), key.verify_key.encode()
        )
        assert left == right  # A verifier that did no more than the equation would be satisfied.
        yield (commitment + product.to_bytes(32, "little")).hex()


def test_a_signature_changed_into_another_valid_looking_one(victim):
    body = body_for(victim, "forget")

    for signature in changed_signatures(victim.key, body):
        assert refusal(victim.post("/v1/forget", body, X_Signature=signature)) == (403, "invalid_signature")
    assert victim.post("/v1/export", body_for(victim, "export")).status_code == 200
    assert Instance.objects.filter(pk=victim.id).exists()


def test_one_that_waits_for_approval_gets_round_it_in_no_way(victim, maintainer):
    Application.objects.update(registration="approval")
    Application.objects.create(name="Open House", slug="open-house")
    sneak = Installation("Ledger")

    def tries_everything():
        assert sneak.register(enrolment_token="shm-enrol-" + "A" * 43).status_code == 201
        assert sneak.activate().json()["status"] == "pending"
        assert sneak.snapshot({"users": 10_000}).status_code == 202
        batch = {"instance_id": sneak.id, "snapshots": [{"timestamp": NOW.isoformat(), "metrics": {"users": 10_000}}]}
        assert sneak.post("/v1/snapshots", batch).status_code == 202
        new = SigningKey.generate()
        assert sneak.rotate(new, extra=str(new)).status_code == 200
        sneak.key = new
        for name in ("Open House", "Ledger"):
            assert sneak.register(app_name=name).status_code == 201
            assert sneak.activate().status_code == 200
            assert sneak.snapshot({"users": 10_000}).status_code == 202

    tries_everything()
    assert sneak.forget().status_code == 200
    tries_everything()

    assert (row(sneak).state, row(sneak).application.slug) == ("pending", "ledger")
    present = taking.present(Application.objects.get(slug="ledger"), NOW)
    assert (present.active, present.figures["users"]["sum"]) == (1, 1)


FORMULAS = ["=HYPERLINK(1)", "@SUM(1)", "+1+cmd|'/C calc'!A0", "-1+1", "\t=1", "\r=1", "＝1"]


@pytest.mark.parametrize("file", ["instances.csv", "history.csv"])
def test_formulas_in_what_instances_say_run_in_no_spreadsheet(client, superuser, victim, file):
    for formula in FORMULAS:
        sender = Installation("Ledger", formula, environment=formula, deployment_mode=formula, os_arch=formula)
        sender.register()
        sender.activate()
        sender.snapshot({formula: 1, "text": formula})
        sender.register(app_version="1.0.0")
        sender.activate()
    client.force_login(superuser)

    text = b"".join(client.get(f"/applications/ledger/{file}").streaming_content).decode()

    cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))]


# Whoever has seen signed requests on their way, and holds no key


def expected_elsewhere(made_for, endpoint):
    """How a body signed for one endpoint is answered by another."""
    if endpoint == "activate":
        return 200, None
    if made_for == "activate":
        return (400, "invalid_snapshot") if endpoint.startswith("snapshot") else (400, "invalid_body")
    if endpoint == "snapshots":
        return 400, "invalid_snapshots"
    if endpoint == "snapshot":
        return 400, "invalid_timestamp" if made_for == "snapshots" else "invalid_metrics"
    return 400, "invalid_action"


@pytest.mark.parametrize("made_for", sorted(SIGNED))
def test_a_body_sent_to_another_endpoint_than_it_was_signed_for(victim, made_for):
    body, headers = sent_by(victim, made_for)
    # A stranger's words, which an activation would confirm.
    victim.register(app_version="6.6.6", environment="hijacked")
    before = all_of(victim)

    for endpoint in sorted(SIGNED - {made_for}):
        response = send(f"/v1/{endpoint}", body, headers)
        status, code = expected_elsewhere(made_for, endpoint)
        assert (response.status_code, response.json().get("code")) == (status, code), endpoint
        assert all_of(victim) == before, endpoint
    assert not SpentBody.objects.exists()


@pytest.mark.parametrize("action", [" forget", "forget ", "Forget", "forget\n", "ｆorget", "forget/", ["forget"], True])
def test_an_action_spelt_otherwise_is_another(victim, action):
    body = {"instance_id": victim.id, "timestamp": NOW.isoformat(), "action": action}

    assert refusal(victim.post("/v1/forget", body)) == (400, "invalid_action")
    assert Instance.objects.filter(pk=victim.id).exists()


@pytest.mark.parametrize(
    "path", ["/v1/Forget", "/V1/forget", "/v1/forget/", "/v1/forget%20", "/v1/./forget", "/v1/forget;a"]
)
def test_an_address_spelt_otherwise_is_none(victim, path):
    body, headers = sent_by(victim, "forget")

    assert send(path, body, headers).status_code == 404
    assert Instance.objects.filter(pk=victim.id).exists()


@pytest.mark.parametrize(
    ("later", "answer"),
    [
        (timedelta(minutes=1), (202, "duplicate")),
        (timedelta(days=6), (202, "duplicate")),
        (timedelta(days=8), (400, "timestamp_out_of_range")),
        (timedelta(days=3653), (400, "timestamp_out_of_range")),
    ],
)
def test_a_snapshot_sent_again_later(victim, clock, later, answer):
    body, headers = sent_by(victim, "snapshot", NOW - timedelta(minutes=5))
    assert send("/v1/snapshot", body, headers).status_code == 202
    heartbeat = row(victim).last_seen_at
    clock.shift(later)
    if later.days > 7:
        Snapshot.objects.all().delete()  # As retention may have done by then.
    stored = Snapshot.objects.count()

    response = send("/v1/snapshot", body, headers)

    said = response.json()
    assert (response.status_code, said.get("code", said.get("status"))) == answer
    assert (row(victim).last_seen_at, Snapshot.objects.count()) == (heartbeat, stored)
    # That it may be the instance itself, with a wrong clock, is all that is noted.
    assert (row(victim).wrong_clock_at is not None) == (response.status_code == 400)


def test_a_snapshot_sent_again_uses_up_the_limit_for_as_long_as_it_goes_on(victim, settings, clock):
    body, headers = sent_by(victim, "snapshot")
    assert send("/v1/snapshot", body, headers).status_code == 202
    settings.RATELIMIT_ENABLED = True

    answers = [send("/v1/snapshot", body, headers).status_code for _ in range(5)]

    # It is held up for as long as somebody goes on with it, and loses nothing: what is refused can be sent later.
    assert answers == [202, 202, 429, 429, 429]
    assert victim.snapshot({"users": 2}).status_code == 429
    clock.shift(timedelta(minutes=1))
    assert victim.snapshot({"users": 2}).status_code == 202


def test_an_activation_sent_again_confirms_a_strangers_words_and_nothing_else(victim, clock):
    # Nothing in an activation tells when it was signed: that none is sent again is not promised.
    Application.objects.create(name="Closed Shop", slug="closed-shop", registration="closed")
    body, headers = sent_by(victim, "activate")
    clock.shift(timedelta(days=3653))
    keys, snapshots = ([*model.objects.order_by("pk").values()] for model in (PublicKey, Snapshot))
    heartbeat = row(victim).last_seen_at

    victim.register(app_name="Closed Shop", app_version="6.6.6", environment="hijacked")  # As anybody can.
    assert send("/v1/activate", body, headers).status_code == 200

    instance = row(victim)
    assert (instance.app_version, instance.environment) == ("6.6.6", "hijacked")
    assert Event.objects.filter(instance=victim.id, kind="changed").count() == 2  # Its maintainers can see it.
    assert (instance.application.slug, instance.refused_by) == ("ledger", "Closed Shop")
    assert instance.last_seen_at == heartbeat
    assert [[*model.objects.order_by("pk").values()] for model in (PublicKey, Snapshot)] == [keys, snapshots]

    # Until the instance starts the next time, when it says what is true.
    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    instance = row(victim)
    assert (instance.app_version, instance.environment, instance.refused_by) == ("1.0.0", "production", "")


def test_an_activation_sent_again_lifts_no_revocation(victim):
    body, headers = sent_by(victim, "activate")
    row(victim).revoke()
    before = all_of(victim)

    assert refusal(send("/v1/activate", body, headers)) == (403, "revoked")
    assert all_of(victim) == before


def test_what_a_stranger_claims_before_a_start_is_gone_with_it(victim):
    victim.register(app_name="Elsewhere", app_version="6.6.6", environment="hijacked")  # As anybody can.
    assert not Application.objects.filter(slug="elsewhere").exists()

    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200

    instance = row(victim)
    assert (instance.application.slug, instance.app_version, instance.environment) == ("ledger", "1.0.0", "production")
    assert instance.claims is None


def test_what_a_stranger_claims_between_its_registration_and_its_activation_holds_until_the_next_start(victim):
    # The registration is unsigned and the activation says nothing, so which words were its own is not promised.
    assert victim.register().status_code == 201
    victim.register(app_version="6.6.6")  # By somebody who knows its id and its key.
    assert victim.activate().status_code == 200
    assert row(victim).app_version == "6.6.6"

    assert victim.register().status_code == 201
    assert victim.activate().status_code == 200
    assert row(victim).app_version == "1.0.0"


def test_one_that_was_erased_comes_back_with_requests_of_the_last_week_at_most(victim, clock):
    # Its id may register anew, so whoever has its old requests can do that for it. Not promised: that nobody does.
    seen = [sent_by(victim, "snapshot", NOW - timedelta(days=days)) for days in (0, 3, 6)]
    activation, forget = sent_by(victim, "activate"), sent_by(victim, "forget")
    assert send("/v1/forget", *forget).status_code == 200
    clock.shift(timedelta(days=2))

    assert victim.register().status_code == 201
    assert send("/v1/activate", *activation).status_code == 200
    assert [send("/v1/snapshot", *request).status_code for request in seen] == [202, 202, 400]

    assert refusal(send("/v1/forget", *forget)) == (400, "timestamp_out_of_range")
    assert victim.forget().status_code == 200
    assert not Snapshot.objects.exists()


def test_the_holder_of_a_replaced_key_is_a_stranger(victim):
    thief = Installation()
    thief.id, thief.key = victim.id, victim.key
    seen = {endpoint: sent_by(thief, endpoint, NOW) for endpoint in SIGNED}
    new = SigningKey.generate()
    assert victim.rotate(new).status_code == 200
    victim.key = new
    before = all_of(victim)

    for endpoint, (body, headers) in seen.items():
        assert refusal(send(f"/v1/{endpoint}", body, headers)) == (403, "invalid_signature"), endpoint
    assert refusal(thief.rotate(SigningKey.generate())) == (403, "invalid_signature")
    assert refusal(thief.register(app_version="6.6.6")) == (409, "key_conflict")

    after = all_of(victim)
    assert [line for line in after if line.get("kind") != "conflict"] == before
    assert victim.snapshot({"users": 2}).status_code == 202


# Who has stolen the database


def test_a_stolen_database_signs_for_nobody_and_lets_nobody_in(client, superuser, victim):
    ledger = Application.objects.get()
    secret = EnrolmentToken(application=ledger, name="Bank").renew()
    EnrolmentToken.objects.create(application=ledger, name="Bank", digest=digest_of(secret))
    ledger.registration = "token"
    ledger.save()
    row(victim).revoke()
    assert victim.forget().status_code == 200

    # What it holds instead of secrets is of no use in their places.
    digest = EnrolmentToken.objects.get().digest
    assert refusal(Installation().register(enrolment_token=digest)) == (403, "enrolment_required")
    client.post("/admin/login/", {"username": "superuser", "password": superuser.password})
    assert client.get("/").status_code == 302
    # Nor does it tell, without the secret key, which ids are turned away.
    turned_away = TurnedAway.objects.get().digest
    for text in (victim.id, victim.id.replace("-", ""), victim.id.upper()):
        assert turned_away != hashlib.sha256(text.encode()).hexdigest()
    assert Installation().register(enrolment_token=secret).status_code == 201


# A stranger


def test_forged_signatures_lock_nobody_out(clock):
    victim, stranger = Installation(), Installation()
    victim.register()

    for endpoint in sorted(SIGNED):
        for _ in range(10):
            answer = stranger.post(f"/v1/{endpoint}", body_for(victim, endpoint), X_Instance_ID=victim.id)
            assert answer.status_code == 403, endpoint

    assert victim.activate().status_code == 200
    assert victim.snapshot({"users": 1}).status_code == 202
    assert victim.export().status_code == 200
    # What is counted is the victim's own: two at its address, one snapshot, one action.
    assert RateBucket.objects.count() == 3


def test_guessing_enrolment_tokens_is_slowed_down_and_teaches_nothing(clock):
    Application.objects.create(name="Ledger", slug="ledger", registration="token")

    answers = [Installation("Ledger").register(enrolment_token=f"shm-enrol-{number:043}") for number in range(61)]

    assert {refusal(answer) for answer in answers[:60]} == {(403, "enrolment_required")}
    assert len({answer.content for answer in answers[:60]}) == 1
    assert refusal(answers[60]) == (429, "rate_limited")
    assert not Instance.objects.exists()


def bombs():
    few = 64 * 1024 - 200  # What fits into a body beside the rest of a snapshot.
    deep = few // 2
    yield "lists in lists", b"[" * deep + b"]" * deep, "too_deep"
    yield "objects in objects", b'{"a":' * (few // 6) + b"1" + b"}" * (few // 6), "too_deep"
    yield "lists that never end", b"[" * few, "too_deep"
    yield "an integer of 65,000 digits", b'{"n":' + b"9" * (few - 10) + b"}", "invalid_number"
    yield "a negative one", b'{"n":-' + b"9" * (few - 10) + b"}", "invalid_number"
    yield "an endless fraction", b'{"n":0.' + b"1" * (few - 10) + b"}", None
    yield "a large exponent", b'{"n":1e999999999}', "invalid_number"
    yield "a small exponent", b'{"n":1e-999999999}', None
    yield "a key twice", b'{"a":1,"a":2}', "duplicate_key"
    yield "a key twice, written in two ways", b'{"a":1,"\\u0061":2}', "duplicate_key"
    yield "two keys that become one", b'{"\\ud800":1,"\\udfff":2}', "duplicate_key"
    yield "thousands of keys", b"{%s}" % b",".join(b'"%x":1' % number for number in range(6500)), None
    yield "thousands of objects", b'{"a":[%s]}' % b",".join([b"{}"] * 20_000), None
    yield "keys of JavaScript", b'{"__proto__":{"toString":1},"constructor":{"prototype":1}}', None
    yield "keys of markup", b'{"<script>alert(1)</script>":1,"{{ 7|add:7 }}":"<img src=x onerror=alert(1)>"}', None
    yield "keys that turn text round", '{"\u202eabc":1,"\u2066x\u2069":"\u202egnp.exe"}'.encode(), None
    yield "thousands of lone surrogates", b'{"a":"%s"}' % (b"\\ud800" * 10_000), None
    yield "nothing but escapes", b'{"a":"%s"}' % (b"\\\\" * 30_000), None
    yield "what takes longest to search for personal data", b'{"k":[%s]}' % b",".join([b'"a@b1.c1"'] * 6000), None


@pytest.mark.parametrize(("metrics", "code"), [bomb[1:] for bomb in bombs()], ids=[bomb[0] for bomb in bombs()])
def test_json_made_to_break_the_server(client, superuser, victim, mallory, metrics, code):
    body = b'{"instance_id":"%s","timestamp":"%s","metrics":%s}' % (
        mallory.id.encode(),
        NOW.isoformat().encode(),
        metrics,
    )
    assert len(body) <= 64 * 1024
    honest = Installation()
    honest.register()
    honest.snapshot({"users": 2})

    response = mallory.post("/v1/snapshot", body)

    assert (response.status_code, response.json().get("code")) == ((400, code) if code else (202, None))
    client.force_login(superuser)
    pages = ["/", "/applications/ledger/", f"/instances/{mallory.id}/", "/badge/ledger/combined?metric=users"]
    for path in pages:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert b"<script>alert" not in answer.content
        assert b"<img src=x" not in answer.content
    assert b"".join(client.get("/applications/ledger/instances.csv").streaming_content)
    json.loads(b"".join(mallory.export().streaming_content))
    assert taking.present(Application.objects.get(), timezone.now()).figures["users"]["sum"] == 3


def test_what_strangers_can_leave_behind_is_bounded_and_forgotten(clock, settings):
    settings.MAX_UNCONFIRMED_APPLICATIONS = 5

    answers = [Installation(f"Invented {number}").register() for number in range(100)]

    codes = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert codes == [(201, None)] * 5 + [(403, "too_many_applications")] * 55 + [(429, "rate_limited")] * 40
    clock.shift(settings.KEEP_PENDING + timedelta(hours=1))
    forget_pending(timezone.now())
    assert not Instance.objects.exists()
    assert not Application.objects.exists()


# Through a browser


def test_a_poisoned_host_is_in_no_page_and_leads_nowhere(client, superuser, settings):
    settings.ALLOWED_HOSTS = ["shm.example.org"]
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
    client.force_login(superuser)
    good = {"host": "shm.example.org"}
    poisons = [
        {"host": EVIL},
        {"host": f"shm.example.org@{EVIL}"},
        {"host": f"{EVIL}#shm.example.org"},
        {"host": "a b"},
    ]

    for headers in poisons:
        for path in ("/", "/admin/login/", "/v1/nothing", "/nothing", "/badge/ledger/instances"):
            answer = client.get(path, headers=headers)
            # Badges and the like know nothing of hosts; what they answer does not hold one.
            assert answer.status_code in (400, 404) or path.startswith("/badge/"), path
            assert EVIL.encode() not in answer.content
    for name in ("X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Server"):
        answer = client.get("/", headers={**good, name: EVIL})
        assert answer.status_code == 200
        assert b"shm.example.org" in answer.content  # The commands for a first snapshot name the server.
        assert EVIL.encode() not in answer.content
    assert Client().get("/", headers=good)["Location"] == "/admin/login/?next=/"


AWAY = [
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"///{EVIL}/",
    f"/\\{EVIL}/",
    f"\\\\{EVIL}/",
    f"http:///{EVIL}/",
    f"http:{EVIL}",
    f" //{EVIL}/",
    f"\t//{EVIL}/",
    f"/\t/{EVIL}/",
    f"https://testserver@{EVIL}/",
    f"https://testserver.{EVIL}/",
    "javascript:alert(1)",
    f"/\r\nLocation: https://{EVIL}/",
]


@pytest.mark.parametrize("away", AWAY)
def test_no_redirect_leads_away(client, superuser, away):
    word = {"username": "superuser", "password": "correct horse battery", "next": away}

    answers = [
        client.post("/admin/login/", word, query_params={"next": away}),
        client.get("/admin/login/", {"next": away}),
        client.post("/admin/logout/", {"next": away}, query_params={"next": away}),
        client.get("/admin/login/code/", {"next": away}),
        client.get(f"/{away}"),
        client.get(f"/admin/{away}"),
    ]

    for answer in answers:
        location = answer.get("Location", "/")
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
        assert not {"\r", "\n", "\t"} & set(location)
    assert answers[0].status_code == 302


def test_a_session_that_somebody_else_chose_is_not_taken_over(client, superuser):
    client.cookies["sessionid"] = chosen = "a" * 32

    client.post("/admin/login/", {"username": "superuser", "password": "correct horse battery"})

    assert client.get("/").status_code == 200
    assert client.cookies["sessionid"].value != chosen
    thief = Client()
    thief.cookies["sessionid"] = chosen
    assert thief.get("/").status_code == 302


BREAKS = "x\r\nSet-Cookie: sessionid=chosen\r\n\r\n<b>"


def test_line_breaks_get_into_no_header(client, superuser, victim):
    installation = Installation(f"Ledger {BREAKS}", BREAKS, environment=BREAKS)
    installation.register()
    installation.activate()
    installation.snapshot({BREAKS: 1})
    slug = row(installation).application.slug
    client.force_login(superuser)

    answers = [
        installation.activate(X_Instance_ID=BREAKS),
        client.get(f"/applications/{slug}/instances.csv", {"q": BREAKS, "sort": BREAKS}),
        client.get(f"/applications/{slug}/history.csv", {"kind": BREAKS}),
        client.get(f"/badge/{slug}/instances", {"label": BREAKS, "color": BREAKS}),
        client.get("/badge/" + slug + "/metric/" + "x%0d%0aSet-Cookie:%20a=b"),
        Client().get("/", {"next": BREAKS}),
        client.get("/v1/x%0d%0aSet-Cookie:%20a=b"),
    ]

    for answer in answers:
        assert "chosen" not in str(answer.cookies)
        for name, value in answer.headers.items():
            assert not {"\r", "\n"} & set(f"{name}{value}")


# Past the proxy, with the real server


@pytest.mark.server
def test_headers_that_only_a_proxy_may_send():
    limits = {"SHM_RATELIMIT_REGISTER_REQUESTS": "1", "SHM_RATELIMIT_REGISTER_BURST": "3"}
    with (
        migrated_database() as database,
        gunicorn_server(database, SHM_TRUSTED_PROXIES="127.0.0.1", **limits) as server,
    ):

        def register(**headers):
            sent = {"X-Forwarded-For": "198.51.100.9", "Content-Length": "2", **headers}
            return server.send("POST", "/v1/register", b"{}", sent).status

        # A proxy passes on what it does not know, so a client may try to write beside what the proxy writes.
        assert [register(X_Forwarded_For=f"203.0.113.{number}") for number in range(4)] == [400, 400, 400, 429]
        assert register(**{"X_FORWARDED-FOR": "203.0.113.7", "Remote_Addr": "203.0.113.8"}) == 429
        assert register(**{"X-Forwarded-For": "203.0.113.9, 198.51.100.9"}) == 429
        assert register(**{"X-Forwarded-For": "198.51.100.10"}) == 400
        # Nor does it move what the server believes its address is.
        for name in ("SCRIPT_NAME", "Script-Name", "PATH_INFO", "X-Script-Name"):
            answer = server.send("GET", "/", headers={name: f"//{EVIL}"})
            assert (answer.status, answer.headers["Location"]) == (302, "/admin/login/?next=/"), name
