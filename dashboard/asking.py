"""What an address asks the instance table for. Pure: parameters in, parameters out.

q=text              those whose id begins so, or that say so of themselves
state=silent        those in that state; repeated: in any of these
f.<key>=value       those that say or report this; repeated: any of these; an empty value: those that do not say
min.<key>=5         those that report a number from there on; max.<key>=9 up to there
c=<column>          what is shown; repeated; c=all is everything that there is
sort=-<column>      in which order
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from metrics.bounds import MAX_KEY_LENGTH, MAX_TEXT_LENGTH

Pair = tuple[str, str]

VALUE, LEAST, MOST = "f.", "min.", "max."
EVERY_COLUMN = "all"
LONGEST_SEARCH = 100
LONGEST_NUMBER = 40
# Each condition costs a look into every instance's metrics, and each column a cell of every row.
MOST_VALUES = 100
MOST_BOUNDS = 20
MOST_COLUMNS = 600


def number(text: str) -> float | None:
    """The number that the text is, unless it is none, or beyond what a number can be."""
    if len(text) > LONGEST_NUMBER:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Known:
    """What there is to ask for, besides any key."""

    states: frozenset[str]
    columns: frozenset[str]
    is_hidden: Callable[[str], bool] = lambda key: False


@dataclass(frozen=True)
class Asked:
    """The parameters that mean something, each once and in one order; and those that do not."""

    pairs: tuple[Pair, ...] = ()
    ignored: tuple[Pair, ...] = ()

    @classmethod
    def of(cls, parameters: Iterable[Pair], known: Known) -> Asked:
        groups: dict[str, list[Pair]] = {name: [] for name in _READERS}
        ignored: list[Pair] = []
        for name, text in parameters:
            kind = _kind(name)
            if kind is None:
                continue
            text = text.replace("\0", "")
            pair = _READERS[kind](name, text, known)
            if pair is None or (pair not in groups[kind] and len(groups[kind]) >= _BOUNDS.get(kind, 1)):
                ignored += [(name, text)] if _is_worth_a_word(kind, name, text, known) else []
            elif pair not in groups[kind]:
                groups[kind].append(pair)
        return cls(tuple(pair for group in groups.values() for pair in group), tuple(dict.fromkeys(ignored)))

    def all(self, name: str) -> list[str]:
        return [text for other, text in self.pairs if other == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def by_key(self, prefix: str) -> dict[str, list[str]]:
        """What is asked of each key, by it."""
        found: dict[str, list[str]] = {}
        for name, text in self.pairs:
            if name.startswith(prefix):
                found.setdefault(name.removeprefix(prefix), []).append(text)
        return found

    @property
    def conditions(self) -> tuple[Pair, ...]:
        """Those by which some instances may be left out."""
        return tuple(pair for pair in self.pairs if pair[0] not in ("c", "sort"))

    def has(self, name: str, text: str) -> bool:
        return (name, text) in self.pairs


def without(pairs: Iterable[Pair], pair: Pair) -> list[Pair]:
    return [other for other in pairs if other != pair]


def replaced(pairs: Iterable[Pair], changes: Mapping[str, Iterable[str]]) -> list[Pair]:
    """The pairs with all values of some names given up for others."""
    kept = [pair for pair in pairs if pair[0] not in changes]
    return kept + [(name, text) for name, texts in changes.items() for text in texts]


def is_about_table(name: str) -> bool:
    """Whether a parameter says what the table shows, rather than which page of it, or which chart above it."""
    return _kind(name) is not None


def _kind(name: str) -> str | None:
    return next((kind for kind in _READERS if name == kind or (kind.endswith(".") and name.startswith(kind))), None)


# Each reads one kind of parameter: the pair as it is kept, or None where it means nothing.


def _search(name: str, text: str, known: Known) -> Pair | None:
    text = text.strip()[:LONGEST_SEARCH].strip()
    return (name, text) if text else None


def _state(name: str, text: str, known: Known) -> Pair | None:
    return (name, text) if text in known.states else None


def _value(name: str, text: str, known: Known) -> Pair | None:
    return (name, text) if _is_open(name, known) and len(text) <= MAX_TEXT_LENGTH else None


def _bound(name: str, text: str, known: Known) -> Pair | None:
    return (name, text) if _is_open(name, known) and number(text) is not None else None


def _column(name: str, text: str, known: Known) -> Pair | None:
    return (name, text) if text in known.columns or text == EVERY_COLUMN else None


def _sort(name: str, text: str, known: Known) -> Pair | None:
    return (name, text) if text.removeprefix("-") in known.columns else None


def _is_worth_a_word(kind: str, name: str, text: str, known: Known) -> bool:
    """Whether to say that something was ignored: an empty field of a form asked for nothing, any order is an order,
    and of a hidden key nothing is said at all."""
    is_hidden = known.is_hidden(text.removeprefix("m.")) or known.is_hidden(name.partition(".")[2])
    return bool(text.strip()) and kind != "sort" and (name, text) != ("state", "all") and not is_hidden


def _is_open(name: str, known: Known) -> bool:
    """Whether a key may be asked for. What no instance reports may be: a saved view outlives a quiet week."""
    key = name.partition(".")[2]
    return not known.is_hidden(key) and len(key) <= MAX_KEY_LENGTH and "\0" not in key


_READERS: dict[str, Callable[[str, str, Known], Pair | None]] = {
    "q": _search,
    "state": _state,
    VALUE: _value,
    LEAST: _bound,
    MOST: _bound,
    "c": _column,
    "sort": _sort,
}
_BOUNDS = {"state": 20, VALUE: MOST_VALUES, LEAST: MOST_BOUNDS, MOST: MOST_BOUNDS, "c": MOST_COLUMNS}


def pairs_of(lists: Iterable[tuple[str, list[str]]]) -> Iterator[Pair]:
    """A query's parameters one by one."""
    return ((name, text) for name, texts in lists for text in texts)
