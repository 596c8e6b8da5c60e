"""By a hostile instance, which is registered and has a key of its own."""

import csv
import hashlib
import io
import json

import pytest
from django.utils import timezone
from nacl import bindings
from nacl.signing import SigningKey

from instances.models import Application, Instance
from metrics import taking
from metrics.models import Snapshot
from tests.attacks.sending import SIGNED, all_of, body_for, send, sent_by
from tests.clock import NOW
from tests.installation import Installation, refusal, row
from tests.test_ed25519 import ORDER, PRIME

pytestmark = pytest.mark.django_db


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
