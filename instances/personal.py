"""Whether a text looks like personal data, and like what. Pure.

Rules and no dictionary of people: what has a shape (addresses, paths, tokens, phone numbers) is found wherever it
stands; what has none (user names, plain host names) only where the key's name says what it is. docs/privacy.md has the
figures of how often they are right. Each pattern is bounded or begins where no other match can, so that the work grows
with the length of the text and no faster.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import Enum

from instances import keywords
from instances.keywords import Context

Span = tuple[int, int]
Detector = Callable[[str, Context], Span | None]


class Kind(Enum):
    """What a text looks like: the value is kept in the database, the words stand in the text's place."""

    EMAIL = "email", "e-mail address"
    URL = "url", "password in an address"
    HOME = "home", "path of a user's folder"
    SECRET = "secret", "token or secret"
    MAC = "mac", "hardware address"
    IP = "ip", "IP address"
    PHONE = "phone", "phone number"
    HOST = "host", "host name"
    USER = "user", "user name"

    def __new__(cls, value: str, words: str) -> Kind:
        kind = object.__new__(cls)
        kind._value_ = value
        return kind

    def __init__(self, value: str, words: str) -> None:
        self.words = words

    @property
    def marker(self) -> str:
        return f"[removed: {self.words}]"


def kind_of(text: str, key: str = "") -> Kind | None:
    """What the text looks like, or what is somewhere in it; None for what is harmless. `key` is what it is called."""
    context = keywords.context(key[-keywords.TAIL :])
    if not (context or _SUSPICIOUS.search(text)):
        return None
    return next((kind for kind, detect in _DETECTORS if detect(text, context)), None)


def without_personal_parts(key: str) -> tuple[str, Kind] | None:
    """A key with what looks personal in it replaced by a marker, and the kind of the first such part; or None.

    A dot in a key may be one of a path or one of an address: where that cannot be told, more is taken than less.
    """
    if not _SUSPICIOUS.search(key):
        return None
    first: Kind | None = None
    for kind, detect in _IN_KEYS:
        for _ in range(_PARTS):
            if (span := detect(key, Context(0))) is None:
                break
            first = first or kind
            key = key[: span[0]] + kind.marker + key[span[1] :]
        else:  # So many that nothing of it is worth keeping.
            return kind.marker, kind
    return (key, first) if first else None


_PARTS = 4

# What at least one of must hold of every text that has a shape to be found. Most texts end here.
_SUSPICIOUS = re.compile(
    r"[@:\\~]|%40|/home/|/Users/|-----BEGIN"
    r"|\d(?:[ .()/-]{0,2}\d){6}"  # Phone numbers and most IPv4 addresses.
    r"|(?:\.\d{1,3}){3}"
    r"|[A-Za-z0-9+/_=~-]{20}"  # Tokens.
    r"|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\."
    r"|=[^\s=]{6}|[Bb]earer |Basic |\$2[aby]\$"
    r"|\b(?:at|AT)\b"
    r"|\b(?:ip-\d|DESKTOP-|LAPTOP-|WIN-)|s-(?:Mac|MBP|iMac|iPhone|iPad)"
    r"|\.(?:local|lan|home|corp|internal|intranet|box|int|prod|dc\d)\b"
)


def _has(text: str, *parts: str) -> bool:
    """Whether one of these is in the text: much sooner said than by the pattern that needs one of them."""
    return any(part in text for part in parts)


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


def _email(text: str, context: Context) -> Span | None:
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
    spelt = _SPELT.search(text) if _has(small, "at)", "at]", "at}", "at>", "at ", "(@", "[@") else None
    if spelt is None and " dot " in small:
        spelt = next((found for found in _IN_WORDS.finditer(text) if found[1].lower() in keywords.TOP_LEVELS), None)
    return spelt.span() if spelt else None


def _email_in_key(key: str, context: Context) -> Span | None:
    """Of a path with an address in it, what can be the address: words that are usual in keys may stay before it."""
    span = _email(key, context)
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


# Addresses with a password in them

_USER_INFO = re.compile(r"://([^\s/@:\"']{0,256})(:[^\s@\"']{1,256})?@")
_GO_DSN = re.compile(r"(?<!\S)[\w.-]{1,64}:[^\s@]{1,128}@(?:tcp|udp|unix)\(")
_ASSIGNED = re.compile(
    r"(?<![a-z])(password|passwd|passphrase|pwd|secret|token|access_token|api[_-]?key|access[_-]?key)"
    r"[\"']? {0,2}[=:] {0,2}[\"']?([^\s\"'&;,]{6,200})",
    re.IGNORECASE,
)
_MASK = re.compile(r"(?:[*x•.]+|\$.*|<.*|\[.*|\{.*|%.*)\Z", re.DOTALL)
_ANYBODY = frozenset({"", "git", "hg", "svn", "anonymous", "user", "username"})


def _url(text: str, context: Context) -> Span | None:
    if "@" in text:
        for found in _USER_INFO.finditer(text):
            if found[2] or found[1].lower() not in _ANYBODY:
                return found.span()
        if dsn := _GO_DSN.search(text):
            return dsn.span()
    if not (("=" in text or ":" in text) and _has(text.lower(), "pass", "pwd", "secret", "token", "key")):
        return None
    for found in _ASSIGNED.finditer(text):
        is_password = found[1][0] in "Pp"
        if not _MASK.match(found[2]) and _is_mixed(found[2]) and (is_password or len(found[2]) >= 12):
            return found.span()
    return None


def _is_mixed(text: str) -> bool:
    """Letters, and something that no word has."""
    return any(char.isalpha() for char in text) and not text.replace("-", "").replace("_", "").isalpha()


# Tokens and secrets

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,64}|xox[abeprs]-[\w-]{10,250}"
    r"|[rsp]k_(?:live|test)_\w{10,250}|sk-[\w-]{20,250}|A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[\w-]{30,64}"
    r"|eyJ[\w-]{8,4096}\.eyJ[\w-]{4,4096}|hf_[A-Za-z0-9]{24,64}|npm_[A-Za-z0-9]{24,64}|pypi-[\w-]{16,250}"
    r"|do[opr]_v1_[a-f0-9]{40,64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,64}|SG\.[\w-]{16,64}\.[\w-]{16,64}"
    r"|AGE-SECRET-KEY-[A-Z0-9]{16,64}|\d{8,10}:A[\w-]{34}(?![\w-])|ya29\.[\w-]{20,250}"
    r")|-----BEGIN [A-Z ]{0,20}PRIVATE KEY|ssh-(?:rsa|dss|ed25519) AAAA|ecdsa-sha2-nistp\d{3} AAAA"
    r"|\$(?:2[abxy]|argon2id?|argon2i|scrypt|5|6|y)\$[^\s]{12}|hooks\.slack\.com/services/T"
)
_PREFIXES = (
    *("gh", "github_pat_", "glpat-", "xox", "k_live_", "k_test_", "sk-", "AKIA", "ASIA", "AIza", "eyJ", "hf_", "npm_"),
    *("pypi-", "_v1_", "shp", "SG.", "AGE-", "ya29.", "PRIVATE", "ssh-", "ecdsa-", "$", "hooks.", ":A"),
)
_AUTHORIZATION = re.compile(r"\b(?:Bearer|Basic|bearer) ([A-Za-z0-9._~+/=-]{16,256})")
_RUN = re.compile(r"[A-Za-z0-9+/_=~-]{20,}")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DIGEST_BEFORE = re.compile(r"(?:(?:sha\d{1,3}|md5|blake\w{0,3})[:=-]?|\d\d:\d\d:\d\d )\Z", re.IGNORECASE)
_CLASSES = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
# So many hexadecimal digits are a commit or a checksum more often than a secret; only a key's name tells.
_LONGEST_COMMIT = 40
_LONGEST_WORD = 8


def _secret(text: str, context: Context) -> Span | None:
    if _has(text, *_PREFIXES) and (found := _PREFIXED.search(text)):
        return found.span()
    if _has(text, "earer ", "asic "):
        for header in _AUTHORIZATION.finditer(text):
            if _is_mixed(header[1]):
                return header.span()
    if Context.SECRET in context and _is_called_secret(text):
        return 0, len(text)
    if Context.DIGEST in context:
        return None
    for found in _RUN.finditer(text):
        # A digest says what it is; SQLite's version has one behind a time.
        before = text[max(0, found.start() - 12) : found.start()]
        if _is_random(found[0]) and not _DIGEST_BEFORE.search(before):
            return found.span()
    return None


def _is_called_secret(text: str) -> bool:
    """Whether the value of a key called token or password is one, and not what kind of one is used."""
    if len(text) < 8 or len(text) > 512 or " " in text or _MASK.match(text) or keywords.is_algorithm(text):
        return False
    return _is_mixed(text)


def _is_random(run: str) -> bool:
    """Whether a run of 20 characters or more looks drawn at random: it changes between small letters, capitals and
    digits as no name does."""
    run = run.strip("=/-_")
    if _HEX.fullmatch(run):
        return len(run) > _LONGEST_COMMIT and not run.isdigit() and len(set(run)) > 6
    if _IDENTIFIER.fullmatch(run) or _DIGEST_BEFORE.match(run[:7]):
        return False
    parts = _CLASSES.findall(run)
    changes, letters = len(parts), sum(map(len, parts))
    digits = sum(len(part) for part in parts if part.isdigit())
    if letters < 20 or digits < 2 or changes < 2 or len(run) - letters > letters / 4:
        return False
    has_both = any(part.isupper() for part in parts) and any(part.islower() for part in parts)
    if not has_both:
        # Without one of the cases only digits interrupt, and fewer of them are chance.
        return len(run) == letters and letters >= 24 and changes >= letters * 0.4
    longest = max(len(part) for part in parts)
    # Names of several words have more capitals than other texts.
    return changes >= letters * (0.38 if len(run) == letters else 0.45) and longest < _LONGEST_WORD


# Paths of somebody's folder

_HOMES = (
    re.compile(r"(?<![\w.-])(?:/(?:var|mnt|export|usr|data|srv))?/(?:home|Users)/([^/\s:'\"]{1,64})"),
    re.compile(r"[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}([^\\/\r\n'\"]{1,64})", re.IGNORECASE),
    re.compile(r"(?<![\w/])~([a-z][\w.-]{1,32})/"),
)
_SHARE = re.compile(r"(?<![\w:\\])\\\\(?!localhost)[A-Za-z0-9][\w.-]{1,63}\\{1,2}[\w$][\w$.-]")


def _home(text: str, context: Context) -> Span | None:
    if "/" not in text and "\\" not in text:
        return None
    if not _has(text.lower(), "/home", "/users", ":\\", ":/", "~", "\\\\"):
        return None
    for pattern in _HOMES:
        for found in pattern.finditer(text):
            if not keywords.is_nobody(found[1]) and not (Context.ROUTE in context and found[0].startswith("/home")):
                return found.span()
    share = _SHARE.search(text)
    return share.span() if share else None


def _home_in_key(key: str, context: Context) -> Span | None:
    span = _home(key, context)
    return (span[0], len(key)) if span else None


# Hardware addresses

_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9a-f]{2}(?P<by>[:-])(?:[0-9a-f]{2}(?P=by)){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})"
    r"(?![\w:-]|\.\w)",
    re.IGNORECASE,
)
_BARE_MAC = re.compile(r"[0-9a-f]{12}", re.IGNORECASE)
_NO_DEVICE = frozenset({"000000000000", "ffffffffffff"})


def _mac(text: str, context: Context) -> Span | None:
    if Context.MAC in context and _BARE_MAC.fullmatch(text):
        return 0, len(text)
    if max(text.count(":"), text.count("-")) < 5 and text.count(".") < 2:
        return None
    for found in _MAC.finditer(text):
        digits = re.sub(r"[.:-]", "", found[0]).lower()
        if digits not in _NO_DEVICE and not ("." in found[0] and digits.isdigit()):
            return found.span()
    return None


# IP addresses

_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\w|-[A-Za-z]|\+)(?:/(\d{1,3}))?")
# In a key a dot may stand before it, unless that makes it a longer number.
_V4_IN_KEY = re.compile(r"(?<!\w)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)(?:/(\d{1,3}))?")
_V6_RUN = re.compile(r"[0-9A-Fa-f:.]+")
_PREFIX_LENGTH = re.compile(r"/(\d{1,3})")
_VERSION_BEFORE = re.compile(
    r"(?:(?<![/:])/|\w-|\b(?:version|release|build|ver|rev|update)[ :=]{0,2})\Z", re.IGNORECASE
)
# Versions have small numbers, addresses rarely four of them; those of a private network begin with 10.
_VERSION_PARTS = 30
_LONGEST_V6 = 45


def _ip(text: str, context: Context) -> Span | None:
    return (_v4(text, context) if text.count(".") > 2 else None) or (_v6(text) if text.count(":") > 1 else None)


def _ip_in_key(key: str, context: Context) -> Span | None:
    return _v4(key, context, _V4_IN_KEY) or (_v6(key) if key.count(":") > 1 else None)


def _v4(text: str, context: Context, pattern: re.Pattern[str] = _V4) -> Span | None:
    for found in pattern.finditer(text):
        digits = found[0].partition("/")[0]
        parts = [int(part) for part in digits.split(".")]
        if max(parts) > 255 or (parts[0] in (0, 127) and parts != [0, 0, 0, 1]) or parts[:2] == [255, 255]:
            continue
        if found[1] and _is_network(found[0], at_most=24):
            continue
        if Context.ADDRESS not in context:
            small = max(parts) < _VERSION_PARTS and parts[0] != 10
            before = text[max(0, found.start() - 12) : found.start()]
            if small or Context.VERSION in context or _VERSION_BEFORE.search(before):
                continue
        return found.span()
    return None


def _v6(text: str) -> Span | None:
    for found in _V6_RUN.finditer(text):
        run, start, end = found[0], *found.span()
        if run.count(":") < 2 or len(run) > _LONGEST_V6 or (start and _joins(text[start - 1])):
            continue
        if end < len(text) and _joins(text[end]):
            continue
        run = run.rstrip(".")
        run = run[:-1] if run.endswith(":") and not run.endswith("::") else run
        length = _PREFIX_LENGTH.match(text, end)
        if length and _is_network(run + length[0], at_most=56):
            continue
        if _is_v6(run):
            return start, start + len(run)
    return None


def _joins(char: str) -> bool:
    return char.isalnum() or char == "_"


def _is_v6(run: str) -> bool:
    groups = [group for group in run.split(":") if group]
    # Classes of some languages are written Abc::Def.
    if len(groups) < 2 or not any(char.isdigit() for char in run):
        return False
    try:
        address = ipaddress.IPv6Address(run)
    except ValueError:
        return False
    mapped = address.ipv4_mapped
    return not (address.is_loopback or address.is_unspecified or (mapped and mapped.is_loopback))


def _is_network(text: str, at_most: int) -> bool:
    """Whether it is a whole network of many hosts, and none of them."""
    try:
        return ipaddress.ip_network(text).prefixlen <= at_most
    except ValueError:
        return False


# Phone numbers

_PLUS = re.compile(r"(?<![\w+.])\+[1-9][\d ().-]{6,22}\d(?![\w:])")
_NATIONAL = re.compile(
    r"(?<![\w.,:+/-])(?:"
    r"0[1-9]([ .-]?)\d\d(?:\1\d\d){3}|00[1-9]\d{9,13}|00[1-9]\d(?: \d{1,4}){3,6}"
    r"|(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}"
    r")(?!\w|[.,:/-]\d)"
)
_CALLED_PHONE = re.compile(r"[\d +().\-/x]{7,32}")


def _phone(text: str, context: Context) -> Span | None:
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


# Host names

_MACHINE = re.compile(
    r"(?<![\w.-])(?:DESKTOP-[A-Z0-9]{7}|LAPTOP-[A-Z0-9]{7,8}|WIN-[A-Z0-9]{11}|ip(?:-\d{1,3}){4}"
    r"|[A-Za-z]{2,32}s-(?:MacBook|MBP|iMac|Mac|iPhone|iPad)(?:-[A-Za-z0-9]{1,8}){0,3})(?![A-Za-z0-9_])"
)
_QUALIFIED = re.compile(
    r"(?<![\w.@-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}(?![\w-]|\.\w)", re.IGNORECASE
)
_CALLED_HOST = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}(?:\.[a-z0-9_-]{1,63}){0,8}", re.IGNORECASE)


def _host(text: str, context: Context) -> Span | None:
    if Context.HOST in context:
        return _called_host(text)
    if _has(text, "DESKTOP-", "LAPTOP-", "WIN-", "ip-", "s-Mac", "s-MBP", "s-i") and (found := _MACHINE.search(text)):
        return found.span()
    if "." in text:
        for found in _QUALIFIED.finditer(text):
            if keywords.is_inner(found[0].lower().split(".")):
                return found.span()
    return None


def _called_host(text: str) -> Span | None:
    """What stands under a key called host: a name of several parts, or one that only one machine would have."""
    if _CALLED_HOST.fullmatch(text):
        labels = text.lower().split(".")
        is_own = any(char.isdigit() or char == "-" for char in text) if len(labels) == 1 else not labels[-1].isdigit()
        return (0, len(text)) if is_own and not keywords.is_everybodys(labels) else None
    for found in _QUALIFIED.finditer(text):
        if found[0].count(".") > 1 and not keywords.is_everybodys(found[0].lower().split(".")):
            return found.span()
    return None


def _user(text: str, context: Context) -> Span | None:
    is_name = Context.USER in context and 1 < len(text) <= 200 and any(char.isalpha() for char in text)
    return (0, len(text)) if is_name and not keywords.is_nobody(text) else None


_DETECTORS: list[tuple[Kind, Detector]] = [
    (Kind.URL, _url),
    (Kind.EMAIL, _email),
    (Kind.HOME, _home),
    (Kind.SECRET, _secret),
    (Kind.MAC, _mac),
    (Kind.IP, _ip),
    (Kind.PHONE, _phone),
    (Kind.HOST, _host),
    (Kind.USER, _user),
]
# A key has no key of its own to say what it is, and its dots make it look like a host's name.
_IN_KEYS: list[tuple[Kind, Detector]] = [
    (Kind.URL, _url),
    (Kind.EMAIL, _email_in_key),
    (Kind.HOME, _home_in_key),
    (Kind.SECRET, _secret),
    (Kind.MAC, _mac),
    (Kind.IP, _ip_in_key),
    (Kind.PHONE, _phone),
]
