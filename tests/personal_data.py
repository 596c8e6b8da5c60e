"""Texts by what they are, for measuring instances.personal: those that its rules were made with, and those that they
had never seen. Lines of kind, key and text between tabs; the kind is "-" for what is harmless."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from instances.personal import kind_of

FOLDER = Path(__file__).parent / "personal"
TUNED, HELD_OUT = FOLDER / "tuned.tsv", FOLDER / "held_out.tsv"


class Sample(NamedTuple):
    kind: str
    key: str
    text: str


def samples(path: Path) -> Iterator[Sample]:
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, key, text = line.split("\t", 2)
        # It stands in invented tokens, so that nobody's scanner of repositories takes them for leaked ones.
        yield Sample(kind, key, text.replace("¦", ""))


@dataclass
class Measured:
    harmless: int
    personal: int
    false_positives: list[Sample]
    false_negatives: list[Sample]
    other_kind: list[tuple[Sample, str]]

    def __str__(self) -> str:
        wrong, missed = len(self.false_positives), len(self.false_negatives)
        return (
            f"{missed} of {self.personal} missed ({missed / self.personal:.1%}), {wrong} of {self.harmless} harmless "
            f"ones taken for personal ({wrong / self.harmless:.1%}), {len(self.other_kind)} called by another kind"
        )


def measure(path: Path) -> Measured:
    measured = Measured(0, 0, [], [], [])
    for sample in samples(path):
        found = kind_of(sample.text, sample.key)
        if sample.kind == "-":
            measured.harmless += 1
            measured.false_positives += [sample] if found else []
        else:
            measured.personal += 1
            measured.false_negatives += [] if found else [sample]
            if found and found.value != sample.kind:
                measured.other_kind.append((sample, found.value))
    return measured
