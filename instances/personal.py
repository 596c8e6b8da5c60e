"""Whether a text looks like personal data, and like what. Pure.

Rules and no dictionary of people: each of instances.detectors finds one kind, and here is said which of them are asked,
in which order, and what becomes of a key. docs/privacy.md has the figures of how often they are right.
"""

from __future__ import annotations

import re
from enum import Enum

from instances import keywords
from instances.detectors import credentials, machines, people
from instances.detectors.spans import Detector
from instances.keywords import Context


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

_DETECTORS: list[tuple[Kind, Detector]] = [
    (Kind.URL, credentials.url),
    (Kind.EMAIL, people.email),
    (Kind.HOME, people.home),
    (Kind.SECRET, credentials.secret),
    (Kind.MAC, machines.mac),
    (Kind.IP, machines.ip),
    (Kind.PHONE, people.phone),
    (Kind.HOST, machines.host),
    (Kind.USER, people.user),
]
# A key has no key of its own to say what it is, and its dots make it look like a host's name.
_IN_KEYS: list[tuple[Kind, Detector]] = [
    (Kind.URL, credentials.url),
    (Kind.EMAIL, people.email_in_key),
    (Kind.HOME, people.home_in_key),
    (Kind.SECRET, credentials.secret),
    (Kind.MAC, machines.mac),
    (Kind.IP, machines.ip_in_key),
    (Kind.PHONE, people.phone),
]
