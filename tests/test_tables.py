"""The instance table: sorted, searched, filtered and paged by the database, the same on both."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.http import QueryDict

from dashboard.tables import METRIC, OWN_COLUMNS, PAGE_SIZE, InstanceTable
from instances.models import Application, Instance
from metrics import taking
from tests.fleet import instance

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

HOSTILE_KEYS = [
    "",
    "0",
    "12",
    "-1",
    "'",
    '"',
    '"a"',
    "''; DROP TABLE instances_instance; --",
    "\\",
    'a\\"b',
    "\\u0041",
    "%",
    "%s",
    "%(key)s",
    "[0]",
    "a[0]",
    "$",
    "$.a",
    "$[#-1]",
    "a.b",
    ".",
    "{a,b}",
    "?",
    "a b",
    "\t\n",
    "größe",
    "日本語",
    "😀",
    "e\u0301",
    "__gt",
    "a__isnull",
    "-users",
    "m.users",
    "x" * 200,
    "null",
    "*",
]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger():
    return Application.objects.create(slug="ledger", name="Ledger")


def number(text):
    """A UUID that begins so."""
    return UUID(text.ljust(32, "0"))


def reporting(application, metrics, ago=MINUTE, **fields):
    return instance(application, {NOW - ago: metrics}, **fields)


def table(application, keys=(), **query):
    asked = QueryDict(mutable=True)
    asked.update(query)
    return InstanceTable(application, list(keys), asked, NOW)


def listed(application, keys=(), **query):
    return list(table(application, keys, **query).rows())


def values(application, key, sort):
    rows = listed(application, [key], sort=f"{sort}{METRIC}{key}")
    return [row.metrics.get(key) for row in rows]


# Sorting


@pytest.mark.parametrize("name", [column.name for column in OWN_COLUMNS if column.name not in ("id", "last_report_at")])
def test_it_sorts_by_what_instances_say(ledger, name):
    for value in ("beta", "alpha", "", "gamma"):
        reporting(ledger, {}, **{name: value})

    assert [getattr(row, name) for row in listed(ledger, sort=name)] == ["", "alpha", "beta", "gamma"]
    assert [getattr(row, name) for row in listed(ledger, sort=f"-{name}")] == ["gamma", "beta", "alpha", ""]


def test_it_sorts_by_id(ledger):
    for beginning in ("b", "0", "f", "9"):
        reporting(ledger, {}, id=number(beginning))

    assert [row.short_id[0] for row in listed(ledger, sort="id")] == ["0", "9", "b", "f"]
    assert [row.short_id[0] for row in listed(ledger, sort="-id")] == ["f", "b", "9", "0"]


def test_it_sorts_by_the_last_report_and_those_without_come_last_either_way(ledger):
    ages = [timedelta(microseconds=1), MINUTE, DAY, DAY * 400]
    made = [reporting(ledger, {}, ago) for ago in (ages[2], ages[0], ages[3], ages[1])]
    never = instance(ledger, {})
    newest = [made[1], made[3], made[0], made[2]]

    assert listed(ledger, sort="-last_report_at") == listed(ledger) == [*newest, never]
    assert listed(ledger, sort="last_report_at") == [*reversed(newest), never]


@pytest.mark.parametrize(
    "ordered",
    [
        [-10, -9, 0, 2, 10, 100],
        [-1.5, -1, 0, 0.1, 0.25, 1, 1.5, 10],
        [-(10**300), -(2**70), 2**53, 2**60, 2**70, 1e300, 1.7e308],
        [False, True],
        ["Alpha", "Beta", "alpha", "beta"],
        ["", "1", "10", "2", "true"],
        [2, 10, "1", "text"],
        [7, "a", False, "g", True],
    ],
)
def test_it_sorts_by_a_metric_whatever_it_holds(ledger, ordered):
    for value in ordered[1::2] + ordered[::2]:
        reporting(ledger, {"key": value})
    missing = [reporting(ledger, metrics) for metrics in ({}, {"key": None}, {"key": [1]}, {"other": 5})]

    ascending, descending = values(ledger, "key", ""), values(ledger, "key", "-")

    count = len(ordered)
    # Booleans equal integers in Python; what is meant is the very value.
    assert list(map(repr_of_number, ascending[:count])) == list(map(repr_of_number, ordered))
    numbers = [value for value in ordered if isinstance(value, (int, float)) and not isinstance(value, bool)]
    texts = [value for value in ordered if value not in numbers or isinstance(value, bool)]
    wanted = [*reversed(numbers), *reversed(texts)]
    assert list(map(repr_of_number, descending[:count])) == list(map(repr_of_number, wanted))
    assert ascending[count:] == descending[count:] == [None] * len(missing)


def repr_of_number(value):
    """PostgreSQL's jsonb makes a large float an integer: the same number, written in another way."""
    return repr(value) if isinstance(value, (str, bool)) else repr(float(value))


def test_nested_metrics_are_sorted_by_their_path(ledger):
    for size in (2, 3, 1):
        reporting(ledger, {"db": {"size_mb": size}})

    assert values(ledger, "db.size_mb", "-") == [3, 2, 1]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_any_key_can_be_sorted_by(ledger, key):
    for value in (10, "text", 9, 100):
        reporting(ledger, {key: value, "decoy": 1})
    reporting(ledger, {"decoy": 7})

    assert values(ledger, key, "") == [9, 10, 100, "text", None]
    assert values(ledger, key, "-") == [100, 10, 9, "text", None]


def test_equal_rows_keep_their_order(ledger):
    for beginning in "3142":
        reporting(ledger, {"users": 1}, id=number(beginning))

    for sort in ("app_version", "-app_version", "m.users", "-m.users", "last_report_at"):
        assert [row.short_id[0] for row in listed(ledger, ["users"], sort=sort)] == list("1234")


@pytest.mark.parametrize(
    "sort", ["", "-", "--id", "nonsense", "m.", "m.unknown", "pk", "application__name", "metrics", "?", "\0", "m.\0"]
)
def test_a_sort_that_means_nothing_is_the_default(ledger, sort):
    made = table(ledger, ["users"], sort=sort)

    assert made.sort == "-last_report_at"
    assert list(made.rows()) == []


def test_a_metric_called_like_a_column_is_told_apart_from_it(ledger):
    reporting(ledger, {"app_version": 1}, app_version="b")
    reporting(ledger, {"app_version": 2}, app_version="a")

    assert [row.app_version for row in listed(ledger, ["app_version"], sort="app_version")] == ["a", "b"]
    assert [row.app_version for row in listed(ledger, ["app_version"], sort="m.app_version")] == ["b", "a"]


# Searching


@pytest.mark.parametrize(
    "search",
    [
        "d3b07384",
        "d3b",
        "D3B07384",
        " d3b ",
        "d3b07384-",
        "d3b07384-d1",
        "d3b07384d1",
        "d3b07384-d113-4edc-a9a4-00000000000f",
    ],
)
def test_it_finds_an_instance_by_the_beginning_of_its_id(ledger, search):
    wanted = reporting(ledger, {}, id=UUID("d3b07384-d113-4edc-a9a4-00000000000f"))
    reporting(ledger, {}, id=number("0d3b07384d1"))

    assert listed(ledger, q=search) == [wanted]


@pytest.mark.parametrize("search", ["-", "--", "4edc", "f" * 40, "{d3b07384"])
def test_what_no_id_begins_with_finds_none(ledger, search):
    reporting(ledger, {}, id=UUID("d3b07384-d113-4edc-a9a4-00000000000f"))

    assert listed(ledger, q=search) == []


@pytest.mark.parametrize("name", ["app_version", "environment", "os_arch", "deployment_mode"])
def test_it_finds_what_instances_say_anywhere_in_it_in_either_case(ledger, name):
    wanted = reporting(ledger, {}, **{name: "Linux/AMZ64"})
    reporting(ledger, {}, **{name: "other"})

    for search in ("linux", "AMZ", "x/a", "linux/amz64"):
        assert listed(ledger, q=search) == [wanted]


@pytest.mark.parametrize("character", ["%", "_", "\\", "'", '"', "*", "?", "[", "(", "$", ";", "é", "😀"])
def test_every_character_is_literal(ledger, character):
    wanted = reporting(ledger, {}, app_version=f"y{character}z")
    reporting(ledger, {}, app_version="yxz")

    assert listed(ledger, q=character) == listed(ledger, q=f"y{character}z") == [wanted]


def test_spaces_around_it_do_not_count_and_nul_is_left_out(ledger):
    wanted = reporting(ledger, {}, app_version="1.2.3")
    reporting(ledger, {}, app_version="4")

    assert listed(ledger, q="  1.2.3 ") == listed(ledger, q="1.\0002.3") == [wanted]
    assert len(listed(ledger, q="   ")) == len(listed(ledger, q="\0")) == 2


def test_a_search_counts_by_its_first_100_characters(ledger):
    wanted = reporting(ledger, {}, app_version="x" * 100)

    assert listed(ledger, q="x" * 100_000) == [wanted]
    assert listed(ledger, q="y" * 100_000) == []


def test_other_applications_are_never_listed(ledger):
    other = Application.objects.create(slug="other", name="Other")
    reporting(other, {"users": 1}, app_version="1.0")

    assert listed(ledger) == listed(ledger, q="1.0") == []


# States


@pytest.fixture
def cast(ledger):
    """One of each kind, by its name."""
    made = {
        "active": reporting(ledger, {}),
        "edge": reporting(ledger, {}, DAY * 30),
        "silent": reporting(ledger, {}, DAY * 30 + timedelta(microseconds=1)),
        "never": instance(ledger, {}),
        "excluded": reporting(ledger, {}),
        "excluded and silent": reporting(ledger, {}, DAY * 90),
        "revoked": reporting(ledger, {}),
        "revoked and excluded": reporting(ledger, {}),
        "pending": Instance.objects.create(application=ledger),
    }
    for name, one in made.items():
        if "excluded" in name:
            one.exclude(Instance.Exclusion.MANUAL)
        if "revoked" in name:
            one.revoke()
    return made


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("active", {"active", "edge"}),
        ("silent", {"silent", "never"}),
        ("excluded", {"excluded", "excluded and silent"}),
        ("revoked", {"revoked", "revoked and excluded"}),
        ("pending", {"pending"}),
    ],
)
def test_a_filter_lists_those_in_that_state(ledger, cast, state, wanted):
    assert {name for name, one in cast.items() if one in listed(ledger, state=state)} == wanted


@pytest.mark.parametrize("state", ["", "all", "nonsense", "ACTIVE", "\0"])
def test_anything_else_lists_all(ledger, cast, state):
    assert table(ledger, state=state).state.name == "all"
    assert len(listed(ledger, state=state)) == len(cast)


def test_filters_count_what_the_census_counts(ledger, cast):
    made = taking.present(ledger, NOW)

    counts = {state: len(listed(ledger, state=state)) for state in ("active", "silent", "excluded", "revoked")}
    assert counts == {
        "active": made.active,
        "silent": made.silent,
        "excluded": sum(made.excluded.values()),
        "revoked": made.revoked,
    }


def test_state_and_search_go_together(ledger):
    wanted = reporting(ledger, {}, app_version="1.0")
    reporting(ledger, {}, app_version="2.0")
    reporting(ledger, {}, DAY * 60, app_version="1.0")

    assert listed(ledger, state="active", q="1.0") == [wanted]


# Pages


@pytest.fixture
def many(ledger):
    """Two pages and a bit."""
    Instance.objects.bulk_create(
        Instance(application=ledger, state="active", first_report_at=NOW, last_report_at=NOW, metrics={"users": users})
        for users in range(PAGE_SIZE * 2 + 5)
    )


@pytest.mark.parametrize(
    ("page", "first", "count"),
    [(1, 0, 50), (2, 50, 50), (3, 100, 5), (4, 100, 5), (0, 100, 5), (-1, 100, 5), (10**30, 100, 5)],
)
def test_a_page_has_50_rows_and_beyond_the_last_is_the_last(ledger, many, page, first, count):
    shown = table(ledger, ["users"], sort="m.users", page=str(page)).page()

    assert [row.metrics["users"] for row in shown] == list(range(first, first + count))
    assert shown.paginator.count == PAGE_SIZE * 2 + 5


@pytest.mark.parametrize("page", ["garbage", "", "1.5", "\0", "１x"])
def test_a_page_that_is_none_is_the_first(ledger, many, page):
    assert table(ledger, page=page).page().number == 1


def test_an_empty_table_has_an_empty_page(ledger):
    shown = table(ledger, page="7").page()

    assert (list(shown), shown.number, shown.has_other_pages()) == ([], 1, False)


@pytest.mark.parametrize("query", [{}, {"sort": "-m.users"}, {"q": "1", "state": "active", "page": "2"}])
def test_the_number_of_queries_does_not_depend_on_that_of_rows(ledger, query, django_assert_num_queries):
    for rows in (3, 70):
        Instance.objects.bulk_create(
            Instance(application=ledger, state="active", last_report_at=NOW, metrics={"users": 1}, app_version="1")
            for _ in range(rows)
        )
        with django_assert_num_queries(2):
            for row in table(ledger, ["users"], **query).page():
                assert row.get_absolute_url().endswith(f"/{row.pk}/")
                assert (row.metrics, row.app_version, row.get_state_display()) == ({"users": 1}, "1", "Active")


# Addresses


def test_an_address_keeps_what_was_asked_and_forgets_the_page(ledger):
    made = table(ledger, q="a&b", state="silent", sort="id", metric="größe", period="7d", page="3", other="x")

    assert QueryDict(made.address()[1:]).dict() == {
        "q": "a&b",
        "state": "silent",
        "sort": "id",
        "metric": "größe",
        "period": "7d",
    }
    assert QueryDict(made.address(page=2, state="all")[1:]).dict() == {
        **QueryDict(made.address()[1:]).dict(),
        "page": "2",
        "state": "all",
    }


def test_an_address_of_nothing_is_a_bare_query(ledger):
    assert table(ledger).address() == "?"


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_an_address_carries_any_key(ledger, key):
    made = table(ledger, [key])
    column = made.columns[-1]

    asked = QueryDict(made.sort_address(column)[1:])["sort"]

    assert asked == f"-{METRIC}{key}"
    assert table(ledger, [key], sort=asked).sort == asked


def test_metrics_and_times_are_sorted_from_the_top_first_and_texts_from_a(ledger):
    made = table(ledger, ["users"], sort="id")
    first = {column.name: QueryDict(made.sort_address(column)[1:])["sort"] for column in made.columns}

    assert first == {
        "id": "-id",
        "app_version": "app_version",
        "environment": "environment",
        "os_arch": "os_arch",
        "deployment_mode": "deployment_mode",
        "last_report_at": "-last_report_at",
        "m.users": "-m.users",
    }


@pytest.mark.parametrize(
    ("sort", "name", "after"),
    [
        ("-m.users", "m.users", "m.users"),
        ("m.users", "m.users", "-m.users"),
        ("app_version", "app_version", "-app_version"),
        ("-app_version", "app_version", "app_version"),
        ("-last_report_at", "last_report_at", "last_report_at"),
    ],
)
def test_asked_again_it_is_the_other_way_round(ledger, sort, name, after):
    made = table(ledger, ["users"], sort=sort)
    column = next(column for column in made.columns if column.name == name)

    assert QueryDict(made.sort_address(column)[1:])["sort"] == after


def test_there_is_a_column_for_each_key(ledger):
    made = table(ledger, ["users", "größe"])

    assert [column.title for column in made.columns if column.is_metric] == ["users", "größe"]
    assert made.columns[: len(OWN_COLUMNS)] == OWN_COLUMNS
