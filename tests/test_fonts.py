"""The pages' fonts hold all that pages show, and little else."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from fontTools.ttLib import TTFont

from tests import fonts

OURS = fonts.ROOT / "dashboard"
MOST_BYTES = 150_000


def test_no_icon_that_a_page_may_name_is_missing():
    """An upgrade of the shell may bring new ones: then `make fonts` makes the font again."""
    assert fonts.wanted_icons() - set(fonts.ligatures(OURS / fonts.ICONS)) == set()


def test_the_icons_that_we_name_exist():
    assert fonts.own_icons() - set(fonts.ligatures(fonts.SHELL / fonts.ICONS)) == set()


def test_icons_are_looked_for_where_they_are_named():
    """In the navigation, the settings, the shell's templates, its style sheet, and its code."""
    assert {"dns", "monitoring", "logout", "visibility_off", "calendar_today", "data_object"} <= fonts.wanted_icons()


@pytest.mark.parametrize("path", fonts.WEIGHTS, ids=lambda path: path.stem)
def test_letters_signs_and_figures_of_one_width_are_there(path):
    font = TTFont(OURS / path)
    letters = set(font.getBestCmap())
    for text in (
        "Überraschung, œuvre, Łódź, Şişli, ©®",
        "0123456789−±×÷≤≥≈%‰",
        "→←↑↓▲▼●…–—•“”‘’«»",
        "€£¥₹₿$",
        "\u00a0\u202f",
    ):
        assert {ord(letter) for letter in text} <= letters, text
    assert "tnum" in {record.FeatureTag for record in font["GSUB"].table.FeatureList.FeatureRecord}


def shown() -> set[str]:
    """Each character of our own templates, scripts and styles."""
    folders = [(fonts.ROOT / "templates", "*.html"), (OURS / "static/dashboard", "*.*s"), (OURS, "*.py")]
    return {letter for folder, pattern in folders for path in folder.rglob(pattern) for letter in path.read_text()}


def test_nothing_that_our_own_pages_say_was_cut_away():
    ours, whole = (set(TTFont(root / fonts.WEIGHTS[0]).getBestCmap()) for root in (OURS, fonts.SHELL))
    assert {letter for letter in shown() if ord(letter) in whole - ours} == set()


@pytest.mark.parametrize("path", [fonts.ICONS, *fonts.WEIGHTS], ids=lambda path: path.stem)
def test_ours_take_the_place_of_the_shell_s_own(path):
    served = str(path.relative_to("static"))
    assert finders.find(served) == str(OURS / path)
    assert finders.find(str(Path(served).parent / "styles.css")) == str(OURS / path.parent / "styles.css")
    assert (OURS / path.parent / "LICENSE").is_file()


def test_all_of_them_together_are_small():
    assert sum((OURS / path).stat().st_size for path in [fonts.ICONS, *fonts.WEIGHTS]) < MOST_BYTES
