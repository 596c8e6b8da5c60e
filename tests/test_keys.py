"""What metrics are called and how they are grouped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.keys import label
from metrics.keys import Overrides


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("documents_created", "Documents created"),
        ("users", "Users"),
        ("sys_cpu_cores", "CPU cores"),
        ("app_goroutines", "Goroutines"),
        ("app_rss_mb", "RSS MB"),
        ("db.size_mb", "DB › size MB"),
        ("http.requests.total", "HTTP › requests › total"),
        ("activeUsers", "ActiveUsers"),
        ("API_calls", "API calls"),
        ("app_version", "Version"),
        ("os_arch", "System"),
        ("0", "0"),
        ("größe", "Größe"),
        ("<b>", "<b>"),
        ("", "(empty key)"),
        ("___", "(empty key)"),
        (" ", "(empty key)"),
    ],
)
def test_a_key_has_a_title(key, title):
    assert label(key) == title


@given(st.text())
def test_any_key_has_one(key):
    assert label(key)


def test_business_comes_before_system_and_each_is_in_order():
    keys = ["users", "sys_mem", "Zebra", "app_up", "db.size", "", "system", "sys_cpu"]

    assert Overrides().grouped(keys) == (["", "Zebra", "db.size", "system", "users"], ["app_up", "sys_cpu", "sys_mem"])


def test_maintainers_may_say_otherwise():
    overrides = Overrides(business=frozenset({"app_users"}), system=frozenset({"pid"}), hidden=frozenset({"secret"}))

    assert overrides.grouped(["secret", "pid", "app_users", "a"]) == (["a", "app_users"], ["pid"])
    assert overrides.ordered(["pid", "secret", "a"]) == ["a", "pid"]
