"""How much of what, and which fault when: all of it drawn from the seed, so that a seed names a plan.

Faults come in rounds: some within a second or two, then calm for more than a lease, so that recovery can be measured.
In each round one seat is spared from SIGKILL: somebody must be there to take over.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

SEATS = 3
PUBLISHER = SEATS
"""The publisher's place among those whose connections are cut."""
FAULTS = ("kills", "stops", "store_kills", "cuts", "holes")
Act = Literal["kill", "stop", "store", "cut", "hole"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`after`: seconds from the round's start; `seconds`: how long a stop or the store's absence lasts."""

    act: Act
    after: float
    seat: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    faults: tuple[Fault, ...]
    calm: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a plan must do at least; a run of it that did less is a miss. Times in seconds."""

    runs: int
    kills: int
    stops: int
    store_kills: int
    cuts: int
    holes: int
    poisons: int
    rounds: int
    schedules: int
    tick_seconds: int
    judged_takeovers: int
    stale_writes: int
    lease_ms: int = 3_000
    drain: float = 150.0

    @property
    def lease(self) -> float:
        return self.lease_ms / 1000


LONG = Sizes(
    runs=20_000,
    kills=100,
    stops=20,
    store_kills=10,
    cuts=50,
    holes=10,
    poisons=2,
    rounds=42,
    schedules=200,
    tick_seconds=60,
    judged_takeovers=100,
    stale_writes=5,
)
SHORT = Sizes(
    runs=800,
    kills=8,
    stops=2,
    store_kills=1,
    cuts=3,
    holes=1,
    poisons=1,
    rounds=4,
    schedules=20,
    tick_seconds=8,
    judged_takeovers=3,
    stale_writes=0,  # a short one meets few
    drain=100.0,
)


def with_spare(sizes: Sizes) -> Sizes:
    """Somewhat more of each fault than must be done: one may find no victim, or hit one that dies of its own."""
    more = {name: count + 1 + count // 10 for name in FAULTS if (count := getattr(sizes, name))}
    return replace(sizes, **more)


def of_the_ticks(sizes: Sizes) -> Sizes:
    """The faults of the cron part: some of each kind that a scheduler may meet."""
    rounds = max(1, sizes.tick_seconds // 8)
    return replace(sizes, kills=rounds, cuts=rounds, stops=rounds // 4, store_kills=rounds // 3, holes=0, rounds=rounds)


def draw(sizes: Sizes, seed: int) -> list[Round]:
    """The rounds of a seed: every count of `sizes`, dealt out over the rounds."""
    dice = random.Random(seed)
    hands: list[list[Fault]] = [[] for _ in range(sizes.rounds)]
    spared = [dice.randrange(SEATS) for _ in hands]

    def deal(count: int) -> list[int]:
        """Rounds for `count` faults: evenly, in a drawn order, so that none gets all."""
        order = [n % sizes.rounds for n in range(count)]
        shift = dice.sample(range(sizes.rounds), sizes.rounds)
        return [shift[n] for n in order]

    for n in deal(sizes.kills):
        victims = [s for s in range(SEATS) if s != spared[n]]
        hands[n].append(Fault("kill", dice.uniform(0, 1.5), dice.choice(victims)))
    for n in deal(sizes.cuts):
        hands[n].append(Fault("cut", dice.uniform(0, 1.5), dice.randrange(SEATS + 1)))
    for n in deal(sizes.holes):
        hands[n].append(Fault("hole", dice.uniform(0, 1.5), spared[n]))
    for n in deal(sizes.store_kills):
        hands[n].append(Fault("store", dice.uniform(0, 1.5), seconds=dice.uniform(0.1, 1.5)))
    for n in deal(sizes.stops):  # at the end of the round: others take over in its calm
        longer = dice.uniform(1.2, 1.8)
        victims = [s for s in range(SEATS) if s != spared[n]]
        hands[n].append(Fault("stop", 1.6, dice.choice(victims), seconds=sizes.lease + longer))
    calm = sizes.lease + 1.6
    return [Round(tuple(sorted(hand, key=lambda f: f.after)), calm) for hand in hands]
