"""The wire format: JSON with nothing in it that cannot be held exactly, RFC 3339 times, canonical UUIDs.

Pure: bytes and strings in, values or Malformed out.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn
from uuid import UUID

MAX_DEPTH = 64
# A double's range ends at 1.8e308, so an integer of more digits lies beyond it whatever they are.
_MAX_INTEGER_DIGITS = 309
_LARGEST_DOUBLE = int(float.fromhex("0x1.fffffffffffffp+1023"))

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
# The only ways in which a NUL or a lone surrogate can get into a string of valid UTF-8 JSON.
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Malformed(ValueError):
    """Something that the wire format does not allow. `code` is stable, the message says what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse_json(body: bytes) -> Any:
    """The value of one JSON text in UTF-8, with integers exact and lone surrogates replaced by U+FFFD.

    Raises Malformed for all that is not JSON (RFC 8259), and for what is but cannot be held or means nothing: NUL
    characters, numbers beyond a double's range, NaN and infinities, a key given twice, nesting beyond MAX_DEPTH.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("invalid_utf8", f"The body is not UTF-8 at byte {error.start}. Encode it as UTF-8.") from error
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
        )
    except Malformed:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Malformed("invalid_json", f"The body is not JSON: {error}. Send one JSON value.") from error
    # Fewer opening brackets than the bound cannot nest deeper than it, and most bodies end their check here.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    if _SUSPICIOUS_ESCAPE.search(body):
        value = _clean(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed("duplicate_key", f"The key {_shown(twice)} is given twice in one object. Send it once.")
    return result


def _float(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise _out_of_range(literal)
    return value


def _integer(literal: str) -> int:
    if len(literal) > _MAX_INTEGER_DIGITS + 1 or abs(value := int(literal)) > _LARGEST_DOUBLE:
        raise _out_of_range(literal)
    return value


def _constant(literal: str) -> NoReturn:
    raise Malformed("invalid_number", f"{literal} is no JSON number. Send null, or leave the key out.")


def _out_of_range(literal: str) -> Malformed:
    return Malformed("invalid_number", f"The number {literal[:20]}… is beyond a double's range. Send a smaller one.")


def _too_deep() -> Malformed:
    return Malformed("too_deep", f"The body nests deeper than {MAX_DEPTH} levels. Send flatter JSON.")


def _shown(key: str) -> str:
    return json.dumps(key if len(key) <= 60 else key[:60] + "…")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
    # What is left stands inside of MAX_DEPTH others; an empty object or list in there is a level too many as well.
    if any(isinstance(item, (dict, list)) for item in level):
        raise _too_deep()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if "\0" in value:
            raise Malformed("nul_character", "A string holds a NUL character (\\u0000). Leave it out.")
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return _object([(_clean(key), _clean(item)) for key, item in value.items()])
    return value


def parse_uuid(text: Any) -> UUID | None:
    """The UUID in its canonical form of 36 characters, in either case; None for anything else."""
    return UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None


def parse_timestamp(text: Any) -> datetime:
    """An RFC 3339 time as UTC. Digits beyond the microsecond are cut off, as neither database holds them."""
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _bad_timestamp()
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    try:
        if int(offset_minutes or 0) > 59:
            raise ValueError
        zone = timezone(-offset if sign == "-" else offset)
        date = int(year), int(month), int(day)
        return datetime(*date, int(hour), int(minute), int(second), microsecond, zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _bad_timestamp() from error


def _bad_timestamp() -> Malformed:
    return Malformed(
        "invalid_timestamp", "timestamp is no RFC 3339 time. Send one such as 2026-11-22T08:56:17.400181551Z."
    )


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
