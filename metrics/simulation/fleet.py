"""Who is in the demo's fleet and what becomes of each: all of it drawn from the seed, the first day and the length.

Pure. The private keys follow from the seed as well, so anybody can sign as one of these installations: they are for
a demo and nothing else.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from nacl.signing import SigningKey

from metrics.simulation.installation import EPHEMERAL_LIFE, Fate, Installation
from metrics.simulation.products import PRODUCTS, SYSTEMS, Product, Release

# The first installations are one of each; those after them share the ordinary fates out in turn.
FIRST_FATES = (
    Fate.STEADY,
    Fate.NEWCOMER,
    Fate.TEXT,
    Fate.OUTLIER,
    Fate.REVOKED,
    Fate.PENDING,
    Fate.EPHEMERAL,
    Fate.GAP,
    Fate.AWAY,
    Fate.GONE,
)
OTHER_FATES = (
    *(Fate.STEADY, Fate.JOINER, Fate.STEADY, Fate.EPHEMERAL, Fate.JOINER, Fate.STEADY, Fate.GONE),
    *(Fate.JOINER, Fate.STEADY, Fate.AWAY, Fate.STEADY, Fate.JOINER, Fate.EPHEMERAL, Fate.STEADY),
)
ENVIRONMENTS = {"production": 78, "staging": 13, "test": 9}
CLOCK_OFFSETS = (-8, -5, -3, 0, 1, 1, 2, 5.5, 8, 9)
OUTLIER_SIZE = 250
# Those that never upgrade what they once set up, and those that take previews on the day they come out.
LINGERING = 0.12
EARLY = 0.08


@dataclass(frozen=True)
class Story:
    """The span that a fleet's history is told over. What is drawn as a part of it lies `days` apart at most."""

    seed: int
    first_day: datetime
    days: int

    def at(self, part: float) -> datetime:
        """The moment so far into the story; 1 is when the demo was first started."""
        return self.first_day + timedelta(days=self.days) * part

    def fleet(self, count: int) -> list[Installation]:
        """The first `count` installations. A larger fleet of the same seed has the same ones and more."""
        return [self._installation(index) for index in range(count)]

    def _installation(self, index: int) -> Installation:
        fate = _fate(index)
        product = PRODUCTS[index % len(PRODUCTS)]
        random = self._random(index, "traits")
        joined, ended, silent = self._life(fate, self._random(index, "life"))
        system = random.choices(list(SYSTEMS), list(SYSTEMS.values()))[0]
        identity = hashlib.blake2b(f"shm-demo:{self.seed}:{index}".encode(), digest_size=48).digest()
        return Installation(
            product=product,
            fate=fate,
            id=UUID(bytes=identity[:16], version=4),
            key=SigningKey(identity[16:]),
            system=system,
            mode=random.choice(product.modes) if system.startswith("linux") else "binary",
            environment=random.choices(list(ENVIRONMENTS), list(ENVIRONMENTS.values()))[0],
            size=random.lognormvariate(0, 0.8) * (OUTLIER_SIZE if fate is Fate.OUTLIER else 1),
            clock_offset=random.choice(CLOCK_OFFSETS),
            set_up=joined - timedelta(days=random.uniform(20, 400)) if _is_old(fate) else joined,
            joined=joined,
            ended=ended,
            silent=silent,
            upgrades=tuple(self._upgrades(product, joined, self._random(index, "upgrades"))),
            phase=timedelta(seconds=random.randrange(3600)),
        )

    def _random(self, index: int, purpose: str) -> Random:
        return Random(f"{self.seed}:{index}:{purpose}")  # noqa: S311 - repeatable on purpose, and nothing secret

    def _life(self, fate: Fate, random: Random) -> tuple[datetime, datetime | None, tuple[datetime, datetime] | None]:
        """When it joins, when it ends, and when it is silent in between."""
        joined = self.at(random.uniform(0, 0.12))
        ended: datetime | None = None
        silent: tuple[datetime, datetime] | None = None
        if fate in (Fate.JOINER, Fate.PENDING):
            joined = self.at(random.uniform(0.15, 0.97))
        elif fate is Fate.NEWCOMER:
            joined = self.at(1)
        elif fate is Fate.EPHEMERAL:
            joined = self.at(random.uniform(0.1, 0.99))
            ended = joined + EPHEMERAL_LIFE
        elif fate in (Fate.GONE, Fate.REVOKED):
            ended = self.at(random.uniform(0.3, 0.9))
        elif fate is Fate.AWAY:
            part = random.uniform(0.2, 0.4)
            silent = self.at(part), self.at(part + random.uniform(0.15, 0.4))
        elif fate is Fate.GAP:
            start = self.at(random.uniform(0.5, 0.8))
            silent = start, start + timedelta(days=min(2, self.days / 10))
        return joined, ended, silent

    def _upgrades(self, product: Product, joined: datetime, random: Random) -> Iterator[tuple[datetime, str]]:
        """What it joins with, a stable version of that day, and then each release that it takes, when it takes it."""
        character = random.random()
        patience = math.inf if character < LINGERING else random.lognormvariate(1.3, 0.8)
        is_early = character > 1 - EARLY
        stable = [release for release in product.releases if not release.is_preview and self.at(release.at) <= joined]
        newest = joined
        # Who never upgrades may have been behind already.
        yield newest, (random.choice(stable[-2:]) if math.isinf(patience) else stable[-1]).version
        for release in product.releases:
            taken = self._taken(release, patience, is_early, random)
            # One who is slow with a release does not go back to it when the next one is installed already.
            if taken is not None and taken > newest and self.at(release.at) > joined:
                newest = taken
                yield taken, release.version

    def _taken(self, release: Release, patience: float, is_early: bool, random: Random) -> datetime | None:
        delay = 0.5 + patience * random.uniform(0.4, 1.6)
        if is_early:
            delay = random.uniform(0.05, 0.6)
        elif release.is_preview or math.isinf(delay):
            return None
        return self.at(release.at) + timedelta(days=delay)


def _fate(index: int) -> Fate:
    if index < len(FIRST_FATES):
        return FIRST_FATES[index]
    return OTHER_FATES[(index - len(FIRST_FATES)) % len(OTHER_FATES)]


def _is_old(fate: Fate) -> bool:
    """Whether it ran before the story began, and so has something to count from the first day on."""
    return fate not in (Fate.JOINER, Fate.NEWCOMER, Fate.EPHEMERAL)
