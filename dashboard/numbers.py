"""How numbers are written. Pure."""

from decimal import Decimal

Number = int | float
SUFFIXES = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3))
# Beyond this a power of ten says more than a row of digits does.
LARGEST_WRITTEN_OUT = 10**15


def compact(value: Number) -> str:
    """At a glance: 950, 12.3k, 4.56M, 0.125; three significant digits, never rounded to zero."""
    magnitude = abs(value)
    # 999.6 would be written as 1000, and so on: hence the bounds a little below.
    if magnitude >= LARGEST_WRITTEN_OUT * 0.9995:
        return _power(value)
    for suffix, scale in SUFFIXES:
        if magnitude >= scale * 0.9995:
            return f"{_three_digits(value / scale)}{suffix}"
    return _three_digits(value)


def exact(value: Number) -> str:
    """All of it: 1,234,567 or 0.1 as Python writes a double; integers whole, however large."""
    if isinstance(value, int):
        return f"{value:,}"
    if value.is_integer() and abs(value) < LARGEST_WRITTEN_OUT:
        return f"{int(value):,}"
    return repr(value)


def _three_digits(value: Number) -> str:
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:.0f}"
    if magnitude >= 10:
        return _trimmed(f"{value:.1f}")
    if magnitude >= 1:
        return _trimmed(f"{value:.2f}")
    return f"{value:.3g}"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _power(value: Number) -> str:
    # Decimal takes integers beyond a double, which a sum may be.
    return f"{Decimal(value):.2e}".replace("e+", "e")


def change(before: Number, after: Number) -> str:
    """By how much `after` differs from `before`, as a signed percentage; "" where that says nothing (from zero)."""
    if before == 0:
        return ""
    percent = (Decimal(after) - Decimal(before)) / abs(Decimal(before)) * 100
    if abs(percent) > 999:
        return "> +999 %" if percent > 0 else "< −999 %"
    rounded = f"{percent:+.1f}" if abs(percent) < 10 else f"{percent:+.0f}"
    return "± 0 %" if float(rounded) == 0 else f"{rounded.replace('-', '−')} %"
