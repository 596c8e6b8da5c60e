"""The server against its own description, with requests that are made of that: what fits it, and what does not quite.

Everything happens in this process, by the application's WSGI interface: from the bytes of a request to those of its
answer there is no network, but all of the middleware.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from nacl.signing import SigningKey
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from instances.models import Application, Instance, Job
from instances.personal_findings import is_name
from shm_site.wsgi import application
from tests.installation import Installation
from tests.test_openapi import DOCUMENT, as_schema

# Signing is for the tests to do, or not to do.
CONFIG = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
SCHEMA = schemathesis.openapi.from_wsgi("/api/openapi.yaml", application, config=CONFIG)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
POSTS = [path for path, methods in DOCUMENT["paths"].items() if "post" in methods]
GETS = [path for path, methods in DOCUMENT["paths"].items() if "get" in methods]
# What a schema cannot say of a text or a number, and the server refuses.
BEYOND_SCHEMAS = {"nul_character", "invalid_number"}

contract = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# Where what is generated matters less.
brief = settings(contract, max_examples=25)


@contextmanager
def undone() -> Iterator[None]:
    """What is stored meanwhile is not, afterwards: each example begins with the same database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def strategy(path: str, method: str, mode: GenerationMode) -> Any:
    return SCHEMA[path][method].as_strategy(generation_mode=mode)


def validator(path: str) -> Draft202012Validator:
    """Of the bodies that the path takes."""
    return Draft202012Validator(
        as_schema(DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])
    )


BODIES = {path: st.one_of(*(strategy(path, "post", mode) for mode in GenerationMode)) for path in POSTS}
VALIDATORS = {path: validator(path) for path in POSTS}
COMPONENTS = {
    name: Draft202012Validator(DOCUMENT["components"]["schemas"][name])
    for name in ("InstanceID", "Timestamp", "PublicKey", "Signature")
}


def made_true(path: str, body: Any, installation: Installation) -> Any:
    """The body with the values in it that only the instance itself can know, where there are such of the right form."""
    if not isinstance(body, dict):
        return body
    new = installation.key if path == "/v1/register" else SigningKey.generate()
    body = dict(body)
    put(body, "instance_id", "InstanceID", installation.id)
    put(body, "public_key", "PublicKey", new.verify_key.encode().hex())
    for snapshot in [body, *listed(body.get("snapshots"))]:
        put(snapshot, "timestamp", "Timestamp", datetime.now(UTC).isoformat())
    parts = f"shm-rotate:{body.get('instance_id')}:{body.get('timestamp')}:{body.get('public_key')}"
    put(body, "proof", "Signature", new.sign(parts.encode(errors="replace")).signature.hex())
    return body


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b"" if isinstance(body, NotSet) else json.dumps(body).encode()


def listed(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def put(body: dict[str, Any], name: str, form: str, value: str) -> None:
    if COMPONENTS[form].is_valid(body.get(name)):
        body[name] = value


def trimmed(body: Any) -> Any:
    """White space around what an instance says of itself is not counted."""
    if not isinstance(body, dict):
        return body
    told = ("app_name", "enrolment_token", *Instance.DESCRIPTION)
    return {name: value.strip() if name in told and isinstance(value, str) else value for name, value in body.items()}


@contextmanager
def kept_connection() -> Iterator[None]:
    """The server closes what is left open of a transaction around a request, and the test's own is."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def call(case: Any, body: bytes | None = None, **headers: str | None) -> Any:
    """Sends the case with this body, and checks the answer. A header given as None is left out."""
    for name in headers:
        case.headers.pop(name.replace("_", "-"), None)
    given_headers = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    more = {} if body is None else {"data": body}
    with kept_connection():
        response = case.call(headers=given_headers, **more)
    case.validate_response(response, checks=CHECKS)
    return response


def registered(path: str) -> Installation:
    """An installation that may send to this path."""
    installation = Installation()
    if path != "/v1/register":
        assert installation.register().status_code == 201
    return installation


@pytest.mark.parametrize("path", POSTS)
@contract
@given(data=st.data())
def test_a_signed_body_is_accepted_if_and_only_if_the_description_allows_it(db, no_limits, path, data):
    case = data.draw(BODIES[path])
    with undone():
        installation = registered(path)
        body = made_true(path, case.body, installation)
        sent = encoded(body)

        response = call(case, sent, X_Instance_ID=installation.id, X_Signature=installation.sign(sent))

        if response.status_code >= 400 and response.json()["code"] in BEYOND_SCHEMAS:
            return
        if path == "/v1/register" and isinstance(body, dict) and not is_name(str(body.get("app_name"))):
            assert response.json()["code"].startswith("invalid_")
            return
        is_valid = not isinstance(body, (bytes, NotSet)) and VALIDATORS[path].is_valid(trimmed(body))
        assert (response.status_code < 300) == is_valid, response.json()


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/v1/register"])
@brief
@given(data=st.data())
def test_without_the_right_signature_nothing_is_accepted(db, no_limits, path, data):
    case = data.draw(BODIES[path])
    with undone():
        installation, stranger = registered(path), registered(path)
        sent = encoded(made_true(path, case.body, installation))
        signature = data.draw(st.sampled_from([None, "0" * 128, stranger.sign(sent), installation.sign(sent + b" ")]))

        response = call(case, sent, X_Instance_ID=installation.id, X_Signature=signature)

        assert response.status_code == (401 if signature is None else 403)
        assert Instance.objects.get(pk=installation.id).state == Instance.State.PENDING


@pytest.mark.parametrize("path", POSTS)
@brief
@given(data=st.data())
def test_whatever_the_headers_say_each_answer_is_as_described(db, path, data):
    """As the description has them, or not: with limits, and the signature that fits the body."""
    case = data.draw(BODIES[path])
    with undone():
        installation = registered(path)
        sent = encoded(made_true(path, case.body, installation))

        for _ in range(3):  # Of snapshots the third is one too many.
            call(case, sent, X_Signature=installation.sign(sent))


@pytest.mark.parametrize("path", GETS)
@brief
@given(data=st.data())
def test_each_get_is_answered_as_described(db, path, data):
    case = data.draw(strategy(path, "get", GenerationMode.POSITIVE))
    with undone():
        Job.objects.create(name="close_hours")  # Due now, so that the site is ready.
        installation = Installation("Ledger")
        assert installation.register().status_code == 201
        assert installation.snapshot({"users_count": 3, "db": {"size_mb": 12.5}}).status_code == 202
        if "slug" in case.path_parameters and data.draw(st.booleans()):
            case.path_parameters["slug"] = Application.objects.get().slug

        assert call(case).status_code == 200
