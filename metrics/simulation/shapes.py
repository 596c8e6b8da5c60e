"""How a simulated metric moves: what grows, what follows the day and the week, what is drawn once and stays.

Pure. A shape says what one installation would send at one moment, from what it is and when it is; it keeps nothing.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

Value = int | float | str | bool
# A product's metrics as it sends them: shapes under their keys, objects nested as in the snapshot.
Spec = dict[str, Any]


@cache
def draw(*words: str) -> float:
    """A number from 0 up to 1 that is always the same for the same words."""
    digest = hashlib.blake2b(":".join(words).encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


@dataclass(frozen=True)
class Moment:
    """What a metric may depend on: whose it is, and where in its life, its day and its week it stands."""

    identity: str
    size: float  # 1 is an ordinary installation
    age: float  # days since it was set up
    local_day: float  # days since 1970-01-01 (a Thursday), by the installation's own clock
    weekend: float  # how busy a Saturday is, where a weekday is 1

    @property
    def activity(self) -> float:
        """How busy it is, about 1 over a week: most in the early afternoon, hardly at all before dawn."""
        hour = self.local_day % 1 * 24
        weekday = int(self.local_day + 3) % 7
        return (1 + 0.75 * math.cos((hour - 14) / 12 * math.pi)) * (self.weekend if weekday >= 5 else 1)

    def wobble(self, name: str) -> float:
        """Slow, smooth noise from -1 to 1, another one for each metric and installation."""
        phase = 2 * math.pi * draw(self.identity, name, "phase")
        days = self.local_day
        return (
            0.5 * math.sin(days * 1.7 + phase)
            + 0.3 * math.sin(days * 0.37 + phase * 3)
            + 0.2 * math.sin(days * 29 + phase)
        )


class Shape(Protocol):
    def value(self, name: str, moment: Moment) -> Value: ...


@dataclass(frozen=True)
class Total:
    """A count that only grows, faster by day than by night: documents, bytes, jobs run.

    `start`: what is brought along in the first two weeks, an import say; `per_day`: what each day adds.
    """

    start: float
    per_day: float

    def value(self, name: str, moment: Moment) -> int:
        # The sine's slope never outweighs the line's, so that the sum never falls.
        days = moment.age - 0.8 / (2 * math.pi) * math.sin(2 * math.pi * moment.local_day)
        pace = 0.5 + draw(moment.identity, name, "pace")
        imported = self.start * min(1.0, moment.age / 14)
        return max(0, round(moment.size * pace * (imported + self.per_day * days)))


@dataclass(frozen=True)
class Level:
    """What goes up and down with use: users online, queue length, memory.

    `swing`: how much of it follows the day and the week; `scaling`: the power of the installation's size it goes by.
    """

    mean: float
    swing: float = 1.0
    scaling: float = 1.0
    digits: int = 0

    def value(self, name: str, moment: Moment) -> int | float:
        level = self.mean * math.pow(moment.size, self.scaling) * (0.6 + 0.8 * draw(moment.identity, name, "level"))
        level *= (1 - self.swing + self.swing * moment.activity) * (1 + 0.15 * moment.wobble(name))
        return round(level, self.digits) if self.digits else round(level)


@dataclass(frozen=True)
class Share:
    """A ratio between two bounds, each installation around a mean of its own."""

    low: float
    high: float

    def value(self, name: str, moment: Moment) -> float:
        mean = self.low + (self.high - self.low) * draw(moment.identity, name, "mean")
        share = mean + 0.15 * (self.high - self.low) * moment.wobble(name)
        return round(min(self.high, max(self.low, share)), 4)


@dataclass(frozen=True)
class Pick:
    """One of several, for good; one that stands there twice is twice as likely."""

    options: tuple[Value, ...]

    def value(self, name: str, moment: Moment) -> Value:
        return self.options[int(draw(moment.identity, name, "pick") * len(self.options))]


@dataclass(frozen=True)
class Flag:
    """A feature that a share of the installations switch on, each some weeks after it was set up."""

    chance: float

    def value(self, name: str, moment: Moment) -> bool:
        wanted = draw(moment.identity, name, "wanted") < self.chance
        return wanted and moment.age > 50 * draw(moment.identity, name, "when") ** 2


def sample(spec: Spec, moment: Moment, prefix: str = "") -> dict[str, Any]:
    """One snapshot's metrics: every shape replaced by its value, objects kept nested."""
    return {
        key: sample(shape, moment, f"{prefix}{key}.")
        if isinstance(shape, dict)
        else shape.value(f"{prefix}{key}", moment)
        for key, shape in spec.items()
    }
