"""How numbers are written: by their unit, in the reader's language. Pure.

What is written on the server and what static/dashboard/numbers.js writes in the browser is the same to the letter: both
follow number_rules.js, and a test hands both the same numbers. Sizes go by powers of ten (kB, MB, GB): so the digits of
"6.5 GB" are those of 6,500,000,000, the scale of a chart's axis falls on whole numbers of them, and what is sent as MB
is not taken for something else.
"""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

Number = int | float
# Beyond this a power of ten says more than a row of digits does; and so it does below that.
LARGEST_WRITTEN_OUT = 10**15
SMALLEST_WRITTEN_OUT = 1e-4
LARGEST_SIZE = 1e30
MINUS = "−"

_FILE = Path(__file__).parent / "static" / "dashboard" / "number_rules.js"
_RULES: dict[str, Any] = json.loads(_FILE.read_text("utf-8").removeprefix("export default ").rstrip().rstrip(";"))
SIZES: dict[str, int] = _RULES["sizes"]
TIMES: dict[str, float] = _RULES["times"]
CURRENCIES: dict[str, int] = _RULES["currencies"]
# As JavaScript rounds: to the nearest, and what lies between two away from zero.
_THREE_DIGITS = Context(prec=3, rounding=ROUND_HALF_UP)


class Locale:
    """The signs and words of one language."""

    def __init__(self, rules: dict[str, Any]) -> None:
        self.decimal: str = rules["decimal"]
        self.group: str = rules["group"]
        self.space: str = rules["space"]
        self.before_suffix: str = rules["beforeSuffix"]
        self.symbol_first: bool = rules["symbolFirst"]
        self.suffixes: list[str] = rules["suffixes"]
        self.sizes: list[str] = rules["sizes"]
        self.times: dict[str, str] = rules["times"]


LOCALES = {name: Locale(rules) for name, rules in _RULES["locales"].items()}


@lru_cache
def locale_of(language: str) -> Locale:
    """The rules of a language; of English for one that has none."""
    return LOCALES.get(language.partition("-")[0].lower(), LOCALES["en"])


def write(value: Number, unit: str = "number", language: str = "en") -> str:
    """At a glance, in three significant digits and never rounded to zero: 12.3k, 6.5 GB, 3 h 12 min, 95.3 %, €4.56M."""
    return _signed(_write(abs(value), unit, locale_of(language)), value)


def _write(magnitude: Number, unit: str, locale: Locale) -> str:
    if unit in SIZES:
        return _size(magnitude, SIZES[unit], locale)
    if unit in TIMES:
        return _time(magnitude, unit, locale)
    if unit in CURRENCIES:
        return _with_symbol(_amount(magnitude, CURRENCIES[unit], locale), unit, locale)
    if unit == "percent":
        return f"{_compact(magnitude, locale)}{locale.space}%"
    # Beyond that a ratio is no ratio, and its hundredfold may be no double.
    if unit == "ratio" and magnitude < LARGEST_WRITTEN_OUT:
        return f"{_compact(magnitude * 100, locale)}{locale.space}%"
    return _compact(magnitude, locale)


def exact(value: Number, unit: str = "number", language: str = "en") -> str:
    """All of it, as it is sent: 1,234,567, 6,500,000,000 B, 12,345.6 s; integers whole, however large."""
    locale = locale_of(language)
    if unit == "ratio":
        value, unit = (_hundredfold(value), "percent") if abs(value) < LARGEST_WRITTEN_OUT else (value, "number")
    digits = _digits(value, locale)
    if unit in SIZES:
        digits += locale.space + locale.sizes[SIZES[unit]]
    elif unit in TIMES:
        digits += locale.space + locale.times[unit]
    elif unit in CURRENCIES:
        whole, point, rest = digits.partition(locale.decimal)
        # As prices are: 12.50 and not 12.5.
        rest = rest.ljust(CURRENCIES[unit], "0") if point and "e" not in rest else rest
        digits = _with_symbol(whole + point + rest, unit, locale)
    elif unit == "percent":
        digits += locale.space + "%"
    return _signed(digits, value)


def sign(unit: str, language: str = "en") -> str:
    """What stands for a unit where the numbers come without it, as in the head of a column: B, s, %, EUR. "" for plain
    numbers and for ratios, which are such."""
    locale = locale_of(language)
    if unit in SIZES:
        return locale.sizes[SIZES[unit]]
    if unit in TIMES:
        return locale.times[unit]
    return unit if unit in CURRENCIES else "%" if unit == "percent" else ""


def compact(value: Number, language: str = "en") -> str:
    """A plain number at a glance: 950, 12.3k, 4.56M, 7.8bn, 0.125."""
    return write(value, "number", language)


def share(part: float, language: str = "en") -> str:
    """A share of 0 to 1 in whole percents; less than half a percent is said to be so instead of rounded to nothing."""
    space = locale_of(language).space
    return f"<{space}1{space}%" if 0 < part < 0.005 else f"{part * 100:.0f}{space}%"


def change(before: Number, after: Number, language: str = "en") -> str:
    """By how much `after` differs from `before`, as a signed percentage; "" where that says nothing (from zero)."""
    if before == 0:
        return ""
    locale = locale_of(language)
    percent = (Decimal(after) - Decimal(before)) / abs(Decimal(before)) * 100
    if abs(percent) > 999:
        text = "> +999 %" if percent > 0 else f"< {MINUS}999 %"
    else:
        rounded = f"{percent:+.1f}" if abs(percent) < 10 else f"{percent:+.0f}"
        text = "± 0 %" if float(rounded) == 0 else f"{rounded.replace('-', MINUS).replace('.', locale.decimal)} %"
    return text.replace(" ", locale.space)


def power(value: Number) -> str:
    """In powers of ten, which holds integers beyond a double as well, as a sum may be: 1.23e400."""
    return f"{_THREE_DIGITS.create_decimal(value):.2e}".replace("e+", "e")


def _signed(text: str, value: Number) -> str:
    return MINUS + text if value < 0 else text


def _compact(magnitude: Number, locale: Locale) -> str:
    # 999.6 would be written as 1000, and so on: hence the bounds a little below.
    if magnitude >= LARGEST_WRITTEN_OUT * 0.9995:
        return power(magnitude).replace(".", locale.decimal)
    for place in (4, 3, 2, 1):
        if magnitude >= 1000**place * 0.9995:
            return _three(magnitude / 1000**place, locale) + locale.before_suffix + locale.suffixes[place - 1]
    return _three(magnitude, locale)


def _three(magnitude: Number, locale: Locale) -> str:
    """Of less than 1000, three digits without zeros at the end."""
    if 0 < magnitude < SMALLEST_WRITTEN_OUT:
        return power(magnitude).replace(".", locale.decimal)
    text = format(_THREE_DIGITS.create_decimal(magnitude), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", locale.decimal)


def _size(magnitude: Number, place: int, locale: Locale) -> str:
    """In the unit that it fills, whichever it is sent in."""
    last = len(locale.sizes) - 1
    while place < last and 999.5 <= magnitude < LARGEST_SIZE:
        magnitude, place = magnitude / 1000, place + 1
    while place > 0 and 0 < magnitude < 0.9995:
        magnitude, place = magnitude * 1000, place - 1
    return f"{_compact(magnitude, locale)}{locale.space}{locale.sizes[place]}"


def _time(magnitude: Number, unit: str, locale: Locale) -> str:
    """In one unit below a minute and above a hundred days, in two between: 350 ms, 12.3 s, 3 h 12 min, 4 d 6 h."""
    if magnitude >= LARGEST_WRITTEN_OUT:
        return f"{_compact(magnitude, locale)}{locale.space}{locale.times[unit]}"
    seconds = magnitude * TIMES[unit]
    if seconds < 59.95:
        for name, scale, bound in (("seconds", 1, 0.9995), ("milliseconds", 1e3, 0.9995e-3), ("microseconds", 1e6, 0)):
            if seconds == 0 or seconds >= bound:
                return f"{_three(seconds * scale, locale)}{locale.space}{locale.times[name]}"
    for large, small, step, few in (
        ("minutes", "seconds", 1, 60),
        ("hours", "minutes", 60, 60),
        ("days", "hours", 3600, 24),
    ):
        whole = int(seconds / step + 0.5)
        if whole < few * (100 if large == "days" else {"minutes": 60, "hours": 24}[large]):
            parts = [(whole // few, large), (whole % few, small)]
            return locale.space.join(f"{count}{locale.space}{locale.times[name]}" for count, name in parts if count)
    return f"{_compact(seconds / 86400, locale)}{locale.space}{locale.times['days']}"


def _amount(magnitude: Number, digits: int, locale: Locale) -> str:
    """Of money: as prices are below a thousand, compact above."""
    if magnitude >= 999.5 or 0 < magnitude < 0.01 or not digits:
        return _compact(magnitude, locale)
    cents = Decimal(magnitude).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return str(cents).removesuffix(".00").replace(".", locale.decimal)


def _with_symbol(text: str, currency: str, locale: Locale) -> str:
    """€4.56M, CHF 4.56M; 4,56 M€, 4,56 M CHF."""
    symbol: str = _RULES["symbols"].get(currency, currency)
    if locale.symbol_first:
        return f"{symbol}{locale.space if symbol == currency else ''}{text}"
    # After a letter a sign is read with it, as in M€; after a figure it stands apart.
    return f"{text}{'' if text[-1].isalpha() and symbol != currency else locale.space}{symbol}"


def _digits(value: Number, locale: Locale) -> str:
    """All digits of a magnitude, in groups of three; only the very large and small ones as a power of ten."""
    if isinstance(value, int):
        whole, rest = str(abs(value)), ""
    else:
        # Of all that read back as this number the shortest, as JavaScript writes it.
        shortest = Decimal(repr(abs(value)))
        if value and not 1e-6 <= abs(value) < 1e21:
            mantissa, _, exponent = repr(abs(value)).partition("e")
            return f"{mantissa.replace('.', locale.decimal)}e{int(exponent):+d}"
        whole, _, rest = format(shortest, "f").partition(".")
    rest = rest.rstrip("0")
    return f"{int(whole):,}".replace(",", locale.group) + (locale.decimal + rest if rest else "")


def _hundredfold(value: Number) -> Number:
    """A ratio as a percentage, without the last bits that a multiplication by 100 would leave."""
    return value * 100 if isinstance(value, int) else float(Decimal(repr(value)).scaleb(2))
