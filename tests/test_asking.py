"""What an address asks the instance table for: read once, kept in one order, and never an error."""

import pytest

from dashboard.asking import MOST_VALUES, Asked, Known, is_about_table, number, replaced, without

KNOWN = Known(
    states=frozenset({"active", "silent"}),
    columns=frozenset({"id", "app_version", "m.users"}),
    is_hidden=lambda key: key == "secret",
)


def asked(*parameters):
    return Asked.of(parameters, KNOWN)


def test_it_keeps_what_means_something_each_once_and_in_one_order():
    read = asked(
        ("sort", "-m.users"),
        ("f.plan", "pro"),
        ("f.plan", "free"),
        ("f.plan", "pro"),
        ("state", "silent"),
        ("c", "m.users"),
        ("max.users", "9"),
        ("min.users", "5"),
        ("q", " linux "),
    )

    assert read.pairs == (
        ("q", "linux"),
        ("state", "silent"),
        ("f.plan", "pro"),
        ("f.plan", "free"),
        ("min.users", "5"),
        ("max.users", "9"),
        ("c", "m.users"),
        ("sort", "-m.users"),
    )
    assert read.ignored == ()
    assert asked(*read.pairs) == read


def test_it_tells_what_means_nothing_and_says_nothing_of_other_parameters():
    read = asked(("state", "asleep"), ("min.users", "many"), ("c", "m.gone"), ("metric", "users"), ("period", "x"))

    assert read.pairs == ()
    assert read.ignored == (("state", "asleep"), ("min.users", "many"), ("c", "m.gone"))


@pytest.mark.parametrize(
    "parameter",
    [("state", ""), ("state", "all"), ("min.users", ""), ("q", "  "), ("sort", "sideways"), ("c", ""), ("f", "x")],
)
def test_an_empty_field_and_any_order_are_no_mistake(parameter):
    assert asked(parameter) == Asked()


@pytest.mark.parametrize(
    "parameter",
    [("f.secret", "x"), ("min.secret", "1"), ("max.secret", "1"), ("c", "m.secret"), ("sort", "-m.secret")],
)
def test_a_hidden_key_can_be_asked_nothing_and_is_not_named(parameter):
    assert asked(parameter) == Asked()


@pytest.mark.parametrize("key", ["", ".", "a.b", "f.", "min.x", "größe", "'\"\\%s", "[0]", "x" * 200])
def test_any_key_may_be_asked_for(key):
    read = asked((f"f.{key}", "a"), (f"min.{key}", "1"))

    assert read.by_key("f.") == {key: ["a"]}
    assert read.by_key("min.") == {key: ["1"]}


def test_an_empty_value_is_one_and_spaces_are_part_of_it():
    assert asked(("f.plan", ""), ("f.plan", " pro ")).by_key("f.") == {"plan": ["", " pro "]}


def test_what_is_longer_than_anything_that_is_counted_means_nothing():
    assert asked(("f.plan", "x" * 201)).pairs == asked((f"f.{'x' * 201}", "pro")).pairs == ()
    assert asked(("q", "x" * 5000)).pairs == (("q", "x" * 100),)


def test_there_is_a_bound_on_how_much_is_asked():
    many = [("f.plan", str(value)) for value in range(MOST_VALUES + 5)]

    assert asked(*many).pairs == tuple(many[:MOST_VALUES])
    assert asked(*many).ignored == tuple(many[MOST_VALUES:])


def test_nul_is_left_out():
    assert asked(("q", "a\0b"), ("f.plan", "p\0ro")).pairs == (("q", "ab"), ("f.plan", "pro"))
    assert asked(("f.pl\0an", "pro")).pairs == ()


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-0.5", -0.5), ("1e3", 1000), (" 7 ", 7), ("1_000", 1000), ("9" * 40, 1e40)]
)
def test_a_number_is_read_as_such(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "x", "1e999", "-inf", "nan", "0x10", "1,5", "9" * 41])
def test_anything_else_is_no_number(text):
    assert number(text) is None


def test_conditions_are_what_may_leave_instances_out():
    read = asked(("q", "a"), ("state", "active"), ("f.a", "b"), ("min.a", "1"), ("c", "id"), ("sort", "id"))

    assert [name for name, _ in read.conditions] == ["q", "state", "f.a", "min.a"]


def test_pairs_are_taken_away_and_replaced():
    pairs = [("f.a", "1"), ("f.a", "2"), ("sort", "id")]

    assert without(pairs, ("f.a", "1")) == [("f.a", "2"), ("sort", "id")]
    assert replaced(pairs, {"f.a": ["3"], "state": ["active"]}) == [("sort", "id"), ("f.a", "3"), ("state", "active")]


def test_it_knows_what_is_about_the_table():
    assert all(map(is_about_table, ["q", "state", "f.", "f.x", "min.x", "max.x", "c", "sort"]))
    assert not any(map(is_about_table, ["metric", "period", "page", "f", "fx", "download", "min"]))
