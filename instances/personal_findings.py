"""What looks personal in what an instance says of itself when it registers."""

from __future__ import annotations

from collections.abc import Mapping

from django.dispatch import Signal

from instances.personal import Kind, kind_of

# Sent with application_id, found (Kind by field) and now; whoever hears it returns the fields that are to be kept all
# the same. A signal, because this app imports none of those that build on it.
found_in_registration = Signal()

# A name is the developers' and not the users' choice, and may look like a host's or like a number: only what can be no
# name is none.
_NO_NAME = {Kind.EMAIL, Kind.URL, Kind.SECRET, Kind.HOME}


def is_name(text: str) -> bool:
    """Whether a text can be an application's name."""
    return kind_of(text) not in _NO_NAME


def personal_fields(description: Mapping[str, str]) -> dict[str, Kind]:
    """Those whose text looks personal, and like what."""
    return {field: kind for field, text in description.items() if (kind := kind_of(text, field))}
