"""What all detectors have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable

from instances.keywords import Context

# Where in a text something begins and ends.
Span = tuple[int, int]
Detector = Callable[[str, Context], Span | None]


def has(text: str, *parts: str) -> bool:
    """Whether one of these is in the text: much sooner said than by the pattern that needs one of them."""
    return any(part in text for part in parts)
