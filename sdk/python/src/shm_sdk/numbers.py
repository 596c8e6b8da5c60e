"""Makes of whatever a provider returns what may be sent: JSON that every server takes, within bounds. Pure."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from typing import Any

MAX_BYTES = 48 * 1024  # A server takes bodies of 64 KiB; the rest is room for what else is in one.
MAX_KEYS = 500  # More are not counted.
MAX_DEPTH = 8
MAX_TEXT = 200  # Characters of a text that is counted; a longer one is likely a mistake, or somebody's data.


class Nonsense(Exception):
    """A value that cannot be sent. The text says what it is."""


def cleaned(given: Any) -> tuple[dict[str, Any], list[str]]:
    """What can be sent of it, and what cannot, each as "key: why". Never raises on account of what it is given."""
    left_out: list[str] = []
    if not isinstance(given, Mapping):
        return {}, [f"all: a dict of names and numbers is needed, and this is {_kind(given)}"]
    kept: dict[str, Any] = {}
    room, size = MAX_KEYS, 2
    try:
        for name, value in given.items():
            if room <= 0 or size > MAX_BYTES:
                left_out.append(
                    f"{_shown(name)} and all after it: more than {MAX_KEYS} keys or {MAX_BYTES // 1024} KiB"
                )
                break
            try:
                key, leaf = _key(name), _value(value, MAX_DEPTH)
                cost = len(json.dumps(leaf)) + len(key) + 5
                if size + cost > MAX_BYTES or _leaves(leaf) > room:
                    raise Nonsense("too much: send fewer or shorter values")
            except Nonsense as error:
                left_out.append(f"{_shown(name)}: {error}")
            except Exception as error:  # Its own methods may raise anything.
                left_out.append(f"{_shown(name)}: {_kind(error)} while reading it")
            else:
                kept[key] = leaf
                room -= _leaves(leaf)
                size += cost
    except Exception as error:  # A mapping of its own kind may do anything.
        left_out.append(f"the rest: {_kind(error)} while reading it")
    return kept, left_out


def _key(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise Nonsense(f"a name has to be a text, and this is {_kind(name)}")
    if len(name) > MAX_TEXT:
        raise Nonsense(f"a name has at most {MAX_TEXT} characters")
    return _text(name)


def _value(value: Any, depth: int) -> Any:
    """The value as json.dumps takes it. Raises Nonsense, and what the value's own methods raise."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise Nonsense(f"a text has at most {MAX_TEXT} characters")
        return _text(value)
    if isinstance(value, (Mapping, list, tuple)):
        if depth == 0:
            raise Nonsense(f"nested deeper than {MAX_DEPTH} levels")
        if len(value) > MAX_KEYS:
            raise Nonsense(f"more than {MAX_KEYS} values")
        if isinstance(value, Mapping):
            return {_key(name): _value(inner, depth - 1) for name, inner in value.items()}
        return [_value(inner, depth - 1) for inner in value]
    return _number(value)


def _number(value: Any) -> int | float:
    """Numbers of any library (Decimal, Fraction, numpy's) as Python's own. Raises Nonsense, and what they raise."""
    try:
        whole = int(operator.index(value))
    except TypeError:
        pass
    else:
        if whole.bit_length() > 1023:
            raise Nonsense("a number beyond what a server can hold")
        return whole
    if not hasattr(value, "__float__") or isinstance(value, complex):
        raise Nonsense(f"{_kind(value)} is no number, text, list or dict")
    number = float(value)
    if not math.isfinite(number):
        raise Nonsense("NaN and infinities mean nothing")
    return number


def _text(text: str) -> str:
    """Without what servers refuse: a NUL, and halves of surrogate pairs, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values())) or 1
    return 1


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


def _shown(name: Any) -> str:
    return repr(name)[:60] if isinstance(name, str) else _kind(name)
