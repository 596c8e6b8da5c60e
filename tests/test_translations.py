"""The translations are complete and fit their texts. Found without the gettext tools, which not every machine has."""

import ast
import gettext
import re
from collections import Counter
from pathlib import Path

import polib
import pytest
from django.utils import translation
from django.utils.translation import template, trans_real

from dashboard.texts import PURE_TEXTS, SHELL_TEXTS
from instances.telling import in_words
from metrics.models import KeyFlag
from metrics.screening import COLLISION, LONG_KEY, LONG_TEXT, MANY_KEYS

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("shm_site", "instances", "metrics", "dashboard")
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
# How many of its arguments are texts, and whether the first of them says in what context.
FUNCTIONS = {
    "_": (1, False),
    "gettext": (1, False),
    "ngettext": (2, False),
    "pgettext": (2, True),
    "npgettext": (3, True),
}
FUNCTIONS |= {f"{name}_lazy": texts for name, texts in FUNCTIONS.items()} | {"gettext_noop": (1, False)}
CALL = re.compile(r"\b(_|n?p?gettext)\((?=u?['\"])")

Key = tuple[str, str, str]  # Context, text, plural; "" for none.


def texts_in(source: str) -> set[Key]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            continue
        number, has_context = FUNCTIONS[node.func.id]
        arguments = node.args[:number]
        if not arguments or not all(isinstance(each, ast.Constant) for each in arguments):
            continue
        texts = [str(each.value) for each in arguments]
        context = texts.pop(0) if has_context else ""
        found.add((context, texts[0], texts[1] if len(texts) > 1 else ""))
    return found


def texts_in_template(source: str) -> set[Key]:
    """Django makes of a template what xgettext can read: calls, between what is crossed out."""
    found = set()
    written = template.templatize(source)
    for call in CALL.finditer(written):
        end, depth = call.end(), 1
        tokens = re.compile(r"u?(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')|([()])", re.DOTALL)
        while depth:
            token = tokens.search(written, end)
            assert token
            end, depth = token.end(), depth + {"(": 1, ")": -1}.get(token[2], 0)
        found |= texts_in(re.sub(r",\s*count\)$", ", 0)", written[call.start() : end]))
    return found


def texts_in_code() -> set[Key]:
    found = set()
    for package in PRODUCT:
        for path in (ROOT / package).rglob("*.py"):
            found |= texts_in(path.read_text())
    for path in (ROOT / "templates").rglob("*.html"):
        found |= texts_in_template(path.read_text())
    return found


def key(entry: polib.POEntry) -> Key:
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural


def translations(entry: polib.POEntry) -> list[str]:
    return [entry.msgstr_plural[index] for index in sorted(entry.msgstr_plural)] or [entry.msgstr]


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.parent.parent.name)
def catalogue(request) -> polib.POFile:
    return polib.pofile(str(request.param))


def test_there_is_one_for_every_language_but_english(settings):
    assert {path.parent.parent.name for path in CATALOGUES} == {code for code, _ in settings.LANGUAGES} - {"en"}


def test_every_text_is_in_it_and_nothing_else(catalogue):
    """Where this fails: make messages, and translate what is new (docs/translating.md)."""
    there = {key(entry) for entry in catalogue if not entry.obsolete}
    wanted = texts_in_code()

    assert len(wanted) > 300
    assert sorted(wanted - there) == []
    assert sorted(there - wanted) == []
    assert catalogue.obsolete_entries() == []


def test_every_text_is_translated(catalogue):
    assert [entry.msgid for entry in catalogue if not all(map(str.strip, translations(entry)))] == []
    assert [entry.msgid for entry in catalogue if entry.fuzzy or entry.previous_msgid] == []
    plurals = re.search(r"nplurals=(\d)", catalogue.metadata["Plural-Forms"])
    assert plurals
    for entry in catalogue:
        assert len(translations(entry)) == (int(plurals[1]) if entry.msgid_plural else 1), entry.msgid


def parts(text: str) -> Counter[str]:
    """What a text and its translation must share: placeholders, and elements with all of their attributes."""
    return Counter(re.findall(r"%\(\w+\)[sd]|\{\w*\}|</?\w[^>]*>", text))


def test_placeholders_and_elements_agree(catalogue):
    for entry in catalogue:
        allowed = [parts(entry.msgid), parts(entry.msgid_plural or entry.msgid)]
        for text in translations(entry):
            assert parts(text) in allowed, entry.msgid
            assert "%" not in re.sub(r"%\(\w+\)[sd]|\d\s%%?|%%", "", text), entry.msgid
            for edge in (0, -1):
                assert entry.msgid[edge].isspace() == text[edge].isspace(), entry.msgid


def test_what_is_read_is_made_of_what_is_written(catalogue):
    """Where this fails: make messages."""
    compiled = Path(catalogue.fpath).with_suffix(".mo")
    with compiled.open("rb") as file:
        read = gettext.GNUTranslations(file)
    for entry in catalogue:
        written = translations(entry)
        if not entry.msgid_plural:
            found = read.pgettext(entry.msgctxt, entry.msgid) if entry.msgctxt else read.gettext(entry.msgid)
            assert found == written[0], entry.msgid
        else:
            assert {read.ngettext(entry.msgid, entry.msgid_plural, number) for number in range(20)} == set(written)
    assert len(polib.mofile(str(compiled))) == len(catalogue)


# French


def test_french_is_written_as_french_is(settings):
    for entry in polib.pofile(str(ROOT / "locale/fr/LC_MESSAGES/django.po")):
        for text in translations(entry):
            prose = re.sub(r"<[^>]*>", "", text)
            assert not re.search(r"[ \w][:;?!](?:\s|$)|[^\u00a0][»]|«[^\u00a0]", prose), text
            assert "'" not in prose, text


def test_no_key_s_kind_is_called_otherwise_than_its_marker():
    from instances.personal import Kind

    names = {value: str(name) for value, name in KeyFlag.KINDS}
    assert {kind.value: kind.words for kind in Kind} == {
        value: name for value, name in names.items() if value not in (COLLISION, LONG_KEY, LONG_TEXT, MANY_KEYS)
    }


def test_what_pure_modules_call_things_is_named_for_translation():
    from metrics.census import DESCRIPTION
    from metrics.periods import PERIODS
    from metrics.querysets import DESCRIBED

    assert {period.title for period in PERIODS.values()} == set(PURE_TEXTS)
    assert {metric.key: str(metric.label) for metric in DESCRIBED} == DESCRIPTION
    with translation.override("fr"):
        assert {"Déploiement", "Système"} < {str(metric.label) for metric in DESCRIBED}


UNFOLD = Path(trans_real.__file__).parents[3] / "unfold"
# Of its search over all models, which is switched off, and of no page here.
NOT_SHOWN = re.compile(r"Found %\(counter\)s result")


def shell_texts() -> set[str]:
    """As the catalogue has them: a context stands before its text."""
    paths = [*UNFOLD.rglob("*.py"), *UNFOLD.rglob("*.html")]
    assert len(paths) > 100
    found: set[Key] = set()
    for path in paths:
        if "contrib" not in path.parts:
            source = path.read_text()
            found |= texts_in(source) if path.suffix == ".py" else texts_in_template(source)
    return {f"{context}\x04{text}" if context else text for context, text, _ in found if not NOT_SHOWN.search(text)}


def test_the_shell_s_own_texts_are_translated():
    """By Django, or else by us: after an update of django-unfold dashboard/texts.py may have to name more."""
    with translation.override("fr"):
        known = trans_real.catalog()._catalog
        missing = sorted(text for text in shell_texts() if known.get(text) is None and known.get((text, 0)) is None)
    assert missing == []
    assert sorted(set(SHELL_TEXTS) - shell_texts()) == []


DETAILS = {
    "by itself": "par elle-même",
    "Version: 1.0 → 1.1": "Version : 1.0 → 1.1",
    "System: (not said) → Linux: x86": "Système : (non précisé) → Linux: x86",
    "it sent 2026-01-01 00:00:00 UTC": "elle a envoyé 2026-01-01 00:00:00 UTC",
    "ab12 cd34, in place of 00ff 99ee": "ab12 cd34, à la place de 00ff 99ee",
}


@pytest.mark.parametrize(("filed", "told"), DETAILS.items())
def test_what_is_filed_in_english_is_told_in_french(filed, told):
    assert in_words(filed) == filed
    with translation.override("fr"):
        assert in_words(filed).replace("\u00a0", " ") == told


@pytest.mark.parametrize("filed", ["", "%s %(name)s %d", "by itself or not", "Version", "it sent {0} UTC", "\n: \n"])
def test_what_the_server_has_not_put_into_words_is_told_as_it_is(filed):
    with translation.override("fr"):
        assert in_words(filed) == filed
