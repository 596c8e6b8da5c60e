"""Anything may be thrown at the signed API: it never fails, it says what is wrong, and what it took reads back."""

import io
import json
from datetime import UTC, datetime

from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from nacl.signing import SigningKey

from instances.models import Instance
from instances.wire import Malformed, parse_json
from metrics.flatten import is_number, scalars
from metrics.models import Snapshot
from tests.installation import Installation

ACTIONS = ["rotate", "export", "forget"]
ACTION_FIELDS = ["instance_id", "timestamp", "action", "public_key", "proof"]
PATHS = st.sampled_from(["/v1/register", "/v1/activate", "/v1/snapshot", *(f"/v1/{name}" for name in ACTIONS)])

# Characters of every kind, lone surrogates and NUL among them: json.dumps escapes what is not ASCII.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers() | st.integers(-(10**320), 10**320) | st.floats() | st.sampled_from([2**53 + 1, -(2**63), 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=15
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=6)

# Fragments of JSON in any order, which are nearly right more often than random bytes.
FRAGMENTS = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b":", b",", b'"', b'"a"', b"1", b"-", b"e9", b"\\u0000", b"\\ud800", b"\xff", b"NaN"]
    ),
    max_size=30,
).map(b"".join)
BYTES = st.binary(max_size=200) | FRAGMENTS | JSON.map(lambda value: json.dumps(value).encode())

# What a header can hold by the time that it gets here: latin-1 without line ends.
HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=140)

fuzz = settings(max_examples=100, deadline=None, database=None)


def pending():
    installation = Installation()
    assert installation.register().status_code == 201
    return installation


def assert_answer(response):
    """Either one of the statuses of success, or a refusal that has a sentence and a code."""
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    if response.status_code in (200, 201, 202):
        assert body["status"] in ("ok", "active", "duplicate")
        return
    assert 400 <= response.status_code < 500
    assert body["detail"].endswith(".")
    assert body["code"].isidentifier()
    assert body["code"] == body["code"].lower()


def parses(value):
    try:
        parse_json(json.dumps(value).encode())
    except Malformed:
        return False
    return True


def number(value):
    """PostgreSQL's jsonb forgets which numbers were written as floats, but not their values."""
    return float(value) if is_number(value) and abs(value) >= 2**53 else value


@override_settings(RATELIMIT_ENABLED=False)
class Fuzz(TestCase):
    @fuzz
    @given(PATHS, BYTES, st.booleans())
    def test_it_answers_any_body(self, path, body, signed):
        installation = pending()

        assert_answer(installation.post(path, body, **({} if signed else {"X_Signature": "0" * 128})))

    @fuzz
    @given(PATHS, HEADER | st.none(), HEADER | st.none(), HEADER, HEADER, HEADER)
    def test_it_answers_any_headers(self, path, instance_id, signature, content_type, accept, forwarded):
        installation = pending()
        headers = {
            "X_Instance_ID": installation.id if instance_id is None else instance_id,
            "Content_Type": content_type,
            "Accept": accept,
            "X_Forwarded_For": forwarded,
            "Content_Encoding": accept,
        }
        if signature is not None:
            headers["X_Signature"] = signature

        assert_answer(installation.post(path, {"instance_id": installation.id}, **headers))

    @fuzz
    @given(PATHS, st.text("0123456789 +-.e", max_size=30) | HEADER)
    def test_it_answers_any_content_length(self, path, length):
        installation = pending()

        # A stream that ends early like a socket's, where the test client's own would raise.
        sent = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"{}")}
        assert_answer(installation.client.generic("POST", path, b"{}", "application/json", **sent))

    @fuzz
    @given(st.sampled_from(["instance_id", "public_key", "app_name", *Instance.DESCRIPTION]), JSON)
    def test_it_answers_any_registration(self, field, value):
        installation = Installation()

        response = installation.register(**{field: value})

        assert_answer(response)
        assert Instance.objects.count() == (response.status_code == 201)

    @fuzz
    @given(st.text(max_size=100))
    def test_it_registers_any_name_that_is_one(self, name):
        installation = Installation()

        response = installation.register(app_name=name)

        assert response.status_code == (201 if name.strip() and "\0" not in name else 400)
        if response.status_code == 201:
            assert Instance.objects.get().application.name == name.strip()

    @fuzz
    @given(st.sampled_from(ACTIONS), st.dictionaries(st.sampled_from(ACTION_FIELDS), JSON, max_size=3), OBJECTS)
    def test_it_answers_any_action(self, action, changes, more):
        installation = pending()
        key = SigningKey.generate()
        at, public_key = datetime.now(UTC).isoformat(), key.verify_key.encode().hex()
        proof = key.sign(f"shm-rotate:{installation.id}:{at}:{public_key}".encode()).signature.hex()
        good = dict(zip(ACTION_FIELDS, (installation.id, at, action, public_key, proof), strict=True))

        response = installation.post(f"/v1/{action}", {**more, **good, **changes})

        if response.streaming:
            assert json.loads(b"".join(response.streaming_content))["instance_id"] == installation.id
            return
        assert_answer(response)
        assert Instance.objects.exists() == (action != "forget" or response.status_code != 200)
        if not changes and parses(more):
            assert response.status_code == 200

    @fuzz
    @given(OBJECTS)
    def test_what_it_exports_is_what_it_took(self, metrics):
        installation = pending()
        if installation.snapshot(metrics).status_code != 202:
            return

        [snapshot] = json.loads(b"".join(installation.export().streaming_content))["snapshots"]

        assert json.dumps(snapshot["metrics"]) == json.dumps(Snapshot.objects.get().metrics)

    @fuzz
    @given(OBJECTS)
    def test_what_it_took_reads_back_equal(self, metrics):
        installation = pending()
        body = json.dumps(
            {"instance_id": installation.id, "timestamp": datetime.now(UTC).isoformat(), "metrics": metrics}
        )
        try:
            expected = parse_json(body.encode())["metrics"]
        except Malformed as error:
            expected = None
            code = error.code

        response = installation.post("/v1/snapshot", body.encode())

        assert_answer(response)
        if expected is None:
            assert response.json()["code"] == code
            assert not Snapshot.objects.exists()
            return
        assert response.status_code == 202
        # As text, so that the order of keys and the kinds of numbers are compared as well.
        assert json.dumps(Snapshot.objects.get().metrics) == json.dumps(expected)
        latest = Instance.objects.get().metrics
        assert {path: number(value) for path, value in latest.items()} == {
            path: number(value) for path, value in scalars(expected).items()
        }

    @fuzz
    @given(
        st.from_regex(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", fullmatch=True)
        | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
        | JSON
    )
    def test_it_answers_any_time(self, timestamp):
        installation = pending()

        response = installation.post(
            "/v1/snapshot", {"instance_id": installation.id, "timestamp": timestamp, "metrics": {}}
        )

        assert_answer(response)
        assert Snapshot.objects.count() == (response.status_code == 202)
