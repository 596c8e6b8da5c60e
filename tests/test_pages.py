"""What people's pages need, the API's requests go without."""

import pytest

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
