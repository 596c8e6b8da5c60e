"""How numbers are written: on the server here, and in a browser by the same table in test_browser_numbers.py."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.numbers import CURRENCIES, LOCALES, SIZES, TIMES, change, compact, exact, power, share, sign, write
from metrics import units
from metrics.units import Unit

FINITE = st.integers() | st.integers(-(10**320), 10**320) | st.floats(allow_nan=False, allow_infinity=False)

quick = settings(max_examples=200, deadline=None, database=None)

# Value, unit, language, at a glance, and all of it. A _ is a no-break space in English, and a narrow one in French.
CASES = [
    (0, "number", "en", "0", "0"),
    (-0.0, "number", "en", "0", "0"),
    (7, "number", "en", "7", "7"),
    (950, "number", "en", "950", "950"),
    (999.4, "number", "en", "999", "999.4"),
    (999.5, "number", "en", "1k", "999.5"),
    (1234, "number", "en", "1.23k", "1,234"),
    (1235, "number", "en", "1.24k", "1,235"),
    (12_250, "number", "en", "12.3k", "12,250"),
    (-12_345, "number", "en", "−12.3k", "−12,345"),
    (123_456, "number", "en", "123k", "123,456"),
    (999_499, "number", "en", "999k", "999,499"),
    (999_500, "number", "en", "1M", "999,500"),
    (4_560_000, "number", "en", "4.56M", "4,560,000"),
    (7_800_000_000, "number", "en", "7.8bn", "7,800,000,000"),
    (12_345_678_901_234, "number", "en", "12.3tn", "12,345,678,901,234"),
    (10**15, "number", "en", "1.00e15", "1,000,000,000,000,000"),
    (1.5e300, "number", "en", "1.50e300", "1.5e+300"),
    (1e22, "number", "en", "1.00e22", "1e+22"),
    (0.125, "number", "en", "0.125", "0.125"),
    (0.1, "number", "en", "0.1", "0.1"),
    (0.00012345, "number", "en", "0.000123", "0.00012345"),
    (0.000012345, "number", "en", "1.23e-5", "0.000012345"),
    (1.5e-7, "number", "en", "1.50e-7", "1.5e-7"),
    (9.996, "number", "en", "10", "9.996"),
    (12_345.5, "number", "fr", "12,3_k", "12_345,5"),
    (-4_560_000, "number", "fr", "−4,56_M", "−4_560_000"),
    (7_800_000_000, "number", "fr", "7,8_Md", "7_800_000_000"),
    (1.5e300, "number", "fr", "1,50e300", "1,5e+300"),
    (950, "bytes", "en", "950_B", "950_B"),
    (6_500_000_000, "bytes", "en", "6.5_GB", "6,500,000,000_B"),
    (999_600, "bytes", "en", "1_MB", "999,600_B"),
    (12_345.6, "megabytes", "en", "12.3_GB", "12,345.6_MB"),
    (0.5, "megabytes", "en", "500_kB", "0.5_MB"),
    (0.25, "bytes", "en", "0.25_B", "0.25_B"),
    (5e27, "bytes", "en", "5bn_EB", "5e+27_B"),
    (-2, "terabytes", "en", "−2_TB", "−2_TB"),
    (6_500_000_000, "bytes", "fr", "6,5_Go", "6_500_000_000_o"),
    (0, "seconds", "en", "0_s", "0_s"),
    (0.000015, "seconds", "en", "15_µs", "0.000015_s"),
    (350, "milliseconds", "en", "350_ms", "350_ms"),
    (12_345, "milliseconds", "en", "12.3_s", "12,345_ms"),
    (59.94, "seconds", "en", "59.9_s", "59.94_s"),
    (59.96, "seconds", "en", "1_min", "59.96_s"),
    (200, "seconds", "en", "3_min_20_s", "200_s"),
    (3599.6, "seconds", "en", "1_h", "3,599.6_s"),
    (11_532, "seconds", "en", "3_h_12_min", "11,532_s"),
    (30, "hours", "en", "1_d_6_h", "30_h"),
    (99.99, "days", "en", "100_d", "99.99_d"),
    (12_345, "days", "en", "12.3k_d", "12,345_d"),
    (-90, "minutes", "en", "−1_h_30_min", "−90_min"),
    (4.25, "days", "fr", "4_j_6_h", "4,25_j"),
    (1e300, "hours", "en", "1.00e300_h", "1e+300_h"),
    (95.34, "percent", "en", "95.3_%", "95.34_%"),
    (0.9534, "ratio", "en", "95.3_%", "95.34_%"),
    (0.07, "ratio", "en", "7_%", "7_%"),
    (0.9534, "ratio", "fr", "95,3_%", "95,34_%"),
    (1.7e308, "ratio", "en", "1.70e308", "1.7e+308"),
    (12.5, "EUR", "en", "€12.50", "€12.50"),
    (12, "EUR", "en", "€12", "€12"),
    (4_560_000, "EUR", "en", "€4.56M", "€4,560,000"),
    (-1234.5, "CHF", "en", "−CHF_1.23k", "−CHF_1,234.50"),
    (1250, "JPY", "en", "¥1.25k", "¥1,250"),
    (0.004, "USD", "en", "$0.004", "$0.004"),
    (12.5, "EUR", "fr", "12,50_€", "12,50_€"),
    (4_560_000, "EUR", "fr", "4,56_M€", "4_560_000_€"),
    (1234.5, "CHF", "fr", "1,23_k_CHF", "1_234,50_CHF"),
    (1234, "furlongs", "en", "1.23k", "1,234"),
    (1234.5, "number", "fr-CA", "1,23_k", "1_234,5"),
    (1234.5, "number", "tlh", "1.23k", "1,234.5"),
]


def spaced(text, language):
    return text.replace("_", "\u202f" if language.startswith("fr") else "\u00a0")


@pytest.mark.parametrize(("value", "unit", "language", "glance", "whole"), CASES)
def test_numbers_are_written_by_unit_and_language(value, unit, language, glance, whole):
    assert write(value, unit, language) == spaced(glance, language)
    assert exact(value, unit, language) == spaced(whole, language)


def test_each_unit_that_a_metric_may_have_can_be_written():
    assert set(SIZES) == set(units.SIZES)
    assert set(TIMES) == set(units.TIMES)
    assert set(CURRENCIES) == set(units.CURRENCIES)
    assert {unit for unit in Unit if write(7, unit) == "7"} == {Unit.NUMBER}


def test_each_language_has_a_word_for_everything():
    for locale in LOCALES.values():
        assert len(locale.suffixes) == 4
        assert len(locale.sizes) > max(SIZES.values())
        assert set(locale.times) == {*TIMES, "microseconds"}


@pytest.mark.parametrize(
    ("unit", "text"), [("bytes", "B"), ("days", "d"), ("percent", "%"), ("EUR", "EUR"), ("ratio", ""), ("number", "")]
)
def test_a_column_of_bare_numbers_names_their_unit(unit, text):
    assert sign(unit) == text


@quick
@given(FINITE)
def test_compact_is_short_near_and_never_rounded_to_zero(value):
    text = compact(value)

    assert len(text) <= 10
    match = re.fullmatch(r"(−?[\d.]+(?:e-?\d+)?)(|k|M|bn|tn)", text)
    assert match, text
    assert (text == "0") == (value == 0)
    if abs(value) < 1e300:
        scale = {"": 1, "k": 1e3, "M": 1e6, "bn": 1e9, "tn": 1e12}[match[2]]
        assert math.isclose(float(match[1].replace("−", "-")) * scale, value, rel_tol=0.0051, abs_tol=1e-320)


@quick
@given(FINITE)
def test_exact_reads_back(value):
    text = exact(value).replace(",", "").replace("−", "-")

    assert (int(text) if isinstance(value, int) else float(text)) == value


@quick
@given(FINITE, st.sampled_from([*Unit]), st.sampled_from([*LOCALES]))
def test_any_number_can_be_written_in_any_unit(value, unit, language):
    glance, whole = write(value, unit, language), exact(value, unit, language)

    assert len(glance) <= 16
    assert "inf" not in glance + whole
    assert glance.startswith("−") == whole.startswith("−") == (value < 0)


def test_integers_beyond_a_double_are_whole_or_a_power_of_ten():
    assert exact(2**70 + 1) == "1,180,591,620,717,411,303,425"
    assert compact(-(10**400)) == "−1.00e400"
    assert power(-(10**400)) == "-1.00e400"
    assert write(10**400, "bytes") == "1.00e400\u00a0B"


@pytest.mark.parametrize(
    ("part", "language", "text"),
    [
        (0, "en", "0_%"),
        (0.004, "en", "<_1_%"),
        (0.006, "en", "1_%"),
        (0.996, "en", "100_%"),
        (1, "en", "100_%"),
        (0.5, "fr", "50_%"),
    ],
)
def test_a_share_is_in_whole_percents(part, language, text):
    assert share(part, language) == spaced(text, language)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (100, 112, "+12 %"),
        (100, 88, "−12 %"),
        (100, 101.5, "+1.5 %"),
        (1000, 1000.01, "± 0 %"),
        (100, 100, "± 0 %"),
        (100, 0, "−100 %"),
        (0, 5, ""),
        (0.0, 0, ""),
        (1, 20, "> +999 %"),
        (1, -20, "< −999 %"),
        (-10, -5, "+50 %"),
        (-10, -20, "−100 %"),
        (-1, 1, "+200 %"),
        (5e-324, 1e308, "> +999 %"),
        (5e-324, -1e308, "< −999 %"),
        (10**400, 11 * 10**399, "+10 %"),
    ],
)
def test_change_is_a_signed_percentage(before, after, text):
    assert change(before, after) == text.replace(" ", "\u00a0")


@quick
@given(FINITE, FINITE)
def test_change_is_short_and_points_the_right_way(before, after):
    text = change(before, after)

    assert len(text) <= 8
    assert (text == "") == (before == 0)
    if "+" in text:
        assert after > before
    if "−" in text:
        assert after < before


def test_a_change_is_in_the_readers_language():
    assert change(100, 98.5, "fr") == "−1,5\u202f%"
