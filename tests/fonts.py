"""Makes the fonts that pages load out of those that django-unfold brings along (`make fonts`).

The shell's fonts hold 4,000 icons and most of the world's letters, 750 KB of them on a first visit. What is kept here
is what pages show: each icon that the shell or a page of ours may name, and the Latin letters, figures and signs.
Whatever else stands in a name is drawn in the reader's own fonts. Needs fontTools, which requirements-dev.txt has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import unfold
from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
SHELL = Path(unfold.__file__).parent
FONTS = Path("static/unfold/fonts")
ICONS = FONTS / "material-symbols/Material-Symbols-Outlined.woff2"
WEIGHTS = [FONTS / f"inter/Inter-{weight}.woff2" for weight in ("Regular", "Medium", "SemiBold", "Bold")]

# Latin with its accents, punctuation, currencies, arrows, and the signs of mathematics and of change.
LETTERS = (
    "20-7E,A0-17F,192,218-21B,2BB-2BC,2C6-2C7,2D8-2DD,300-304,306-30C,327-328,1E9E,2000-200B,2010-2015,2018-201E,2020-2022,"
    "2026,202F-2030,2032-2033,2039-203A,2044,20A0-20C0,2116,2122,2190-2199,2212,2215,2219,2248,2260,2264-2265,"
    "25B2-25C3,25CF,2713,2717"
)
# Figures of one width for tables; the rest is what text needs to be set as it was drawn.
FEATURES = ["kern", "liga", "calt", "ccmp", "locl", "mark", "mkmk", "case", "tnum"]

# Anything in the shell's own files that could be a name. Some are no icons there; a word too many costs 100 bytes.
_SHELL_NAME = re.compile(r"""(?:["']|>\s*)([a-z0-9_]+)(?=["']|\s*<)""")
# In our own templates, only what is meant for one.
_PAGE_NAME = re.compile(r"""(?:material-symbols-outlined[^>]*>\s*|\bicon=["'])([a-z0-9_]+)""")
_FOREIGN = ("alpine", "chart", "htmx", "simplebar")


def ligatures(path: Path) -> dict[str, str]:
    """Each icon's name with its glyph."""
    font = TTFont(path)
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    return {
        "".join(letters[glyph] for glyph in [first, *ligature.Component]): ligature.LigGlyph
        for lookup in font["GSUB"].table.LookupList.Lookup
        for table in lookup.SubTable
        for first, found in getattr(table, "ExtSubTable", table).ligatures.items()
        for ligature in found
    }


def wanted_icons() -> set[str]:
    """The names that stand where the shell or a page takes an icon from, if there is such an icon."""
    return (set(_shell_names()) | set(_own_names())) & set(ligatures(SHELL / ICONS))


def own_icons() -> set[str]:
    """Those that we name ourselves, whether or not there are such icons."""
    return set(_own_names())


def _shell_names() -> Iterator[str]:
    for pattern in (
        "templates/**/*.html",
        "static/unfold/css/styles.css",
        "static/**/*.js",
        "*.py",
        "templatetags/*.py",
    ):
        for path in SHELL.glob(pattern):
            if not path.name.startswith(_FOREIGN):
                yield from _SHELL_NAME.findall(path.read_text())


def _own_names() -> Iterator[str]:
    from dashboard.navigation import SECTIONS
    from shm_site.settings import UNFOLD

    yield str(UNFOLD["SITE_SYMBOL"])
    yield from (icon for _, items in SECTIONS for _, icon, *_ in items)
    for path in (ROOT / "templates").rglob("*.html"):
        yield from _PAGE_NAME.findall(path.read_text())


def make_icons(source: Path, target: Path) -> None:
    names = ligatures(source)
    wanted = wanted_icons()
    font = TTFont(source)
    characters = font.getBestCmap()
    glyphs = [characters[ord(letter)] for letter in sorted(set("".join(wanted)))]
    # Without the closure: all icons can be made of the letters that these are made of.
    _write(font, target, layout_closure=False, glyphs=[*glyphs, *(names[name] for name in sorted(wanted))])


def make_letters(source: Path, target: Path) -> None:
    _write(TTFont(source), target, unicodes=subset.parse_unicodes(LETTERS), layout_features=FEATURES)


def _write(
    font: TTFont,
    target: Path,
    glyphs: tuple[str, ...] | list[str] = (),
    unicodes: tuple[int, ...] | list[int] = (),
    **options: object,
) -> None:
    chosen = subset.Options(flavor="woff2", name_IDs=["*"], name_languages=["*"], **options)
    subsetter = subset.Subsetter(chosen)
    subsetter.populate(glyphs=glyphs, unicodes=unicodes)
    subsetter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, target, chosen)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")  # noqa: T201 - it is a command


def main() -> None:
    make_icons(SHELL / ICONS, ROOT / "dashboard" / ICONS)
    for path in WEIGHTS:
        make_letters(SHELL / path, ROOT / "dashboard" / path)


if __name__ == "__main__":
    main()
