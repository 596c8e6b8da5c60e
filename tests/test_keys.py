"""What metrics are called, what they are in, how they become one number, and in which order they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.figures import figures
from metrics.keys import Metric, Metrics, aggregation_of, label, natural, unit_of
from metrics.units import Aggregation, Unit


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("documents_created", "Documents created"),
        ("users", "Users"),
        ("sys_cpu_cores", "CPU cores"),
        ("app_goroutines", "Goroutines"),
        ("http.requests.total", "HTTP › requests › total"),
        ("activeUsers", "ActiveUsers"),
        ("API_calls", "API calls"),
        ("feature_sso", "Feature SSO"),
        ("app_version", "Version"),
        ("os_arch", "System"),
        ("0", "0"),
        ("größe", "Größe"),
        ("<b>", "<b>"),
        ("", "(empty key)"),
        ("___", "(empty key)"),
        (" ", "(empty key)"),
        # What the number says, the label need not.
        ("storage_bytes", "Storage"),
        ("app_rss_mb", "RSS"),
        ("db.size_mb", "DB › size"),
        ("queue_wait_seconds", "Queue wait"),
        ("uptime_h", "Uptime"),
        ("disk_used_percent", "Disk used"),
        ("revenue_EUR", "Revenue"),
        # But nothing that would leave it without a name, or that is no unit there.
        ("bytes", "Bytes"),
        ("db.bytes", "DB › bytes"),
        ("db._mb", "DB › MB"),
        ("_mb", "MB"),
        ("sys_mb", "MB"),
        ("cache_hit_ratio", "Cache hit ratio"),
        ("logins_last_30_days", "Logins last 30 days"),
        ("cpu_seconds_total", "CPU seconds total"),
    ],
)
def test_a_key_has_a_title(key, title):
    assert label(key) == title


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("users", "number"),
        ("storage_bytes", "bytes"),
        ("storageBytes", "bytes"),
        ("cache.size_kb", "kilobytes"),
        ("memoryMB", "megabytes"),
        ("disk-gb", "gigabytes"),
        ("archive_tb", "terabytes"),
        ("response_ms", "milliseconds"),
        ("response_ms_p95", "milliseconds"),
        ("response_ms.p95", "milliseconds"),
        ("queue_wait_seconds", "seconds"),
        ("cpu_seconds_total", "seconds"),
        ("session_mins", "minutes"),
        ("uptime_h", "hours"),
        ("uptime_days", "days"),
        ("disk_used_percent", "percent"),
        ("disk_pct", "percent"),
        ("index_hit_ratio", "ratio"),
        ("revenue_eur", "EUR"),
        ("bytes", "bytes"),
        ("storage_bytes_per_user", "bytes"),
        # What looks like a unit and is none.
        ("h", "number"),
        ("MB", "number"),
        ("ms.h", "hours"),
        ("per_user_10", "number"),
        ("requests_per_ms", "number"),
        ("logins_last_30_days", "number"),
        ("logins_24_h", "number"),
        ("last_days", "number"),
        ("active_30d", "number"),
        ("latency_min", "number"),
        ("mbps", "number"),
        ("ratios_total", "number"),
        ("", "number"),
        ("...", "number"),
        ("per", "number"),
        ("größe_mb", "megabytes"),
    ],
)
def test_a_key_says_what_it_is_sent_in(key, unit):
    assert unit_of(key) == unit


@pytest.mark.parametrize(
    ("key", "aggregation"),
    [
        ("users", "sum"),
        ("storage_bytes", "sum"),
        ("revenue_eur", "sum"),
        ("cpu_seconds_total", "sum"),
        ("requests_total", "sum"),
        ("rate_limited_requests", "sum"),
        ("version_downloads", "sum"),
        ("uptime_checks", "sum"),
        ("two_factor_users", "sum"),
        ("downloads", "sum"),
        ("index_hit_ratio", "median"),
        ("disk_used_percent", "median"),
        ("avg_session", "median"),
        ("mean_users", "median"),
        ("response_p95", "median"),
        ("response_p999", "median"),
        ("documents_per_user", "median"),
        ("per_user_2", "median"),
        ("uptime", "median"),
        ("uptime_h", "median"),
        ("queue_wait_seconds", "median"),
        ("error_rate", "median"),
        ("sys_load_1", "median"),
        ("load15", "median"),
        ("schema_version", "median"),
        ("min_password_length", "median"),
        ("peak_users", "maximum"),
        ("max_upload_mb", "maximum"),
        ("", "sum"),
        ("123", "sum"),
    ],
)
def test_a_key_says_which_figure_stands_for_it(key, aggregation):
    assert aggregation_of(key) == aggregation


@given(st.text())
def test_any_key_is_something(key):
    metric = Metric.named(key)

    assert metric.label
    assert metric.unit in Unit
    assert metric.aggregation in Aggregation


def test_the_value_is_the_figure_that_the_aggregation_names():
    of = figures([1, 2, 9])

    values = {aggregation: Metric("k", "K", Unit.NUMBER, aggregation, False).value(of) for aggregation in Aggregation}

    assert values == {"sum": 12, "mean": 4, "median": 2, "maximum": 9, "minimum": 1}


# The order


def test_business_comes_before_system_and_each_is_in_order():
    keys = ["users", "sys_mem", "Zebra", "app_up", "db.size", "", "system", "sys_cpu"]

    assert Metrics().grouped(keys) == (["", "Zebra", "db.size", "system", "users"], ["app_up", "sys_cpu", "sys_mem"])


def test_numbers_in_keys_are_in_their_own_order():
    keys = ["per_user_10", "per_user_2", "per_user", "2", "10", "a2b", "a10", "a02", "²"]

    ordered = ["2", "10", "a02", "a2b", "a10", "per_user", "per_user_2", "per_user_10", "²"]
    assert Metrics().ordered(keys) == ordered


@given(st.lists(st.text(st.sampled_from("a1029_.²٣x"), max_size=8), unique=True), st.randoms())
def test_any_keys_have_one_order(keys, dice):
    shuffled = dice.sample(keys, len(keys))

    assert sorted(shuffled, key=natural) == sorted(keys, key=natural)


def test_more_digits_than_an_integer_takes_are_sorted_as_well():
    assert Metrics().ordered(["9" * 5000, "1" * 5000, "7"]) == ["7", "1" * 5000, "9" * 5000]


def said(key, **changes):
    return Metric(
        **{"key": key, "label": key, "unit": Unit.NUMBER, "aggregation": Aggregation.SUM, "is_system": False, **changes}
    )


def test_maintainers_may_say_otherwise():
    metrics = Metrics([said("app_users"), said("pid", is_system=True), said("secret", hidden=True)])

    assert metrics.grouped(["secret", "pid", "app_users", "a"]) == (["a", "app_users"], ["pid"])
    assert metrics.ordered(["pid", "secret", "a"]) == ["a", "pid"]


def test_what_has_been_given_an_order_comes_first():
    metrics = Metrics([said("z", order=1), said("m", order=0), said("b", order=1), said("sys_x", order=0)])

    assert metrics.ordered(["a", "b", "m", "z", "sys_x"]) == ["m", "sys_x", "b", "z", "a"]


def test_of_what_nothing_is_said_the_name_decides():
    metrics = Metrics([said("documents", label="Pages")])

    assert metrics["documents"].label == "Pages"
    assert metrics["hit_ratio"] == Metric.named("hit_ratio")
    assert metrics.figures(["documents", "hit_ratio", "peak"]) == {
        "documents": "sum",
        "hit_ratio": "median",
        "peak": "max",
    }
