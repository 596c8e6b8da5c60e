"""What every answer tells a browser about itself."""

import pytest
from django.test import Client, override_settings

pytestmark = pytest.mark.django_db

NOTHING = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"


@pytest.mark.parametrize(
    "path", ["/v1/register", "/v1/nothing", "/api/v1/healthcheck", "/readyz", "/badge/x/instances"]
)
def test_what_is_no_page_may_do_nothing(client, path):
    assert client.get(path)["Content-Security-Policy"] == NOTHING


@pytest.mark.parametrize("path", ["/admin/login/", "/", "/admin/instances/instance/"])
def test_pages_load_nothing_from_elsewhere(client, superuser, path):
    if "login" not in path:
        client.force_login(superuser)

    response = client.get(path)

    policy = response["Content-Security-Policy"]
    assert response.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; ")
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert "http" not in policy
    assert "<style" not in response.content.decode()


def test_an_answer_that_has_a_policy_keeps_it(rf):
    from django.http import HttpResponse

    from shm_site.middleware import ContentSecurityPolicyMiddleware

    own = HttpResponse(headers={"Content-Security-Policy": "sandbox"})
    assert ContentSecurityPolicyMiddleware(lambda request: own)(rf.get("/"))["Content-Security-Policy"] == "sandbox"


@override_settings(DEBUG=True)
def test_djangos_pages_for_developers_may_use_their_own_styles():
    assert "Content-Security-Policy" not in Client().get("/nothing/here")
    assert "Content-Security-Policy" in Client().get("/admin/login/")


def test_an_error_page_has_a_policy_too(client):
    response = client.get("/nothing/here")

    assert response.status_code == 404
    assert response["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
