"""What looks personal in what an instance says of itself when it registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.dispatch import Signal

from instances.personal import Kind, kind_of

# Sent with application_id, findings ([(field, kind)]) and now. A signal, because this app imports none of those that
# build on it.
found_in_registration = Signal()

# A name is the developers' and not the users' choice, and may look like a host's or like a number: only what can be no
# name is none.
_NO_NAME = {Kind.EMAIL, Kind.URL, Kind.SECRET, Kind.HOME}


def is_name(text: str) -> bool:
    """Whether a text can be an application's name."""
    return kind_of(text) not in _NO_NAME


def without_personal_data(
    data: Mapping[str, Any], fields: Iterable[str]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The data with a marker in the place of what looks personal in these fields, and the findings."""
    found = {field: kind for field in fields if (kind := kind_of(data[field], field))}
    clean = {**data, **{field: kind.marker for field, kind in found.items()}}
    return clean, [(field, kind.value) for field, kind in found.items()]
