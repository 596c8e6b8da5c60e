"""Where a text holds what leads to a person: an e-mail address, a folder, a phone number, a user name. Pure."""

from __future__ import annotations

import re

from instances import keywords
from instances.detectors.spans import Span, has
from instances.keywords import Context

# E-mail addresses

_AT = re.compile(r"@|%40")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w])")
_LOCAL = re.compile(r"[\w.+'%-]{1,64}\Z")
_VERSION = re.compile(r"v?\d+\.\d")
# Spelt so that no machine finds it: with both words in brackets, or in plain words before a usual ending.
_SPELT = re.compile(
    r"\w ?[\[({<] ?(?:at|@) ?[\])}>] ?[\w-]{1,63} ?(?:[\[({<] ?(?:dot|\.) ?[\])}>]|\bdot\b|\.) ?[\w-]{2,63}(?!\w)",
    re.IGNORECASE,
)
_IN_WORDS = re.compile(r"\w at (?!the |a |an |my |our )[\w-]{1,63} dot ([a-z]{2,24})\b", re.IGNORECASE)
# The user of a version control system's address is nobody.
_NOBODIES_MAIL = frozenset({"git", "hg", "svn"})


def email(text: str, context: Context) -> Span | None:
    if text.startswith("Linux version "):
        return None  # The kernel's own line names who has built it, which is a distribution.
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None or _VERSION.match(text, at.end()):
            continue
        local = _LOCAL.search(text[max(0, at.start() - 64) : at.start()])
        if local and local[0].lower() not in _NOBODIES_MAIL:
            return at.start() - len(local[0]), domain.end()
    small = text.lower()
    spelt = _SPELT.search(text) if has(small, "at)", "at]", "at}", "at>", "at ", "(@", "[@") else None
    if spelt is None and " dot " in small:
        spelt = next((found for found in _IN_WORDS.finditer(text) if found[1].lower() in keywords.TOP_LEVELS), None)
    return spelt.span() if spelt else None


def email_in_key(key: str, context: Context) -> Span | None:
    """Of a path with an address in it, what can be the address: words that are usual in keys may stay before it."""
    span = email(key, context)
    if span is None:
        return None
    start, end = span
    words = key[start:end].partition("@")[0].split(".")
    while len(words) > 1 and keywords.is_usual(words[0]):
        start += len(words.pop(0)) + 1
    domain = key[start:end].rpartition("@")[2].split(".")
    known = next((i for i, label in enumerate(domain) if i and label.lower() in keywords.TOP_LEVELS), None)
    if known is not None:
        # A second level such as co.uk is part of it.
        known += known + 1 < len(domain) and len(domain[known + 1]) == 2
        end -= sum(len(label) + 1 for label in domain[known + 1 :])
    return start, end


# Paths of somebody's folder

_HOMES = (
    re.compile(r"(?<![\w.-])(?:/(?:var|mnt|export|usr|data|srv))?/(?:home|Users)/([^/\s:'\"]{1,64})"),
    re.compile(r"[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}([^\\/\r\n'\"]{1,64})", re.IGNORECASE),
    re.compile(r"(?<![\w/])~([a-z][\w.-]{1,32})/"),
)
_SHARE = re.compile(r"(?<![\w:\\])\\\\(?!localhost)[A-Za-z0-9][\w.-]{1,63}\\{1,2}[\w$][\w$.-]")


def home(text: str, context: Context) -> Span | None:
    if "/" not in text and "\\" not in text:
        return None
    if not has(text.lower(), "/home", "/users", ":\\", ":/", "~", "\\\\"):
        return None
    for pattern in _HOMES:
        for found in pattern.finditer(text):
            if not keywords.is_nobody(found[1]) and not (Context.ROUTE in context and found[0].startswith("/home")):
                return found.span()
    share = _SHARE.search(text)
    return share.span() if share else None


def home_in_key(key: str, context: Context) -> Span | None:
    span = home(key, context)
    return (span[0], len(key)) if span else None


# Phone numbers

_PLUS = re.compile(r"(?<![\w+.])\+[1-9][\d ().-]{6,22}\d(?![\w:])")
_NATIONAL = re.compile(
    r"(?<![\w.,:+/-])(?:"
    r"0[1-9]([ .-]?)\d\d(?:\1\d\d){3}|00[1-9]\d{9,13}|00[1-9]\d(?: \d{1,4}){3,6}"
    r"|(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}"
    r")(?!\w|[.,:/-]\d)"
)
_CALLED_PHONE = re.compile(r"[\d +().\-/x]{7,32}")


def phone(text: str, context: Context) -> Span | None:
    if Context.PHONE in context and _CALLED_PHONE.fullmatch(text) and _digits(text) >= 7:
        return 0, len(text)
    if Context.VERSION in context or Context.TIME in context:
        return None
    for found in _PLUS.finditer(text) if "+" in text else ():
        digits, is_spaced = _digits(found[0]), not found[0][1:].isdigit()
        if 8 <= digits <= 15 and (is_spaced or digits >= 10) and "." not in found[0].strip(".")[:3]:
            return found.span()
    found_national = _NATIONAL.search(text)
    return found_national.span() if found_national else None


def _digits(text: str) -> int:
    return sum(char.isdigit() for char in text)


# User names


def user(text: str, context: Context) -> Span | None:
    is_name = Context.USER in context and 1 < len(text) <= 200 and any(char.isalpha() for char in text)
    return (0, len(text)) if is_name and not keywords.is_nobody(text) else None
