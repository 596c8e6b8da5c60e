"""Flattened metrics: nested objects become dotted paths. Pure."""

from collections.abc import Callable
from typing import Any

from metrics import bounds

Scalar = int | float | str | bool


def flatten(metrics: dict[str, Any]) -> dict[str, Any]:
    """Every leaf by its path: {"db": {"size_mb": 12}} becomes {"db.size_mb": 12}.

    Leaves are whatever is no object: numbers, strings, booleans, nulls and arrays, as they are. An empty object has
    none. Where two ways lead to one path ("a.b" beside {"a": {"b": ...}}), the first one sent stays.
    """
    flat: dict[str, Any] = {}
    stack = [("", iter(metrics.items()))]
    while stack:
        prefix, items = stack[-1]
        for key, value in items:
            if isinstance(value, dict):
                stack.append((f"{prefix}{key}.", iter(value.items())))
                break
            flat.setdefault(f"{prefix}{key}", value)
        else:
            stack.pop()
    return flat


def without(metrics: dict[str, Any], is_left_out: Callable[[str], bool], prefix: str = "") -> dict[str, Any]:
    """The metrics in their own shape, less the leaves of these paths."""
    return {
        key: without(value, is_left_out, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in metrics.items()
        if isinstance(value, dict) or not is_left_out(f"{prefix}{key}")
    }


def scalars(metrics: dict[str, Any]) -> dict[str, Scalar]:
    """The leaves that are a metric or a dimension, within what is counted (metrics.bounds): numbers, strings and
    booleans. Whatever counts a snapshot, when it arrives or years later, counts these."""
    leaves = flatten(metrics).items()
    return bounds.first_keys(
        {path: leaf for path, leaf in leaves if isinstance(leaf, (int, float, str)) and bounds.is_counted(path, leaf)}
    )


def is_number(value: object) -> bool:
    """Whether a leaf is a metric. A boolean is none, although Python calls it an integer."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
