"""The wire format, on its own: bytes and strings in, values or Malformed out."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from instances.wire import Malformed, format_timestamp, parse_json, parse_timestamp, parse_uuid

LARGEST_DOUBLE = int(float.fromhex("0x1.fffffffffffffp+1023"))


def refusal(body):
    with pytest.raises(Malformed) as caught:
        parse_json(body)
    assert caught.value.detail.endswith(".")
    return caught.value.code


# JSON: what is taken


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b"[]", []),
        (b"null", None),
        (b"true", True),
        (b' \t\r\n"text" ', "text"),
        ('{"é😀":"ü"}'.encode(), {"é😀": "ü"}),
        (b'{"":{"":[{}]}}', {"": {"": [{}]}}),
        (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        (b'"\\u00e9\\n\\/"', "é\n/"),
        (b'"\x7f"', "\x7f"),
    ],
)
def test_it_reads_json(body, value):
    assert parse_json(body) == value


@pytest.mark.parametrize("number", [0, -7, 2**53 + 1, -(2**63) - 1, 10**30, LARGEST_DOUBLE, -LARGEST_DOUBLE])
def test_it_keeps_integers_exact(number):
    value = parse_json(str(number).encode())

    assert value == number
    assert isinstance(value, int)


@pytest.mark.parametrize("literal", ["0.125", "5e-324", "-1.7976931348623157e308", "1E5", "1.0", "0.1"])
def test_it_keeps_floats_floats(literal):
    value = parse_json(literal.encode())

    assert value == float(literal)
    assert isinstance(value, float)


def test_it_keeps_the_order_of_keys():
    assert list(parse_json(b'{"z":1,"a":2,"m":3}')) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'"\\uDFFFx"', "\ufffdx"),
        (b'"a\\udc00\\ud800b"', "a\ufffd\ufffdb"),
        (b'{"\\ud800":["\\ud800"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_it_replaces_lone_surrogates(body, value):
    assert parse_json(body) == value


@pytest.mark.parametrize("body", [b'"\\ud83d\\ude00"', b'"\\uD83D\\uDE00"', "😀".join('""').encode()])
def test_it_keeps_surrogate_pairs(body):
    assert parse_json(body) == "😀"


def test_it_keeps_an_escaped_backslash_before_what_looks_like_an_escape():
    assert parse_json(b'["\\\\u0000","\\\\ud800"]') == ["\\u0000", "\\ud800"]


# JSON: what is refused


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b"[1,]",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x10",
        b'"\x01"',
        b'"\\x41"',
        b'"\x00"',
        b"\x00",
        b"undefined",
        b"\xef\xbb\xbf{}",
    ],
)
def test_it_refuses_what_is_not_json(body):
    assert refusal(body) == "invalid_json"


@pytest.mark.parametrize(
    "body", [b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', '"é"'.encode("latin-1")]
)
def test_it_refuses_invalid_utf8(body):
    assert refusal(body) == "invalid_utf8"


def test_it_refuses_utf16():
    assert refusal("{}".encode("utf-16")) == "invalid_utf8"
    assert refusal("{}".encode("utf-16-le")) == "invalid_json"


@pytest.mark.parametrize(
    "literal",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1.8e308",
        str(LARGEST_DOUBLE + 1),
        "-1" + "0" * 309,
        "9" * 5000,
    ],
)
def test_it_refuses_numbers_beyond_a_double(literal):
    assert refusal(literal.encode()) == "invalid_number"
    assert refusal(f'{{"a":[{literal}]}}'.encode()) == "invalid_number"


@pytest.mark.parametrize("body", [b'"\\u0000"', b'{"a\\u0000":1}', b'["x",{"a":"b\\u0000c"}]', b'"\\\\\\u0000"'])
def test_it_refuses_nul_characters(body):
    assert refusal(body) == "nul_character"


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"x":[{"y":{"a":1,"b":2,"a":3}}]}', b'{"\\ud800":1,"\\ud801":2}'],
)
def test_it_refuses_a_key_given_twice(body):
    assert refusal(body) == "duplicate_key"


def test_it_names_the_key_given_twice_and_shortens_a_long_one():
    with pytest.raises(Malformed, match='"weight"'):
        parse_json(b'{"height":1,"weight":2,"weight":3}')
    with pytest.raises(Malformed) as caught:
        parse_json(b'{"%b":1,"%b":2}' % (b"k" * 5000, b"k" * 5000))
    assert len(caught.value.detail) < 200


def nested(opening, closing, depth, inside=""):
    return (opening * depth + inside + closing * depth).encode()


@pytest.mark.parametrize("inside", ["", "1"])
def test_it_takes_64_levels_of_lists_and_refuses_65(inside):
    assert parse_json(nested("[", "]", 64, inside))
    assert refusal(nested("[", "]", 65, inside)) == "too_deep"


@pytest.mark.parametrize("inside", ["{}", "1"])
def test_it_takes_64_levels_of_objects_and_refuses_65(inside):
    depth = 63 if inside == "{}" else 64
    assert parse_json(nested('{"a":', "}", depth, inside))
    assert refusal(nested('{"a":', "}", depth + 1, inside)) == "too_deep"


def test_it_counts_levels_not_brackets():
    assert len(parse_json(b"[" + b",".join([b"[]"] * 500) + b"]")) == 500
    assert parse_json(b'"' + b"[" * 500 + b'"') == "[" * 500


@pytest.mark.parametrize("depth", [999, 1001, 30_000])
def test_it_refuses_bottomless_json_without_falling_in(depth):
    assert refusal(nested("[", "]", depth)) == "too_deep"
    assert refusal(nested('{"a":', "}", depth, "1")) == "too_deep"


# UUIDs


def test_it_reads_a_uuid_in_either_case():
    text = "97ec0787-cee5-450b-a890-9d2dfbc65418"

    assert parse_uuid(text) == parse_uuid(text.upper()) == UUID(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "97ec0787cee5450ba8909d2dfbc65418",
        "{97ec0787-cee5-450b-a890-9d2dfbc65418}",
        "urn:uuid:97ec0787-cee5-450b-a890-9d2dfbc65418",
        "97ec0787-cee5-450b-a890-9d2dfbc65418\n",
        " 97ec0787-cee5-450b-a890-9d2dfbc65418",
        "97ec0787-cee5-450b-a890-9d2dfbc6541",
        "97ec0787-cee5-450b-a890-9d2dfbc6541g",
        "97ec0787-cee5-450b-a890-9d2dfbc6541٣",
        "97ec-0787cee5-450b-a890-9d2dfbc65418",
        5,
        None,
        ["97ec0787-cee5-450b-a890-9d2dfbc65418"],
    ],
)
def test_it_takes_nothing_else_for_a_uuid(text):
    assert parse_uuid(text) is None


# Times


@pytest.mark.parametrize("digits", range(10))
def test_it_reads_zero_to_nine_digits_of_a_second(digits):
    fraction = "123456789"[:digits]
    text = f"2026-11-22T08:56:17{'.' if fraction else ''}{fraction}Z"

    assert parse_timestamp(text) == datetime(2026, 11, 22, 8, 56, 17, int(fraction[:6].ljust(6, "0")), UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T08:56:17Z",
        "2026-11-22t08:56:17z",
        "2026-11-22T08:56:17+00:00",
        "2026-11-22T08:56:17-00:00",
        "2026-11-22T10:26:17+01:30",
        "2026-11-21T22:56:17-10:00",
        "2026-11-23T08:55:17+23:59",
    ],
)
def test_it_reads_every_way_to_write_an_offset(text):
    moment = parse_timestamp(text)

    assert moment == datetime(2026, 11, 22, 8, 56, 17, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_it_cuts_off_what_is_beyond_the_microsecond():
    assert parse_timestamp("2026-11-22T08:56:17.999999999Z").microsecond == 999_999


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2024-02-29T00:00:00Z"])
def test_it_reads_the_ends_of_the_calendar(text):
    assert format_timestamp(parse_timestamp(text))[:19] == text[:19]


@pytest.mark.parametrize(
    "text",
    [
        None,
        1795337777,
        "",
        "now",
        "1795337777",
        "2026-11-22",
        "2026-11-22T08:56:17",
        "2026-11-22 08:56:17Z",
        "2026-11-22T08:56Z",
        "2026-11-22T08:56:17.Z",
        "2026-11-22T08:56:17,5Z",
        "2026-11-22T08:56:17.1234567890Z",
        "2026-11-22T08:56:17Z\n",
        " 2026-11-22T08:56:17Z",
        "2026-11-22T08:56:17+0100",
        "2026-11-22T08:56:17+01",
        "2026-11-22T08:56:17+01:60",
        "2026-11-22T08:56:17+24:00",
        "2026-11-22T08:56:17-99:99",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-00-22T08:56:17Z",
        "2026-13-22T08:56:17Z",
        "2026-02-29T08:56:17Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T08:60:00Z",
        "2026-11-22T23:59:60Z",
        "+2026-11-22T08:56:17Z",
        "-026-11-22T08:56:17Z",
        "٢٠٢٦-11-22T08:56:17Z",
        "2026-11-22T08:56:17.٥Z",
    ],
)
def test_it_refuses_what_is_no_rfc_3339_time(text):
    with pytest.raises(Malformed) as caught:
        parse_timestamp(text)

    assert caught.value.code == "invalid_timestamp"


def test_it_writes_times_in_utc_to_the_microsecond():
    assert format_timestamp(parse_timestamp("2026-11-22T10:26:17.4+01:30")) == "2026-11-22T08:56:17.400000Z"
