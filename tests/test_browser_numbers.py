"""What the browser writes numbers like: as the server does, to the letter."""

import random

import pytest

from dashboard.numbers import CURRENCIES, LOCALES, SIZES, TIMES, exact, write
from tests.test_browser import browser, page  # noqa: F401 - fixtures
from tests.test_numbers import CASES, spaced

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

UNITS = ["number", "percent", "ratio", *SIZES, *TIMES, *CURRENCIES]
WRITE = """async (cases) => {
    const { write, exact } = await import("/static/dashboard/numbers.js");
    return cases.map(([value, unit, language]) => [write(value, unit, language), exact(value, unit, language)]);
}"""


def test_the_browser_writes_the_table_as_the_server_does(live_server, page):  # noqa: F811
    written = page.evaluate(WRITE, [[float(value), unit, language] for value, unit, language, *_ in CASES])

    expected = [[spaced(glance, language), spaced(whole, language)] for _, _, language, glance, whole in CASES]
    assert written == expected


def values(dice: random.Random) -> list[float]:
    """Of every size; among them many that lie between two that can be written."""
    return [
        dice.choice([1, -1]) * 10 ** dice.uniform(-9, 30),
        float(dice.randrange(10 ** dice.randrange(1, 16))),
        dice.randrange(10**6) / 8,
        dice.randrange(10**7) / 100,
    ]


def test_the_browser_writes_any_number_as_the_server_does(live_server, page):  # noqa: F811
    dice = random.Random(2026)
    cases = [[value, dice.choice(UNITS), dice.choice([*LOCALES])] for _ in range(2500) for value in values(dice)]

    written = page.evaluate(WRITE, cases)

    expected = [[write(*case), exact(*case)] for case in cases]
    assert [pair for pair in zip(cases, written, expected, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize(
    ("span", "unit", "marks"),
    [
        ([0, 11_000], "seconds", ["0 s", "1 h", "2 h", "3 h"]),
        ([0, 50], "hours", ["0 s", "12 h", "1 d", "1 d 12 h", "2 d"]),
        ([-100, 100], "seconds", ["−1 min", "0 s", "1 min"]),
        ([600_000, 2_400_000], "milliseconds", ["10 min", "20 min", "30 min", "40 min"]),
        ([0, 3], "seconds", None),
        ([0, 400], "days", None),
        ([0, 11_000], "number", None),
    ],
)
def test_an_axis_of_time_is_marked_at_whole_hours(live_server, page, span, unit, marks):  # noqa: F811
    found = page.evaluate(
        """async ([[min, max], unit]) => {
            const { marks, write } = await import("/static/dashboard/numbers.js");
            return marks(min, max, 6, unit)?.map((value) => write(value, unit, "en").replaceAll("\u00a0", " ")) ?? null;
        }""",
        [span, unit],
    )

    assert found == marks


def test_the_page_s_own_language_is_the_one_unless_another_is_asked_for(live_server, page):  # noqa: F811
    page.evaluate("document.documentElement.lang = 'fr'")

    assert page.evaluate(WRITE, [[1234.5, "number"], [1234.5, "number", "en"]]) == [
        [spaced("1,23_k", "fr"), spaced("1_234,5", "fr")],
        ["1.23k", "1,234.5"],
    ]
