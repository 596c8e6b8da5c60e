"""Anything may be asked of any address, by anybody: nothing fails, and no answer tells how the site works inside."""

import re
import string
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from dashboard.models import SavedView
from instances.enrolment import EnrolmentToken
from instances.models import Application, Job, PublicKey
from metrics.models import KeyFlag
from tests import fleet
from tests.test_docs import API
from tests.test_fuzz import BYTES, FRAGMENTS, HEADER
from tests.test_teams import TABLE

CODES = set(re.findall(r"`(\w+)`", API.partition("## Errors")[2].partition("\n## ")[0]))
# What stands in a traceback, in a message of a database or of Django's own pages for developers.
INSIDES = re.compile(
    r"Traceback \(most|site-packages|File \"/|psycopg|sqlite3|django\.db|(?:Operational|Data|Integrity)Error"
    r"|ProgrammingError|\bSELECT \"|LINE 1:|DETAIL:|DEBUG = True"
)

ROUTES = sorted(path for path, _ in TABLE.values())
LISTS = [path for path in ROUTES if re.fullmatch(r"/admin/\w+/\w+/", path) and path.count("/") == 4]
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"])

# What pages, badges, the API and the admin's lists look for in an address, and what leads to another model's fields.
NAMES = [
    *("q", "o", "p", "e", "all", "page", "sort", "state", "metric", "period", "kind", "instance", "label", "color"),
    *("next", "s", "extended", "term", "app_label", "model_name", "field_name", "_popup", "_to_field", "_facets"),
    *("_changelist_filters", "ot", "pop", "IS_POPUP", "pk", "id", "id__in", "id__exact", "id__gt", "pk__range"),
    *("state__exact", "exclusion__exact", "exclusion__isnull", "application__id__exact", "application__team__name"),
    *("team__id__exact", "team__isnull", "publishes_badges__exact", "action_time__gte", "action_time__year"),
    *(
        "content_type__id__exact",
        "content_type__isnull",
        "is_staff__exact",
        "groups__id__exact",
        "password__startswith",
    ),
    *(
        "metrics__users__gt",
        "claims__isnull",
        "keys__hex__startswith",
        "instances__metrics__x",
        "user__password",
        "a__b",
    ),
]
NUMBERS = st.integers().map(str) | st.sampled_from(
    ["9" * 30, "-" + "9" * 5000, "1e999", "NaN", "-0", "0x1", "1_0", "٣", "1.5", "-1.2.-3", "2147483648", str(2**63)]
)
MEANT = st.sampled_from(
    ["-m.users", "m.", "m.users", "-last_report_at", "all", "last", "pending", "30d", "True", "None", "null", "a,b,,c"]
)
VALUES = (
    NUMBERS | MEANT | st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.just("\0") | st.just("%_\\")
)
PAIR = st.tuples(st.sampled_from(NAMES) | VALUES, VALUES).map(lambda pair: f"{quote(pair[0])}={quote(pair[1])}")
PIECES = st.lists(st.sampled_from(["%", "0", "%00", "%ff", "%u0", "&", "=", ";", "q", "[]", "+"]), max_size=12)
# As it should be, nearly, and any bytes, some of which are percent-encoded and no UTF-8.
QUERIES = (
    st.lists(PAIR, max_size=4).map("&".join)
    | st.text(string.printable, max_size=40)
    | st.binary(max_size=40).map(quote_from_bytes)
    | PIECES.map("".join)
)
# What a path may hold by the time that it gets here: anything, percent-encoded or not.
SEGMENTS = VALUES.map(lambda text: quote(text, safe="")) | st.binary(max_size=20).map(quote_from_bytes)

site = settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def assert_harmless(path: str, response: Any) -> None:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    text = content.decode()
    assert response.status_code < 500, text
    assert not INSIDES.search(text), text
    if path.lstrip("/").startswith(("v1/", "api/")) and response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/json"
        assert response.request["REQUEST_METHOD"] == "HEAD" or response.json()["code"] in CODES


@override_settings(RATELIMIT_ENABLED=False, ALLOWED_HOSTS=["testserver"])
class FuzzSite(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        team = Group.objects.create(name="Bookkeepers")
        cls.superuser = User.objects.create_superuser("superuser", password="correct horse battery")
        application = Application.objects.create(name="Ledger", slug="ledger", team=team)
        metrics = {"documents": 5, "users": 2**70, "edition": "free"}
        instance = fleet.instance(application, {timezone.now(): metrics}, app_version="1.0.0")
        application_type = ContentType.objects.get_for_model(Application)
        entry = LogEntry.objects.create(
            user=cls.superuser,
            content_type=application_type,
            object_id=str(application.pk),
            object_repr=str(application),
            action_flag=CHANGE,
        )
        cls.filled = {
            "application": application.pk,
            "application_type": application_type.pk,
            "instance": instance.pk,
            "key": PublicKey.objects.get(instance=instance).pk,
            "entry": entry.pk,
            "job": Job.objects.create(name="close_hours").pk,
            "team": team.pk,
            "token": EnrolmentToken.objects.create(application=application, name="For the bank", digest="ab" * 32).pk,
            "release": application.releases.create(version="1.0.0", released_at=timezone.now()).pk,
            "flag": KeyFlag.objects.create(application=application, key="owner", kind="email").pk,
            "view": SavedView.objects.create(application=application, name="Paying").pk,
            "user": cls.superuser.pk,
        }

    def setup_example(self) -> None:
        super().setup_example()
        cache.clear()  # What is remembered of a page's address would be of the example before.
        self.client = Client()
        self.client.force_login(self.superuser)

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", **sent: Any) -> None:
        content_type = sent.pop("CONTENT_TYPE", "application/octet-stream")
        # As a server hands it on; of a path that begins with two slashes the test client would make a host.
        sent |= {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query}
        assert_harmless(path, self.client.generic(method, "/", body, content_type, **sent))

    @site
    @given(METHODS, st.sampled_from(ROUTES), QUERIES, st.booleans())
    def test_any_query_of_any_address(self, method, route, query, signed_in):
        if not signed_in:
            self.client.logout()
        path = route.partition("?")[0].format(**self.filled)

        self.ask(method, path, query)

    @site
    @given(st.sampled_from(LISTS), st.lists(PAIR, min_size=1, max_size=4))
    def test_any_filter_order_and_search_of_a_list_in_the_admin(self, path, query):
        self.ask("GET", path, "&".join(query))

    @site
    @given(METHODS, st.sampled_from(ROUTES), st.data())
    def test_any_segment_of_any_address(self, method, route, data):
        segments = route.partition("?")[0].format(**self.filled).strip("/").split("/")
        segments[data.draw(st.integers(0, len(segments) - 1))] = data.draw(SEGMENTS)

        path = "/" + "/".join(segments) + data.draw(st.sampled_from(["", "/", "//"]))

        self.ask(method, path)

    @site
    @given(
        METHODS,
        st.sampled_from(ROUTES),
        st.dictionaries(
            st.sampled_from(
                [
                    "HTTP_HOST",
                    "HTTP_ACCEPT",
                    "HTTP_ACCEPT_LANGUAGE",
                    "HTTP_ACCEPT_ENCODING",
                    "HTTP_REFERER",
                    "HTTP_ORIGIN",
                    "HTTP_IF_MODIFIED_SINCE",
                    "HTTP_IF_NONE_MATCH",
                    "HTTP_RANGE",
                    "HTTP_X_FORWARDED_FOR",
                    "HTTP_X_FORWARDED_PROTO",
                    "HTTP_X_INSTANCE_ID",
                    "HTTP_X_SIGNATURE",
                    "HTTP_AUTHORIZATION",
                    "HTTP_X_CSRFTOKEN",
                    "HTTP_X_REQUESTED_WITH",
                    "HTTP_X_HTTP_METHOD_OVERRIDE",
                    "CONTENT_TYPE",
                    "REMOTE_ADDR",
                ]
            ),
            HEADER,
            max_size=4,
        ),
    )
    def test_any_headers(self, method, route, headers):
        self.ask(method, route.partition("?")[0].format(**self.filled), **headers)

    @site
    @given(st.sampled_from(ROUTES), st.sampled_from(["sessionid", "csrftoken", "messages", "x"]), HEADER | SEGMENTS)
    @example("/", "sessionid", r'"\000aaaaaaaaaaaaaaaa"')
    @example("/admin/", "messages", r'"\000aaaaaaaaaaaaaaaa"')
    def test_any_cookie(self, route, name, value):
        self.client.cookies.clear()

        self.ask("GET", route.partition("?")[0].format(**self.filled), HTTP_COOKIE=f"{name}={value}")

    @site
    @given(
        METHODS,
        st.sampled_from(ROUTES),
        BYTES,
        st.sampled_from(
            [
                "application/json",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "multipart/form-data",
                "text/plain; charset=nonsense",
                "application/x-www-form-urlencoded; charset=utf-16",
                "",
            ]
        ),
    )
    def test_any_body(self, method, route, body, content_type):
        self.ask(method, route.partition("?")[0].format(**self.filled), body=body, CONTENT_TYPE=content_type)

    @site
    @given(
        st.sampled_from(ROUTES),
        st.lists(
            st.tuples(
                st.sampled_from(NAMES)
                | st.sampled_from(
                    [
                        "action",
                        "_selected_action",
                        "select_across",
                        "index",
                        "post",
                        "name",
                        "slug",
                        "team",
                        "active_days",
                        "report_minutes",
                        "latest_version",
                        "notice",
                        "test_environments",
                        "0-key",
                        "0-label",
                        "0-unit",
                        "0-order",
                        "initial-0-hidden",
                        "username",
                        "password",
                        "password1",
                        "password2",
                        "old_password",
                        "new_password1",
                        "groups",
                        "user_permissions",
                        "permissions",
                        "last_login_0",
                        "date_joined_1",
                        "usable_password",
                        "_save",
                        "_continue",
                        "_saveasnew",
                    ]
                ),
                VALUES
                | st.sampled_from(
                    [
                        "delete_selected",
                        "revoke_selected",
                        "restore_selected",
                        "exclude_selected",
                        "include_selected",
                        "1",
                        "on",
                    ]
                ),
            ),
            max_size=8,
        ),
    )
    def test_any_form(self, route, fields):
        body = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields).encode()

        path = route.partition("?")[0].format(**self.filled)
        self.ask("POST", path, body=body, CONTENT_TYPE="application/x-www-form-urlencoded")

    @site
    @given(METHODS, st.binary(max_size=60) | FRAGMENTS, QUERIES)
    def test_any_path_by_nobody(self, method, path, query):
        self.client.logout()
        for prefix in ("/", "/v1/", "//api/", "/badge/", "/admin/"):
            self.ask(method, prefix + quote_from_bytes(path), query)
