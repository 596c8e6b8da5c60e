"""POST /v1/register: unsigned, so it makes a new instance and changes nothing about one that exists."""

import io
import json

import pytest

from instances.models import Application, Instance, PublicKey
from tests.installation import Installation, assert_refused, row

pytestmark = pytest.mark.django_db

SMALL_ORDER_KEY = "00" * 32
# The encoding of y = p + 3, which is that of y = 3 not reduced.
NON_CANONICAL_KEY = "f0" + "ff" * 30 + "7f"
OFF_CURVE_KEY = "02" + "00" * 31


@pytest.fixture
def newcomer(no_limits):
    return Installation("Ledger", "1.2.3", deployment_mode="docker", environment="production", os_arch="linux/amd64")


def state_of_everything():
    return [list(model.objects.order_by("pk").values()) for model in (Application, Instance, PublicKey)]


# A new instance


def test_it_makes_a_pending_instance_its_key_and_its_application(newcomer):
    response = newcomer.register()

    assert response.status_code == 201
    assert response.json() == {"status": "ok", "message": "Registered"}
    instance = row(newcomer)
    assert instance.state == Instance.State.PENDING
    assert (instance.application.name, instance.application.slug) == ("Ledger", "ledger")
    assert instance.app_version == "1.2.3"
    assert instance.deployment_mode == "docker"
    assert instance.environment == "production"
    assert instance.os_arch == "linux/amd64"
    assert instance.metrics == {}
    assert instance.claims is None
    assert instance.activated_at is instance.last_seen_at is instance.last_report_at is None
    assert [key.hex for key in instance.keys.current()] == [newcomer.public_key]


def test_a_pending_instance_counts_nowhere(newcomer):
    newcomer.register()

    assert not Instance.objects.confirmed().exists()


@pytest.mark.parametrize("value", ["", None, ...])
def test_it_takes_descriptions_that_are_empty_null_or_left_out(newcomer, value):
    for name in Instance.DESCRIPTION:
        newcomer.description.pop(name)
        if value is not ...:
            newcomer.description[name] = value

    assert newcomer.register().status_code == 201
    assert [getattr(row(newcomer), name) for name in Instance.DESCRIPTION] == ["", "", "", ""]


def test_it_takes_upper_case_ids_and_keys(newcomer):
    response = newcomer.register(instance_id=newcomer.id.upper(), public_key=newcomer.public_key.upper())

    assert response.status_code == 201
    assert row(newcomer).current_key.hex == newcomer.public_key
    assert newcomer.activate().status_code == 200


def test_it_ignores_fields_it_does_not_know(newcomer):
    assert newcomer.register(state="active", hostname="db1.internal", claims={}).status_code == 201
    assert row(newcomer).state == Instance.State.PENDING


def test_it_takes_a_name_of_100_characters(newcomer):
    assert newcomer.register(app_name="é" * 100).status_code == 201
    assert row(newcomer).application.name == "é" * 100


def test_two_names_with_one_slug_are_one_application(newcomer):
    other = Installation("ledger!")

    assert newcomer.register().status_code == other.register().status_code == 201
    assert Application.objects.get() == row(other).application
    assert Application.objects.get().name == "Ledger"


def test_two_names_without_letters_are_two_applications(no_limits):
    for name in ("計測", "測計"):
        assert Installation(name).register().status_code == 201

    assert Application.objects.count() == 2


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", ""]
)
def test_it_reads_the_body_as_json_whatever_its_content_type(newcomer, content_type):
    body = {"instance_id": newcomer.id, "public_key": newcomer.public_key, **newcomer.description}

    response = newcomer.client.post("/v1/register", json.dumps(body), content_type=content_type)

    assert response.status_code == 201
    assert row(newcomer).app_version == "1.2.3"


def test_it_answers_json_to_a_client_that_asks_for_html(newcomer):
    newcomer.client.defaults["HTTP_ACCEPT"] = "text/html"

    assert newcomer.register().json()["status"] == "ok"
    assert_refused(newcomer.register(app_name=""), 400, "invalid_app_name")


# The same instance again


def test_the_same_again_is_registered_and_changes_nothing(newcomer):
    newcomer.register()
    before = state_of_everything()

    assert newcomer.register().status_code == 201
    assert state_of_everything() == before


def test_new_words_of_an_active_instance_wait_for_its_signature(newcomer):
    newcomer.register()
    newcomer.activate()
    before = Instance.objects.values().get()

    response = newcomer.register(app_name="Other", app_version="9.9.9", environment="staging")

    assert response.status_code == 201
    after = Instance.objects.values().get()
    assert after.pop("claims") == {
        "app_name": "Other",
        "app_version": "9.9.9",
        "deployment_mode": "docker",
        "environment": "staging",
        "os_arch": "linux/amd64",
    }
    before.pop("claims")
    assert after == before
    assert [application.slug for application in Application.objects.all()] == ["ledger"]


def test_new_words_of_a_pending_instance_wait_as_well(newcomer):
    newcomer.register()

    assert newcomer.register(app_version="9.9.9").status_code == 201
    assert row(newcomer).app_version == "1.2.3"
    assert row(newcomer).claims["app_version"] == "9.9.9"


def test_a_snapshot_does_not_confirm_what_a_stranger_said(newcomer):
    newcomer.register()
    newcomer.activate()
    newcomer.register(app_version="9.9.9")

    assert newcomer.snapshot({"users": 1}).status_code == 202
    instance = row(newcomer)
    assert instance.app_version == "1.2.3"
    assert instance.claims["app_version"] == "9.9.9"
    assert instance.snapshots.get().app_version == "1.2.3"


def test_a_first_snapshot_does_not_confirm_it_either(newcomer):
    newcomer.register()
    newcomer.register(app_version="9.9.9")

    assert newcomer.snapshot({"users": 1}).status_code == 202
    assert row(newcomer).state == Instance.State.ACTIVE
    assert row(newcomer).app_version == "1.2.3"


def test_a_signed_activation_confirms_it(newcomer):
    newcomer.register()
    newcomer.activate()
    newcomer.register(app_name="Other", app_version="1.3.0", environment="staging")

    assert newcomer.activate().status_code == 200
    instance = row(newcomer)
    assert instance.application.slug == "other"
    assert (instance.app_version, instance.environment, instance.deployment_mode) == ("1.3.0", "staging", "docker")
    assert instance.claims is None


def test_the_words_it_already_has_withdraw_other_ones(newcomer):
    newcomer.register()
    newcomer.register(app_version="9.9.9")
    newcomer.register()

    assert row(newcomer).claims is None


# Refusals


@pytest.mark.parametrize("state", Instance.State)
def test_another_key_is_a_conflict(newcomer, state):
    newcomer.register()
    Instance.objects.update(state=state)
    before = state_of_everything()

    response = newcomer.register(public_key=Installation().public_key, app_version="9.9.9")

    assert_refused(response, 409, "key_conflict")
    assert state_of_everything() == before


def test_a_revoked_instance_stays_revoked(newcomer):
    newcomer.register()
    row(newcomer).revoke()
    before = state_of_everything()

    assert_refused(newcomer.register(app_version="9.9.9"), 403, "revoked")
    assert state_of_everything() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("instance_id", "not-a-uuid"),
        ("instance_id", "6ba7b8109dad11d180b400c04fd430c8"),
        ("instance_id", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"),
        ("instance_id", ""),
        ("instance_id", None),
        ("instance_id", 7),
        ("instance_id", ["x"]),
        ("public_key", ""),
        ("public_key", None),
        ("public_key", "g" * 64),
        ("public_key", "ab" * 31),
        ("public_key", "ab" * 33),
        ("public_key", {"hex": "ab"}),
        ("public_key", SMALL_ORDER_KEY),
        ("public_key", NON_CANONICAL_KEY),
        ("public_key", OFF_CURVE_KEY),
        ("app_name", ""),
        ("app_name", "  \t"),
        ("app_name", None),
        ("app_name", "x" * 101),
        ("app_name", {}),
        ("app_name", 2048),
        ("app_version", 1.1),
        ("environment", True),
        ("app_name", True),
        ("app_version", "x" * 101),
        ("app_version", []),
        ("deployment_mode", "x" * 101),
        ("environment", {"a": 1}),
        ("os_arch", False),
    ],
)
def test_it_refuses_a_bad_field_and_names_it(newcomer, field, value):
    response = newcomer.register(**{field: value})

    assert_refused(response, 400, f"invalid_{field}")
    assert field in response.json()["detail"]
    assert state_of_everything() == [[], [], []]


@pytest.mark.parametrize("field", ["instance_id", "public_key", "app_name"])
def test_it_refuses_a_body_without_a_required_field(newcomer, field):
    body = {"instance_id": newcomer.id, "public_key": newcomer.public_key, "app_name": "Ledger"}
    body.pop(field)

    assert_refused(
        newcomer.client.post("/v1/register", json.dumps(body), content_type="application/json"), 400, f"invalid_{field}"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_instance_id"),
        (b"null", "invalid_body"),
        (b"[]", "invalid_body"),
        (b"7", "invalid_body"),
        (b'"text"', "invalid_body"),
        (b"{}", "invalid_instance_id"),
        (b"app_name=Ledger", "invalid_json"),
        (b'{"a":"\xff"}', "invalid_utf8"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"app_name":"a\\u0000b"}', "nul_character"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b'{"a":NaN}', "invalid_number"),
    ],
)
def test_it_refuses_a_bad_body(newcomer, body, code):
    response = newcomer.client.post("/v1/register", body, content_type="application/json")

    assert_refused(response, 400, code)
    assert state_of_everything() == [[], [], []]


def test_it_refuses_a_body_over_the_limit_before_reading_it(newcomer, settings):
    size = settings.MAX_BODY_BYTES + 1
    body = io.BytesIO(b" " * size)
    sent = {"CONTENT_LENGTH": str(size), "wsgi.input": body}

    response = newcomer.client.generic("POST", "/v1/register", b" ", content_type="application/json", **sent)

    assert_refused(response, 413, "body_too_large")
    assert body.tell() == 0


def test_it_takes_a_body_of_exactly_the_limit(newcomer, settings):
    body = {"instance_id": newcomer.id, "public_key": newcomer.public_key, **newcomer.description}
    text = json.dumps(body)
    padded = text + " " * (settings.MAX_BODY_BYTES - len(text))

    assert newcomer.client.post("/v1/register", padded, content_type="application/json").status_code == 201
    assert_refused(
        newcomer.client.post("/v1/register", padded + " ", content_type="application/json"), 413, "body_too_large"
    )


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [
        ("9" * 5000, 413, "body_too_large"),
        ("-1", 400, "incomplete_body"),
        ("1e3", 400, "incomplete_body"),
        ("500", 400, "incomplete_body"),
    ],
)
def test_it_refuses_a_content_length_that_is_not_the_bodys(newcomer, length, status, code):
    sent = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"{}")}

    response = newcomer.client.generic("POST", "/v1/register", b"{}", content_type="application/json", **sent)

    assert_refused(response, status, code)


# Addresses


@pytest.mark.parametrize("path", ["//v1/register", "///v1/register"])
def test_it_answers_a_client_whose_url_ends_in_a_slash(newcomer, path):
    body = {"instance_id": newcomer.id, "public_key": newcomer.public_key, **newcomer.description}

    # PATH_INFO, because the test client takes what follows two slashes for a host.
    response = newcomer.client.post("/", json.dumps(body), content_type="application/json", PATH_INFO=path)

    assert response.status_code == 201
    assert row(newcomer).state == Instance.State.PENDING


@pytest.mark.parametrize("path", ["/v1/register", "/v1/activate", "/v1/snapshot"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_a_wrong_method_is_told_the_right_one(newcomer, path, method):
    response = newcomer.client.generic(method, path)

    assert response.status_code == 405
    assert response["Allow"] == "POST"
    if method != "HEAD":
        assert_refused(response, 405, "method_not_allowed")
        assert "POST" in response.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/v1/", "/v1/nothing", "//v1/nothing", "/v1/register/", "/api/", "/api/v1/nothing", "/api/v2/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_unknown_path_is_json_as_well(client, path, method):
    assert_refused(client.generic(method, "/", PATH_INFO=path), 404, "not_found")


# The health check


@pytest.mark.parametrize("path", ["/api/v1/healthcheck", "//api/v1/healthcheck"])
def test_the_healthcheck_answers(client, path, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/", PATH_INFO=path)

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert not response.has_header("X-RateLimit-Limit")


def test_the_healthcheck_is_read_only(client):
    response = client.post("/api/v1/healthcheck")

    assert_refused(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]
    assert "POST" not in response["Allow"]
