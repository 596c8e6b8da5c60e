"""What the pages show in French, text by text."""

import re
from html.parser import HTMLParser

import pytest
from django.test import Client

from tests import test_teams


class Texts(HTMLParser):
    """What a reader or a screen reader is given of a page, text by text."""

    ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")
    SILENT = ("script", "style", "pre", "code", "time")
    EMPTY = ("input", "link", "meta", "img", "br", "hr", "path", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.within: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag in self.EMPTY:
            self.found |= {value.strip() for name, value in attributes if name in self.ATTRIBUTES and value}
            return
        self.within.append(tag)
        self.found |= {value.strip() for name, value in attributes if name in self.ATTRIBUTES and value}
        if tag == "span" and "material-symbols-outlined" in dict(attributes).get("class", ""):
            self.within[-1] = "code"  # An icon's name.

    def handle_endtag(self, tag):
        while self.within and self.within.pop() not in (tag, "code"):
            pass

    def handle_data(self, data):
        if not set(self.within) & set(self.SILENT):
            self.found.add(" ".join(data.split()))


# A decimal comma where a program wants a point.
WITH_COMMA = re.compile(r'\s(?:style|width|height|x|y|min|max|step)="[^"]*\d,\d[^"]*"')


def texts_of(client: Client, path: str) -> set[str]:
    response = client.get(path)
    assert response.status_code == 200, path
    assert WITH_COMMA.findall(response.content.decode()) == [], path
    texts = Texts()
    texts.feed(response.content.decode())
    return {text for text in texts.found if re.search(r"[^\W\d_]{3}", text)}


filled, ledger_instance = test_teams.filled, test_teams.ledger_instance

# What is the same in both languages, because it is a name, a format, a datum, or a word that both have.
SAME = {
    *("Self-Hosted Metrics", "CSV", "JSON", "PNG", "English", "Français", "Ledger", "Documents"),
    *("Administration", "Action", "Actions", "Code", "Date", "Instance", "Instances", "Pages", "Permissions", "Site"),
    *(
        "Test",
        "Version",
        "Versions",
        "Application",
        "Applications",
        "Conflict",
        "Distribution",
        "Description",
        "Adoption",
    ),
    *("Active", "Maximum", "Minimum", "Minutes"),
    *(
        "Bookkeepers",
        "For the bank",
        "Paying",
        "Viewer",
        "viewer",
        "owner",
        "documents",
        "ledger",
        "close_hours",
        "app_version",
    ),
    *("Seen to by viewer.", "superuser", "esc"),
}
# Names of models and permissions that Django keeps in the database or makes up, in the admin's innermost corners.
INNER = re.compile(
    r".+ \| .+|User-group relationship.*|[0-9A-Fa-f-]{8,}|.*\*{8,}|(?:[0-9A-Fa-f]{4} ?)+|(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}"
    r"|\w+_\w+|[A-Z]{3}|(?:Instance|Version) [0-9a-f]{8}|Documents: Version|: Ledger|version [0-9.]+"
    r"|1 (?:application|instance|version)"
)


@pytest.mark.django_db
def test_no_page_shows_in_french_what_it_shows_in_english(superuser, filled, no_limits):
    """Texts that are the same in both go through no gettext, or by one that was called before the page was asked for.

    Where this fails: see docs/translating.md; what is no text of ours belongs into SAME.
    """
    client, left = test_teams.client_of(superuser), {}
    for path in sorted({path for path, statuses in test_teams.TABLE.values() if statuses[-1] == 200}):
        address = path.format(**filled)
        if not client.get(address)["Content-Type"].startswith("text/html"):
            continue
        texts = {}
        for language in ("en", "fr"):
            client.cookies["shm_language"] = language
            texts[language] = texts_of(client, address)
        same = {
            re.sub(r"[: ]+\d+$", "", text.removesuffix(" | Self-Hosted Metrics")) for text in texts["en"] & texts["fr"]
        }
        left[address] = sorted(text for text in same - SAME if not INNER.fullmatch(text))
    assert {address: texts for address, texts in left.items() if texts} == {}
