"""The API's description is true: its addresses, its error codes, and each request and answer that it shows."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
import yaml
from django.db import OperationalError
from django.test import Client
from jsonschema import Draft202012Validator
from nacl.signing import SigningKey
from openapi_spec_validator import validate

from instances.models import Instance, Job, PublicKey
from tests.installation import Installation
from tests.test_docs import API, ROOT
from tests.test_teams import routes

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
# What the examples are of: the key and, for a rotation, the new one of RFC 8032, section 7.1, tests 1 and 2.
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEY = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
NEW_KEY = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))


def resolved(part: Any) -> Any:
    """What a reference leads to, or the part itself."""
    while isinstance(part, dict) and "$ref" in part:
        found: Any = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


OPERATIONS = {path: operation for path, _, operation in operations()}


def codes(schema: Any) -> set[str]:
    """The codes that a refusal's schema allows."""
    schema = resolved(schema)
    if not isinstance(schema, dict):
        return set()
    own = set(resolved(schema.get("properties", {}).get("code", {})).get("enum", []))
    return own.union(*(codes(part) for part in [*schema.get("allOf", []), *schema.get("anyOf", [])]))


def refusals_of(path: str) -> Iterator[tuple[int, str]]:
    for status, response in OPERATIONS[path]["responses"].items():
        content = resolved(response).get("content", {}).get("application/json", {})
        for code in sorted(codes(content.get("schema", {}))):
            yield int(status), code


def as_schema(schema: Any) -> dict[str, Any]:
    """By itself, with what its references lead to."""
    return {**schema, "components": DOCUMENT["components"]}


def assert_matches(instance: Any, schema: Any) -> None:
    Draft202012Validator(as_schema(schema), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(instance)


def assert_documented(path: str, response: Any) -> None:
    """The status is one that the description has, with this type, these headers and this body."""
    documented = resolved(OPERATIONS[path]["responses"][str(response.status_code)])
    media_type = response.headers["Content-Type"].partition(";")[0]
    assert media_type in documented["content"]
    for name, header in documented.get("headers", {}).items():
        assert not resolved(header).get("required") or name in response.headers, name
    if media_type == "application/json":
        content = b"".join(response.streaming_content) if response.streaming else response.content
        assert_matches(json.loads(content), documented["content"][media_type]["schema"])


# As a whole


def test_it_is_valid_openapi():
    validate(DOCUMENT)


def test_it_is_served_as_it_is_written():
    response = Client().get("/api/openapi.yaml")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/yaml"
    assert response.content == (ROOT / "docs/openapi.yaml").read_bytes()
    assert Client().get("/", PATH_INFO="//api/openapi.yaml").status_code == 200
    assert Client().post("/api/openapi.yaml").json()["code"] == "method_not_allowed"


def test_it_has_every_address_of_the_api_and_no_other():
    api = (route.removeprefix("^/*").removesuffix("$").replace("\\", "") for route in routes())
    public = [route for route in api if route.startswith(("v1/", "api/", "readyz", "badge/"))]
    assert len(public) > 10
    assert {re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{route}") for route in public} == set(DOCUMENT["paths"])


def test_it_has_every_error_code_of_the_documentation_and_no_other():
    table = API.partition("## Errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d[\d, ]+) \| (.*?) \|", table, re.MULTILINE)
    documented = {
        (int(status), code) for left, right in rows for status in left.split(", ") for code in re.findall(r"\w+", right)
    }
    described = {refusal for path in OPERATIONS for refusal in refusals_of(path)}
    # What is no operation, and so cannot stand with one.
    for name, status in (("NotFound", 404), ("MethodNotAllowed", 405)):
        content = DOCUMENT["components"]["responses"][name]["content"]
        described |= {(status, code) for code in codes(content["application/json"]["schema"])}

    assert described == documented


def test_nothing_in_it_is_left_over():
    text = json.dumps(DOCUMENT)
    for kind, parts in DOCUMENT["components"].items():
        for name in parts:
            used = f'"#/components/{kind}/{name}"' in text or kind == "securitySchemes"
            assert used or name in ("NotFound", "MethodNotAllowed"), name


@pytest.mark.parametrize("path", OPERATIONS)
def test_what_is_signed_is_described_as_such(path):
    signed = path.startswith("/v1/") and path != "/v1/register"
    assert OPERATIONS[path].get("security", []) == ([{"signature": []}] if signed else [])
    assert ((401, "missing_credentials") in refusals_of(path)) == signed


# The examples


def body_of(example: dict[str, Any]) -> bytes:
    return json.dumps(example["value"], separators=(",", ":"), ensure_ascii=False).encode()


def request_examples(path: str) -> dict[str, dict[str, Any]]:
    body = OPERATIONS[path].get("requestBody", {"content": {"": {}}})
    [content] = body["content"].values()
    return content.get("examples", {})


def answers(path: str) -> dict[str, tuple[int, Any]]:
    """The documented answers by the names of the requests that they are to, with their statuses."""
    return {
        name: (int(status), example["value"])
        for status, response in OPERATIONS[path]["responses"].items()
        for content in resolved(response).get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    }


POSTED = [(path, name) for path in OPERATIONS for name in request_examples(path)]


@pytest.fixture
def example_instance(db) -> Installation:
    """The instance of the examples, at their time, registered as one of them says."""
    registration = request_examples("/v1/register")["registered"]["value"]
    installation = Installation(registration["app_name"])
    installation.id, installation.key, installation.description = registration["instance_id"], KEY, registration
    return installation


def test_each_endpoint_that_takes_a_body_has_examples_and_each_example_an_answer():
    for path, method, _ in operations():
        assert bool(request_examples(path)) == (method == "post")
        if method == "post":
            assert set(request_examples(path)) == set(answers(path))


@pytest.mark.parametrize(("path", "name"), POSTED)
def test_each_example_is_signed_and_answered_as_the_description_shows(example_instance, path, name):
    example = request_examples(path)[name]
    signed = {}
    with time_machine.travel(NOW, tick=False):
        if path != "/v1/register":
            assert example_instance.register().status_code == 201
            shown = re.fullmatch(r"X-Signature: ([0-9a-f]{128})", example["description"])
            assert shown
            assert shown[1] == example_instance.sign(body_of(example))
            signed = {"X-Instance-ID": example_instance.id, "X-Signature": shown[1]}
        if path == "/v1/export":
            assert example_instance.activate().status_code == 200
            report = request_examples("/v1/snapshot")["stored"]
            assert example_instance.post("/v1/snapshot", body_of(report)).status_code == 202
        response = Client().post(path, body_of(example), content_type="application/json", headers=signed)
        content = b"".join(response.streaming_content) if response.streaming else response.content

    assert (response.status_code, json.loads(content)) == answers(path)[name]


@pytest.mark.parametrize("path", [path for path in OPERATIONS if not request_examples(path) and answers(path)])
def test_each_answer_to_a_get_is_the_one_shown(db, path):
    Job.objects.create(name="close_hours")  # Due now, so that the site is ready.
    [(status, shown)] = answers(path).values()

    response = Client().get(path)

    assert (response.status_code, response.json()) == (status, shown)


@pytest.mark.parametrize(("path", "name"), POSTED)
def test_each_example_is_what_its_schema_says(path, name):
    [content] = OPERATIONS[path]["requestBody"]["content"].values()
    assert_matches(request_examples(path)[name]["value"], content["schema"])
    status, shown = answers(path)[name]
    assert_matches(shown, resolved(OPERATIONS[path]["responses"][str(status)])["content"]["application/json"]["schema"])


# The refusals: each that an endpoint's description names is one that it makes


def good(path: str, installation: Installation) -> dict[str, Any]:
    """A body that the endpoint accepts."""
    now = datetime.now(UTC).isoformat()
    new = SigningKey.generate()
    public_key = new.verify_key.encode().hex()
    proof = new.sign(f"shm-rotate:{installation.id}:{now}:{public_key}".encode()).signature.hex()
    return {
        "/v1/register": {
            "instance_id": installation.id,
            "public_key": installation.public_key,
            **installation.description,
        },
        "/v1/activate": {"action": "activate"},
        "/v1/snapshot": {"instance_id": installation.id, "timestamp": now, "metrics": {}},
        "/v1/snapshots": {"instance_id": installation.id, "snapshots": []},
        "/v1/rotate": {
            "instance_id": installation.id,
            "timestamp": now,
            "action": "rotate",
            "public_key": public_key,
            "proof": proof,
        },
    }.get(path) or {"instance_id": installation.id, "timestamp": now, "action": path.removeprefix("/v1/")}


# What is wrong with the bytes of a body, whatever it is for.
BYTES = {
    "duplicate_key": b'{"a": 1, "a": 2}',
    "invalid_json": b"{",
    "invalid_number": b'{"a": NaN}',
    "invalid_utf8": b'"\xff"',
    "nul_character": b'{"a": "\\u0000"}',
    "too_deep": b"[" * 65 + b"]" * 65,
}
# What is wrong with one field of a body that is else accepted.
CHANGES: dict[str, dict[str, Any]] = {
    "instance_mismatch": {"instance_id": "00000000-0000-4000-8000-000000000000"},
    "invalid_action": {"action": "dance"},
    "invalid_metrics": {"metrics": []},
    "invalid_proof": {"proof": "0" * 128},
    "invalid_snapshot": {"instance_id": None},
    "invalid_snapshots": {"snapshots": {}},
    "invalid_timestamp": {"timestamp": "yesterday"},
    "timestamp_out_of_range": {"timestamp": "2020-01-01T00:00:00Z"},
    "too_many_snapshots": {"snapshots": [{}] * 501},
    "invalid_instance_id": {"instance_id": "1"},
    "invalid_public_key": {"public_key": "00" * 32},
    **{f"invalid_{name}": {name: "x" * 101} for name in ("app_name", "enrolment_token", *Instance.DESCRIPTION)},
}


def provoke(path: str, code: str, installation: Installation, monkeypatch: Any, settings: Any) -> Any:
    """The answer to a request that this is wrong with."""
    body: Any = good(path, installation)
    match code:
        case _ if code in BYTES:
            return installation.post(path, BYTES[code])
        case _ if code in CHANGES:
            return installation.post(path, body | CHANGES[code])
        case "invalid_body":
            return installation.post(path, [])
        case "bad_request":
            settings.ALLOWED_HOSTS = ["elsewhere.example"]
            return installation.post(path, body)
        case "incomplete_body":
            return installation.client.generic("POST", path, b"{}", CONTENT_LENGTH="many")
        case "missing_credentials":
            return installation.post(path, body, X_Signature=None)
        case "invalid_signature":
            return installation.post(path, body, X_Signature="0" * 128)
        case "body_too_large":
            return installation.post(path, b" " * (settings.MAX_BATCH_BODY_BYTES + 1))
        case "revoked":
            Instance.objects.get().revoke()
            return installation.post(path, body)
        case "key_conflict" if path == "/v1/register":
            return installation.post(path, body | {"public_key": SigningKey.generate().verify_key.encode().hex()})
        case "key_conflict":
            return installation.rotate(installation.key)
        case "replayed":
            # As if another key had signed the first of them, or the instance had come back since.
            assert installation.post(path, body).status_code == 200
            PublicKey.objects.all().delete()
            Instance.objects.all().delete()
            assert installation.register().status_code == 201
            return installation.post(path, body)
        case "rate_limited":
            settings.RATELIMIT_ENABLED = True
            # What is wrong with a body counts as well, and changes nothing.
            tries = (installation.post(path, []) for _ in range(200))
            return next(response for response in tries if response.status_code == 429)
        case "registration_closed" | "enrolment_required":
            settings.REGISTRATION = {"registration_closed": "closed", "enrolment_required": "token"}[code]
            return Installation("Abacus").register()
        case "unknown_application":
            settings.UNKNOWN_APPLICATIONS = "refuse"
            return Installation("Abacus").register()
        case "too_many_applications":
            settings.MAX_UNCONFIRMED_APPLICATIONS = 0
            return Installation("Abacus").register()
        case "unavailable":
            monkeypatch.setattr(PublicKey.objects, "current_of", away)
            monkeypatch.setattr("instances.signers.look_up", away)
            monkeypatch.setattr("metrics.views.file", away)
            return installation.post(path, body)
        case "internal_error":
            monkeypatch.setattr("instances.views.read_body", broken)
            installation.client.raise_request_exception = False
            return installation.post(path, body)
    raise NotImplementedError(f"Say here how to get {code} from {path}.")


def away(*_: Any) -> None:
    raise OperationalError("server closed the connection")


def broken(*_: Any) -> None:
    raise ZeroDivisionError


# Answered before a request gets to the site: see the tests of the server itself.
BY_THE_SERVER = {"malformed_request", "request_timeout", "headers_too_large"}
REFUSALS = [
    (path, status, code)
    for path in OPERATIONS
    if path.startswith("/v1/")
    for status, code in refusals_of(path)
    if code not in BY_THE_SERVER
]


@pytest.mark.parametrize(("path", "status", "code"), REFUSALS)
def test_each_refusal_is_made(installation, monkeypatch, settings, path, status, code):
    settings.RATELIMIT_ENABLED = False

    response = provoke(path, code, installation, monkeypatch, settings)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert_documented(path, response)
