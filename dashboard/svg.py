"""Badges as SVG, in the flat shape and with the colours and texts that SHM's have. Pure."""

import re
from dataclasses import dataclass
from html import escape

from dashboard.numbers import LARGEST_WRITTEN_OUT, Number, power

GREEN, BLUE, YELLOW, RED = "#00D084", "#3B82F6", "#F59E0B", "#EF4444"
PURPLE, GRAY, INDIGO, LABEL = "#8B5CF6", "#6B7280", "#6366F1", "#555"
MAX_TEXT = 60
# Verdana at 11 px takes about so much a character.
CHARACTER_WIDTH, PADDING = 7, 10

_COLOR = re.compile(r"#?((?:[0-9a-fA-F]{3}){1,2})")
# What XML 1.0 cannot hold, escaped or not, and what would turn the text around.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Badge:
    label: str
    value: str
    color: str

    def svg(self) -> str:
        label, value = _text(self.label), _text(self.value)
        left = len(label) * CHARACTER_WIDTH + PADDING
        right = len(value) * CHARACTER_WIDTH + PADDING
        label, value = escape(label), escape(value)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
            f'aria-label="{label}: {value}"><title>{label}: {value}</title>'
            f'<rect width="{left}" height="20" fill="{LABEL}"/>'
            f'<rect x="{left}" width="{right}" height="20" fill="{self.color}"/>'
            '<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" '
            'text-rendering="geometricPrecision" font-size="11">'
            f"{_shadowed(left // 2, label)}{_shadowed(left + right // 2, value)}</g></svg>"
        )


def _shadowed(x: int, text: str) -> str:
    return f'<text x="{x}" y="15" fill="#010101" fill-opacity=".3">{text}</text><text x="{x}" y="14">{text}</text>'


def _text(text: str) -> str:
    text = _UNWRITABLE.sub("", text)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def color_or(wanted: str, default: str) -> str:
    """The colour asked for, three or six hex digits with or without a #; the default if it is none."""
    match = _COLOR.fullmatch(wanted)
    return f"#{match[1]}" if match else default


def instances_color(count: int) -> str:
    return GREEN if count >= 10 else YELLOW if count >= 5 else RED


def metric_color(value: Number) -> str:
    return GREEN if value >= 1000 else BLUE if value >= 100 else YELLOW if value > 0 else GRAY


def number(value: Number) -> str:
    """SHM's notation: 950, 12.5, 12.3k, 4.6M, 7.8B."""
    magnitude = abs(value)
    if magnitude >= LARGEST_WRITTEN_OUT:
        return power(value)
    for suffix, scale in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        # 999,950 would be written as 1000.0k.
        if magnitude >= scale * (0.99995 if suffix != "k" else 1):
            return f"{value / scale:.1f}{suffix}"
    return str(int(value)) if value == int(value) else f"{value:.1f}"
