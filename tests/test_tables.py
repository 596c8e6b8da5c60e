"""The instance table: sorted, searched, filtered and paged by the database, the same on both."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.http import QueryDict

from dashboard.breakdowns import breakdowns
from dashboard.columns import METRIC, METRIC_COLUMNS, MORE_COLUMNS, OWN_COLUMNS
from dashboard.tables import PAGE_SIZE, InstanceTable
from instances.models import Application, Instance
from metrics import taking
from metrics.keys import Metric, Metrics
from tests.clock import NOW
from tests.fleet import instance

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
    assert table(ledger, state=state).states == []
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


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("established", {"a day", "returned"}),
        ("new", {"new", "a day"}),
        ("returned", {"returned"}),
        ("reporting", {"new", "a day", "returned"}),
    ],
)
def test_what_the_census_counts_of_the_active_ones_can_be_listed(ledger, state, wanted):
    cast = {
        "new": {NOW - MINUTE: {}},
        "a day": {NOW - DAY - MINUTE: {}, NOW - MINUTE: {}},
        "returned": {NOW - DAY * 90: {}, NOW - MINUTE: {}},
        "old": {NOW - DAY * 20: {}},
        "silent": {NOW - DAY * 60: {}, NOW - DAY * 50: {}},
    }
    made = {name: instance(ledger, reports) for name, reports in cast.items()}
    for reports in cast.values():
        instance(ledger, reports, exclusion="manual")

    names = {name for name, one in made.items() if one in listed(ledger, state=state)}

    assert names == wanted
    assert len(listed(ledger, state=state)) == len(wanted) == getattr(taking.present(ledger, NOW), state)


def test_several_states_list_those_in_any_of_them(ledger, cast):
    assert len(listed_by(ledger, "state=silent&state=revoked")) == 4
    assert len(listed_by(ledger, "state=silent&state=revoked&state=active")) == 6


# Dimensions and numbers


def listed_by(application, query, keys=(), **options):
    return list(InstanceTable(application, list(keys), QueryDict(query), NOW, **options).rows())


def by(key, *values):
    return urlencode([(f"f.{key}", value) for value in values])


@pytest.mark.parametrize("name", ["app_version", "environment", "os_arch", "deployment_mode"])
def test_it_lists_those_that_say_one_of_the_values(ledger, name):
    made = {value: reporting(ledger, {name: "decoy"}, **{name: value}) for value in ("a", "A", "b", "ab", "")}

    assert listed_by(ledger, by(name, "a")) == [made["a"]]
    assert set(listed_by(ledger, by(name, "a", "b"))) == {made["a"], made["b"]}
    assert listed_by(ledger, by(name, "")) == [made[""]]
    assert set(listed_by(ledger, by(name, "", "ab"))) == {made[""], made["ab"]}
    assert listed_by(ledger, by(name, "decoy")) == []


@pytest.mark.parametrize("key", [*HOSTILE_KEYS, "plan"])
def test_it_lists_those_that_report_one_of_the_values_under_any_key(ledger, key):
    values = ["pro", "free", True, False, 5, "5", "", None]
    made = {repr(value): reporting(ledger, {key: value, "decoy": "pro"}) for value in values}
    made["none"] = reporting(ledger, {"decoy": "pro"})

    def names(*asked):
        found = listed_by(ledger, by(key, *asked))
        return {name for name, one in made.items() if one in found}

    assert names("pro") == {"'pro'"}
    assert names("pro", "free") == {"'pro'", "'free'"}
    assert names("true") == {"True"}
    assert names("5") == {"'5'"}
    assert names("PRO") == names("pr") == names("pro ") == set()
    assert names("") == {"''", "None", "none"}
    assert names("", "false") == {"''", "None", "none", "False"}


def test_a_value_may_be_any_text(ledger, hostile):
    said = [text for text in hostile if text]
    made = {text: reporting(ledger, {"text": text}, app_version=text[:100]) for text in said}

    for text, one in made.items():
        assert listed_by(ledger, by("text", text)) == [one]
        assert listed_by(ledger, by("app_version", text[:100])) == [one]


@pytest.mark.parametrize("key", [*HOSTILE_KEYS, "users"])
def test_it_lists_those_whose_number_is_within_bounds(ledger, key):
    values = [-5, -0.5, 0, 1, 9, 10, 1e300, 2**70, "100", True]
    for value in values:
        reporting(ledger, {key: value, "decoy": 7})

    def found(**bounds):
        rows = listed_by(ledger, urlencode({f"{name}.{key}": bound for name, bound in bounds.items()}))
        return sorted(float(row.metrics[key]) for row in rows)

    assert found(min=9) == [9, 10, 2**70, 1e300]
    assert found(max="-0.5") == [-5, -0.5]
    assert found(min="0", max="9.0") == [0, 1, 9]
    assert found(min="1e299") == [1e300]
    assert found(min=10, max=9) == []


def test_conditions_of_different_keys_all_hold(ledger):
    wanted = reporting(ledger, {"plan": "pro", "users": 50, "sso": True}, app_version="2")
    reporting(ledger, {"plan": "pro", "users": 5, "sso": True}, app_version="2")
    reporting(ledger, {"plan": "free", "users": 50, "sso": True}, app_version="2")
    reporting(ledger, {"plan": "pro", "users": 50, "sso": False}, app_version="2")
    reporting(ledger, {"plan": "pro", "users": 50, "sso": True}, app_version="1")
    reporting(ledger, {"plan": "pro", "users": 50, "sso": True}, DAY * 50, app_version="2")

    query = "state=active&f.plan=pro&f.plan=team&f.sso=true&f.app_version=2&min.users=10"

    assert listed_by(ledger, query) == [wanted]


def test_what_nobody_reports_now_can_be_asked_for(ledger):
    silent = reporting(ledger, {"plan": "pro"}, DAY * 60)
    reporting(ledger, {"users": 1})

    assert listed_by(ledger, "f.plan=pro", ["users"]) == [silent]
    assert listed_by(ledger, "f.gone=x", ["users"]) == []


def test_a_hidden_key_gives_nothing_away(ledger):
    reporting(ledger, {"secret": "a", "size": 5})
    hidden = Metrics(replace(Metric.named(key), hidden=True) for key in ("secret", "size"))

    for query in ("f.secret=b", "f.secret=", "min.size=9", "max.size=1"):
        assert listed_by(ledger, query) == []
        assert len(listed_by(ledger, query, catalogue=hidden)) == 1


def test_a_value_of_a_dimension_lists_as_many_as_the_census_counts(ledger):
    for number in range(12):
        plan = ["pro", "free", True, 5, "", None][number % 6]
        reporting(ledger, {"plan": plan, "n": 1} if number % 5 else {}, app_version=["1", "2", ""][number % 3])
        reporting(ledger, {"plan": plan}, DAY * 60, app_version="1")
    census = taking.present(ledger, NOW)

    for breakdown in breakdowns(census, Metrics()):
        for share in breakdown.every:
            rows = listed_by(ledger, f"state=active&{by(breakdown.key, share.value)}")
            assert len(rows) == share.count, (breakdown.key, share.value)
        # Who sends a number where others send a text is in the figures of that key.
        numbers = census.figures[breakdown.key]["reporters"] if breakdown.key in census.figures else 0
        assert sum(share.count for share in breakdown.every) == census.active - numbers
        assert sum(share.share for share in breakdown.every) == pytest.approx(1)


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


@pytest.mark.parametrize("key", HOSTILE_KEYS)
@pytest.mark.parametrize("value", ["pro", "", "a&b=c#d", "größe 🦄"])
def test_an_address_of_a_value_asks_for_it_alone_among_the_active_ones_and_back(ledger, key, value):
    made = asking_for(ledger, {f"f.{key}": "other", "f.plan": "x", "sort": "id", "period": "7d", "page": "3"})

    chosen = QueryDict(made.address_of(key, value)[1:])

    wanted = {f"f.{key}": [value], "f.plan": ["x"], "state": ["active"], "sort": ["id"], "period": ["7d"]}
    assert dict(chosen.lists()) == wanted
    again = asking_for(ledger, chosen)
    assert again.is_one(key, value)
    assert f"f.{key}" not in QueryDict(again.address_of(key, value)[1:])


def asking_for(application, query, keys=(), **options):
    asked = query if isinstance(query, QueryDict) else QueryDict(urlencode(query))
    return InstanceTable(application, list(keys), asked, NOW, **options)


def test_an_address_without_a_condition_keeps_the_others(ledger):
    made = asking_for(ledger, QueryDict("f.a=1&f.a=2&min.b=5&q=x"))

    assert QueryDict(made.address_without("f.a", "1")[1:]) == QueryDict("q=x&f.a=2&min.b=5")


def test_the_fields_of_a_form_leave_out_what_it_has_itself(ledger):
    made = asking_for(ledger, QueryDict("q=x&state=active&f.a=1&min.b=5&c=id&sort=id&metric=b&page=2"))

    assert made.fields("state", "f.", "min.", "max.") == [("q", "x"), ("c", "id"), ("sort", "id"), ("metric", "b")]
    assert ("q", "x") not in made.fields("q")


# Columns


def test_at_first_the_first_metrics_have_a_column(ledger):
    assert titles(asking_for(ledger, {}, ["users", "größe"])) == ["users", "größe"]
    keys = [f"metric_{number:03}" for number in range(500)]
    made = asking_for(ledger, {}, keys)

    assert titles(made) == keys[:METRIC_COLUMNS]
    assert made.columns[: len(OWN_COLUMNS)] == OWN_COLUMNS


def titles(made):
    return [column.title for column in made.columns if column.is_metric]


def names(made):
    return [column.name for column in made.columns]


def test_columns_are_chosen_and_stand_in_their_own_order(ledger):
    made = asking_for(ledger, QueryDict("c=m.b&c=established&c=app_version&c=m.b&c=nonsense"), ["a", "b"])

    assert names(made) == ["id", "app_version", "established", "m.b"]
    assert names(asking_for(ledger, {"c": "id"}, ["a", "b"])) == ["id"]
    assert names(asking_for(ledger, {"c": "nonsense"}, ["a"])) == names(asking_for(ledger, {}, ["a"]))


def test_what_it_is_sorted_by_has_a_column_unless_others_were_chosen(ledger):
    keys = [f"metric_{number:02}" for number in range(20)]

    assert names(asking_for(ledger, {"sort": "-m.metric_15"}, keys))[-1] == "m.metric_15"
    assert "established" in names(asking_for(ledger, {"sort": "established"}, keys))
    assert names(asking_for(ledger, {"sort": "-m.metric_15", "c": "id"}, keys)) == ["id"]


def test_all_columns_can_be_shown(ledger):
    keys = [f"metric_{number:03}" for number in range(500)]

    assert len(asking_for(ledger, {"c": "all"}, keys).columns) == len(OWN_COLUMNS) + len(MORE_COLUMNS) + 500
    assert len(names(asking_for(ledger, QueryDict("&".join(f"c=m.{key}" for key in keys)), keys))) == 501


def test_whether_an_instance_is_established_is_what_the_census_says(ledger):
    for first, last, exclusion in (
        (DAY, MINUTE, ""),
        (DAY, DAY, ""),
        (DAY * 2, MINUTE, "manual"),
        (DAY * 70, DAY * 60, ""),
    ):
        instance(ledger, {NOW - first - MINUTE: {}, NOW - last: {}}, exclusion=exclusion)
    made = asking_for(ledger, {"c": "established", "sort": "-established"})

    shown = [made.value(row, made.columns[-1]) for row in made.rows()]

    assert shown == [True, False, False, False]
    assert sum(shown) == taking.present(ledger, NOW).established


# The default view


def test_an_address_that_asks_for_nothing_shows_the_default_view(ledger):
    default = "f.plan=pro&c=m.plan&sort=id"
    made = asking_for(ledger, {"metric": "users", "period": "7d"}, ["plan"], default=default)

    assert made.is_default
    assert made.saved_query == default
    assert names(made) == ["id", "m.plan"]
    assert QueryDict(made.address()[1:]) == QueryDict(f"{default}&metric=users&period=7d")


@pytest.mark.parametrize("query", ["state=all", "q=x", "page=2", "f.a=", "c=id", "sort=id", "min.a=1"])
def test_an_address_that_asks_for_anything_does_not(ledger, query):
    assert not asking_for(ledger, QueryDict(query), default="f.plan=pro").is_default


def test_the_last_condition_of_a_default_view_can_be_taken_away(ledger):
    made = asking_for(ledger, {}, default="f.plan=pro")

    assert made.address_without("f.plan", "pro") == "?state=all"
    assert made.address(**{"f.plan": "x"}) == "?f.plan=x"
