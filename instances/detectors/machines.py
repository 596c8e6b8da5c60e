"""Where a text holds what only one machine has: its hardware address, its IP address, its name. Pure."""

from __future__ import annotations

import ipaddress
import re

from instances import keywords
from instances.detectors.spans import Span, has
from instances.keywords import Context

# Hardware addresses

_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9a-f]{2}(?P<by>[:-])(?:[0-9a-f]{2}(?P=by)){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})"
    r"(?![\w:-]|\.\w)",
    re.IGNORECASE,
)
_BARE_MAC = re.compile(r"[0-9a-f]{12}", re.IGNORECASE)
_NO_DEVICE = frozenset({"000000000000", "ffffffffffff"})


def mac(text: str, context: Context) -> Span | None:
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


def ip(text: str, context: Context) -> Span | None:
    return (_v4(text, context) if text.count(".") > 2 else None) or (_v6(text) if text.count(":") > 1 else None)


def ip_in_key(key: str, context: Context) -> Span | None:
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


# Host names

_MACHINE = re.compile(
    r"(?<![\w.-])(?:DESKTOP-[A-Z0-9]{7}|LAPTOP-[A-Z0-9]{7,8}|WIN-[A-Z0-9]{11}|ip(?:-\d{1,3}){4}"
    r"|[A-Za-z]{2,32}s-(?:MacBook|MBP|iMac|Mac|iPhone|iPad)(?:-[A-Za-z0-9]{1,8}){0,3})(?![A-Za-z0-9_])"
)
_QUALIFIED = re.compile(
    r"(?<![\w.@-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}(?![\w-]|\.\w)", re.IGNORECASE
)
_CALLED_HOST = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}(?:\.[a-z0-9_-]{1,63}){0,8}", re.IGNORECASE)


def host(text: str, context: Context) -> Span | None:
    if Context.HOST in context:
        return _called_host(text)
    if has(text, "DESKTOP-", "LAPTOP-", "WIN-", "ip-", "s-Mac", "s-MBP", "s-i") and (found := _MACHINE.search(text)):
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
