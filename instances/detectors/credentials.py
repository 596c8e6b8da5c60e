"""Where a text holds what lets somebody in: an address with a password in it, a token, a secret. Pure."""

from __future__ import annotations

import re

from instances import keywords
from instances.detectors.spans import Span, has
from instances.keywords import Context

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


def url(text: str, context: Context) -> Span | None:
    if "@" in text:
        for found in _USER_INFO.finditer(text):
            if found[2] or found[1].lower() not in _ANYBODY:
                return found.span()
        if dsn := _GO_DSN.search(text):
            return dsn.span()
    if not (("=" in text or ":" in text) and has(text.lower(), "pass", "pwd", "secret", "token", "key")):
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


def secret(text: str, context: Context) -> Span | None:
    if has(text, *_PREFIXES) and (found := _PREFIXED.search(text)):
        return found.span()
    if has(text, "earer ", "asic "):
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
