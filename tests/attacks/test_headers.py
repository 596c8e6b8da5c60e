"""By headers and addresses that a browser or a client is made to send: hosts, redirects, sessions, line breaks."""

import ipaddress

import pytest
from django.test import Client

from tests.gunicorn_server import gunicorn_server, migrated_database
from tests.installation import Installation, row

EVIL = "evil.example"

pytestmark = pytest.mark.django_db


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
