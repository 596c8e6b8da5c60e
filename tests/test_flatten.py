import pytest

from metrics.flatten import flatten, is_number, scalars, without


def test_it_joins_the_keys_of_nested_objects_with_dots():
    assert flatten({"users": 1, "db": {"size_mb": 12, "pool": {"open": 3}}}) == {
        "users": 1,
        "db.size_mb": 12,
        "db.pool.open": 3,
    }


def test_it_keeps_the_order_in_which_leaves_were_sent():
    assert list(flatten({"z": {"b": 1, "a": 2}, "m": 3, "a": {"c": {"d": 4}, "b": 5}})) == [
        "z.b",
        "z.a",
        "m",
        "a.c.d",
        "a.b",
    ]


def test_it_keeps_arrays_and_nulls_as_leaves():
    assert flatten({"a": [1, {"b": 2}], "c": {"d": None}}) == {"a": [1, {"b": 2}], "c.d": None}


def test_it_finds_no_leaf_in_an_empty_object():
    assert flatten({}) == flatten({"a": {}, "b": {"c": {}}}) == {}


@pytest.mark.parametrize(
    ("metrics", "kept"),
    [({"a.b": 1, "a": {"b": 2}}, 1), ({"a": {"b": 2}, "a.b": 1}, 2), ({"a": {"b": 2, "": 5}, "a.b": 1}, 2)],
)
def test_it_keeps_the_first_of_two_ways_to_one_path(metrics, kept):
    assert flatten(metrics)["a.b"] == kept


def test_it_flattens_odd_keys():
    assert flatten({"": {"": 1}, "key with.dots": -7, "é": {"😀": 2}}) == {".": 1, "key with.dots": -7, "é.😀": 2}


def test_it_flattens_deeply_without_recursion():
    metrics: dict = {"leaf": 1}
    for _ in range(5000):
        metrics = {"a": metrics}

    assert list(flatten(metrics).values()) == [1]


def test_scalars_are_numbers_strings_and_booleans():
    metrics = {"i": 1, "f": 0.5, "s": "x", "t": True, "n": None, "l": [1], "o": {"i": 0, "n": None}, "e": {}}

    assert scalars(metrics) == {"i": 1, "f": 0.5, "s": "x", "t": True, "o.i": 0}


@pytest.mark.parametrize("value", [0, -1, 2**70, 0.5, -0.0])
def test_numbers_are_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize("value", [True, False, "1", None, [1], {}])
def test_nothing_else_is_a_number(value):
    assert not is_number(value)


def test_leaves_can_be_left_out_of_their_shape():
    metrics = {"a": {"b": 1, "c": {"d": [2]}}, "a.b": 3, "e": None, "": {"": 4}}

    assert without(metrics, {"a.b", "e", "."}.__contains__) == {"a": {"c": {"d": [2]}}, "": {}}
    assert without(metrics, set().__contains__) == metrics
