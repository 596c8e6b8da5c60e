"""What people's pages need, the API's requests go without."""

import gzip

import pytest

from instances.models import Application
from tests import fleet

pytestmark = pytest.mark.django_db


def test_a_client_programs_request_opens_no_session(client, superuser, django_assert_num_queries):
    client.force_login(superuser)

    with django_assert_num_queries(0):
        response = client.get("/api/v1/healthcheck")

    for name in ("session", "_messages"):
        assert not hasattr(response.wsgi_request, name)
    assert response.status_code == 200
    assert "Cookie" not in response.get("Vary", "")
    assert not response.cookies


def test_a_persons_does(client, superuser):
    client.force_login(superuser)

    request = client.get("/").wsgi_request

    assert request.user == superuser
    assert request.session.session_key


GZIP = {"accept-encoding": "gzip, deflate, br"}


def test_pages_are_compressed_for_who_can_read_it(client, superuser):
    client.force_login(superuser)

    plain, compressed = client.get("/"), client.get("/", headers=GZIP)

    assert "Content-Encoding" not in plain
    assert compressed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain["Vary"]
    assert "Accept-Encoding" in compressed["Vary"]
    assert b"</html>" in gzip.decompress(compressed.content)
    assert len(compressed.content) < len(plain.content) / 3


def test_equal_pages_are_not_of_equal_length(client):
    """So that lengths tell little of what is in them."""
    lengths = {len(client.get("/admin/login/", headers=GZIP).content) for _ in range(12)}
    assert max(lengths) - min(lengths) > 20


def test_tables_to_take_away_are_compressed_while_they_are_sent(client, superuser):
    application = Application.named("Ledger")
    for _ in range(40):
        fleet.instance(application, {})
    client.force_login(superuser)
    address = "/applications/ledger/instances.csv"

    plain, compressed = client.get(address), client.get(address, headers=GZIP)

    assert compressed.streaming
    assert compressed["Content-Encoding"] == "gzip"
    assert "Content-Length" not in compressed
    assert gzip.decompress(compressed.getvalue()) == plain.getvalue()


def test_the_key_of_an_app_is_not_compressed(client, superuser):
    """Each visit shows the same key, next to an address that somebody else may have chosen."""
    client.force_login(superuser)

    for path in ("/admin/two-factor/", "/admin/two-factor/?guess=ABCD"):
        response = client.get(path, headers=GZIP)
        assert response.status_code == 200
        assert b"shm-key" in response.content
        assert "Content-Encoding" not in response


def test_answers_to_programs_are_left_as_they_are(client):
    response = client.get("/api/v1/openapi.yaml", headers=GZIP)

    assert "Content-Encoding" not in response
    assert "Accept-Encoding" not in response.get("Vary", "")
