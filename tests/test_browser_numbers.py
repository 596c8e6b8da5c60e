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


def test_the_page_s_own_language_is_the_one_unless_another_is_asked_for(live_server, page):  # noqa: F811
    page.evaluate("document.documentElement.lang = 'fr'")

    assert page.evaluate(WRITE, [[1234.5, "number"], [1234.5, "number", "en"]]) == [
        [spaced("1,23_k", "fr"), spaced("1_234,5", "fr")],
        ["1.23k", "1,234.5"],
    ]
