"""Whatever a provider returns, what is sent is JSON that every server takes, and what is not sent is said."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, UserDict, namedtuple
from datetime import datetime, timezone
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest

from shm_sdk.numbers import MAX_BYTES, MAX_KEYS, cleaned


class Level(IntEnum):
    HIGH = 3


class Like:
    """A number of some library."""

    def __float__(self) -> float:
        return 2.5


class Hostile:
    def __index__(self) -> int:
        raise ZeroDivisionError

    __float__ = __index__


class HostileDict(UserDict):
    def items(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (0, 0),
        (True, True),
        (None, None),
        (-1.5, -1.5),
        (2**70, 2**70),
        ("sqlite", "sqlite"),
        ("a\0b", "ab"),
        ("\ud800", "?"),
        (Decimal("1.25"), 1.25),
        (Fraction(1, 4), 0.25),
        (Level.HIGH, 3),
        (Like(), 2.5),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (OrderedDict(a=1), {"a": 1}),
        ((1, "b"), [1, "b"]),
        (namedtuple("P", "x y")(1, 2), [1, 2]),
    ],
)
def test_what_is_sent(value, sent):
    kept, left_out = cleaned({"key": value, "other": 1})

    assert kept == {"key": sent, "other": 1}
    assert type(kept["key"]) is type(sent)
    assert left_out == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "NaN"),
        (math.inf, "NaN and inf"),
        (Decimal("Infinity"), "NaN and inf"),
        (Decimal("sNaN"), "ValueError"),
        (10**400, "beyond"),
        (Fraction(10**400, 1), "OverflowError"),
        (b"1", "a bytes"),
        ({1, 2}, "a set"),
        (object(), "a object"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), "a datetime"),
        (1j, "a complex"),
        (print, "a builtin_function_or_method"),
        (Hostile(), "ZeroDivisionError"),
        ("x" * 201, "at most 200"),
        ([b""], "a bytes"),
        ({"a": math.nan}, "NaN"),
        ({"a": HostileDict(b=1)}, "ZeroDivisionError"),
        ({1: 2}, "a int"),
        (list(range(1000)), "more than 500"),
    ],
)
def test_what_is_left_out_alone_and_why(value, why):
    kept, (said,) = cleaned({"key": value, "other": 1})

    assert kept == {"other": 1}
    assert "key" in said
    assert why in said


@pytest.mark.parametrize(
    ("given", "why"),
    [(None, "a NoneType"), (7, "a int"), ("text", "a str"), ([("a", 1)], "a list"), (object(), "object")],
)
def test_what_is_no_dict_is_nothing(given, why):
    kept, (said,) = cleaned(given)

    assert kept == {}
    assert why in said


@pytest.mark.parametrize("name", ["", 7, None, b"key", ("a",), "x" * 201])
def test_names_are_texts(name):
    kept, (_,) = cleaned({name: 1, "other": 1})

    assert kept == {"other": 1}


def test_what_refers_to_itself_is_left_out():
    circle: dict = {}
    circle["again"] = circle

    kept, (said,) = cleaned({"circle": circle, "other": 1})

    assert kept == {"other": 1}
    assert "deeper" in said


def test_a_mapping_that_throws_loses_no_more_than_itself():
    kept, (said,) = cleaned(HostileDict(a=1))

    assert kept == {}
    assert "ZeroDivisionError" in said


def test_more_keys_than_are_counted_are_not_sent():
    kept, (said,) = cleaned({f"key_{number:05d}": number for number in range(100_000)})

    assert list(kept) == [f"key_{number:05d}" for number in range(MAX_KEYS)]
    assert "key_00500" in said


def test_more_than_a_server_takes_is_not_sent():
    kept, left_out = cleaned({f"key_{number}": ["x" * 200] * 100 for number in range(20)})

    assert 0 < len(json.dumps(kept)) <= MAX_BYTES
    assert left_out


def test_an_endless_mapping_ends():
    class Endless(UserDict):
        def items(self):
            number = 0
            while True:
                yield f"key_{number}", number
                number += 1

    kept, _ = cleaned(Endless())

    assert len(kept) == MAX_KEYS
