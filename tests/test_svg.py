"""Badges as SVG: well-formed whatever their text, and in SHM's colours and notation."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashboard import svg
from dashboard.svg import Badge

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=100)
SVG = "{http://www.w3.org/2000/svg}"

quick = settings(max_examples=200, deadline=None, database=None)


def drawn(label, value, color=svg.GREEN):
    return ElementTree.fromstring(Badge(label, value, color).svg())


def texts(root):
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_it_shows_label_and_value_with_a_shadow_each():
    root = drawn("instances", "12.3k")

    assert root.tag == f"{SVG}svg"
    assert texts(root) == ["instances", "instances", "12.3k", "12.3k"]
    assert root.get("aria-label") == root.findtext(f"{SVG}title") == "instances: 12.3k"
    assert root.get("role") == "img"


def test_it_is_as_wide_as_its_two_halves():
    root = drawn("instances", "12")

    left, right = root.findall(f"{SVG}rect")
    assert int(root.get("width")) == int(left.get("width")) + int(right.get("width"))
    assert right.get("x") == left.get("width")
    assert (left.get("fill"), right.get("fill")) == ("#555", "#00D084")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '" onload="alert(1)',
        "' onload='alert(1)",
        "</text></svg><script/>",
        "&lt;b&gt; & &amp; &#0;",
        "]]>",
        "<!--",
        "<?xml version='1.1'?>",
        '<!DOCTYPE x [<!ENTITY e "x">]>&e;',
    ],
)
def test_markup_stays_text(hostile):
    for root in (drawn(hostile, "1"), drawn("1", hostile)):
        assert hostile in texts(root)
        assert {element.tag for element in root.iter()} == {
            f"{SVG}{tag}" for tag in ("svg", "title", "rect", "g", "text")
        }
        assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


@quick
@given(ANYTHING, ANYTHING)
@example("\0\x08\x1f", "\ud800\udfff\ufffe\uffff")
@example("\r\n\t\x7f\x85", "‮evil‬")
@example("😀" * 70, "é" * 100)
def test_it_is_well_formed_whatever_the_text(label, value):
    badge = Badge(label, value, svg.RED).svg()

    root = ElementTree.fromstring(badge.encode())
    shown = texts(root)
    assert len(shown) == 4
    assert all(len(text) <= svg.MAX_TEXT for text in shown)
    assert int(root.get("width")) <= 2 * (svg.MAX_TEXT * svg.CHARACTER_WIDTH + svg.PADDING)


@pytest.mark.parametrize(
    "character", list("\0\t\n\r\x1b\x7f\x85\x9f") + [chr(code) for code in (0x61C, 0x200F, 0x202E, 0x2066, 0x2069)]
)
def test_control_characters_and_those_that_turn_text_around_are_left_out(character):
    assert texts(drawn(f"a{character}b", f"{character}c{character}")) == ["ab", "ab", "c", "c"]


def test_text_of_the_longest_length_stays_and_more_is_cut():
    assert texts(drawn("x" * 60, "1"))[0] == "x" * 60
    assert texts(drawn("x" * 61, "1"))[0] == "x" * 59 + "…"


def test_characters_that_are_left_out_do_not_count():
    assert texts(drawn("\n" * 500 + "x" * 60, "1"))[0] == "x" * 60


@pytest.mark.parametrize("unicode", ["größe", "日本語", "😀", "a\u0301"])
def test_unicode_stays(unicode):
    assert unicode in texts(drawn(unicode, "1"))


@pytest.mark.parametrize(
    ("wanted", "color"), [("abc", "#abc"), ("#abc", "#abc"), ("00D084", "#00D084"), ("#FfF000", "#FfF000")]
)
def test_a_colour_is_three_or_six_hex_digits(wanted, color):
    assert svg.color_or(wanted, svg.GRAY) == color


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "#",
        "ab",
        "abcd",
        "abcde",
        "1234567",
        "red",
        "##abc",
        "abc\n",
        " abc",
        "ggg",
        "٣٣٣",
        '"/><script>',
        "url(#x)",
        "a" * 999,
    ],
)
def test_anything_else_is_the_default(wanted):
    assert svg.color_or(wanted, svg.GRAY) == svg.GRAY


@quick
@given(ANYTHING)
def test_no_colour_can_be_anything_but_one(wanted):
    assert re.fullmatch(r"#([0-9a-fA-F]{3}){1,2}", svg.color_or(wanted, svg.GRAY))


@pytest.mark.parametrize(
    ("count", "color"),
    [(0, "#EF4444"), (4, "#EF4444"), (5, "#F59E0B"), (9, "#F59E0B"), (10, "#00D084"), (999, "#00D084")],
)
def test_the_colour_of_instances_goes_by_their_number(count, color):
    assert svg.instances_color(count) == color


@pytest.mark.parametrize(
    ("value", "color"),
    [
        (-5, "#6B7280"),
        (0, "#6B7280"),
        (0.5, "#F59E0B"),
        (99.9, "#F59E0B"),
        (100, "#3B82F6"),
        (999, "#3B82F6"),
        (1000, "#00D084"),
        (10**400, "#00D084"),
    ],
)
def test_the_colour_of_a_metric_goes_by_its_value(value, color):
    assert svg.metric_color(value) == color


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (950, "950"),
        (950.0, "950"),
        (12.5, "12.5"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (-12_345, "-12.3k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (4_560_000, "4.6M"),
        (999_999_999, "1.0B"),
        (7_800_000_000, "7.8B"),
        (10**15, "1.00e15"),
        (10**400, "1.00e400"),
    ],
)
def test_numbers_are_in_shm_notation(value, text):
    assert svg.number(value) == text


@quick
@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_a_short_text(value):
    assert 0 < len(svg.number(value)) <= 10
