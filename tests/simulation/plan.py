"""A seed as a history to play: who takes part, what is asked of them, and what goes wrong when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.simulation.network import Weather
from tests.simulation.program import ALONE, FEW, FREE, STREAMS, words_of

ACTIVE = 60.0
"""Seconds in which things happen and go wrong; then all heals, and the rest must come to its end."""
LEASE_MS = 15_000


@dataclass(frozen=True, slots=True)
class Member:
    """One process. `skew`, seconds; `ticks`: whether it has the schedules; `starts`, `dies_at_call` (0 never)."""

    name: str
    skew: float
    drift: float
    ticks: bool
    starts: float
    dies_at_call: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One event. `again`: when a second producer sends it too, -1 never; `foreign`: that one is a bare client."""

    at: float
    stream: str
    id: str
    words: tuple[str, ...]
    lane: str
    delay: float
    again: float
    foreign: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind`: kill, freeze, cut, or jump; `who`: the member's name; `how`: refuses, silent, or '';
    `much`: seconds that it lasts, or that the server's clock is set by."""

    at: float
    kind: str
    who: str = ""
    how: str = ""
    much: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    weather: Weather
    members: list[Member]
    few: int
    kinds: frozenset[str]
    """The functions of this history, beside those that echo and tick."""
    crons: list[tuple[str, str, str]]
    asks: list[Ask]
    answers: list[tuple[float, str]]
    """(when, key) of the answers that are sent."""
    faults: list[Fault] = field(default_factory=list)


def plan_of(seed: int) -> Plan:
    dice = Random(f"plan {seed}")
    members = _members(dice)
    crons = [
        (dice.choice(["*/10 * * * * *", "*/15 * * * * *", "* * * * *"]), misfire, dice.choice(["skip", "queue"]))
        for misfire in dice.sample(["all", "latest", "none"], dice.choice([0, 1, 1, 2]))
    ]
    weather = Weather(dice.choice([0.1, 0.3]), dice.choice([0.001, 0.02, 0.3]), dice.choice([0.0, 0.002, 0.01]))
    faults = sorted(_faults(dice, members), key=lambda f: f.at)
    kinds = frozenset(dice.sample([FREE, FEW, ALONE], 2))
    asks = list(_asks(dice, kinds))
    answers = list(_answers(dice, asks))
    return Plan(seed, weather, members, dice.randint(1, 2), kinds, crons, asks, answers, faults)


def _members(dice: Random) -> list[Member]:
    many = dice.randint(2, 4)
    ticking = dice.randint(1, min(many, 3))
    return [
        Member(
            name=f"w{n}",
            skew=dice.choice([0.0, dice.uniform(-600, 600)]),
            drift=dice.choice([0.0, dice.uniform(-2e-4, 2e-4)]),
            ticks=n < ticking,
            starts=dice.choice([0.0, 0.0, dice.uniform(0, 15)]),
            dies_at_call=dice.choice([0, 0, dice.randint(1, 200)]),
        )
        for n in range(many)
    ]


def _asks(dice: Random, kinds: frozenset[str]) -> Iterator[Ask]:
    streams = [stream for stream, fns in sorted(STREAMS.items()) if kinds & set(fns)]
    for n in range(dice.randint(3, 9)):
        at = dice.uniform(0, ACTIVE * 0.7)
        yield Ask(
            at=at,
            stream=dice.choice(streams),
            id=dice.choice(["", *[f"j-{n}"] * 5]),
            words=tuple(words_of(dice, LEASE_MS / 1000, n)),
            lane=dice.choice("ab"),
            delay=dice.choice([0.0, 0.0, 0.0, dice.uniform(0.1, 20)]),
            again=dice.choice([-1.0, -1.0, at + dice.uniform(0, 20)]),
            foreign=dice.random() < 0.5,
        )


def _answers(dice: Random, asks: list[Ask]) -> Iterator[tuple[float, str]]:
    """Some come before they are waited for, some in time, some late, some never, and some twice."""
    for ask in asks:
        for word in ask.words:
            if word.startswith("wait"):
                for _ in range(dice.choice([0, 1, 1, 2])):
                    yield min(ask.at + dice.uniform(0, 30), ACTIVE * 0.9), word.split()[2]


def _faults(dice: Random, members: list[Member]) -> Iterator[Fault]:
    lease = LEASE_MS / 1000
    for _ in range(dice.choice([0, 1, 1, 2])):
        yield Fault(dice.uniform(1, ACTIVE * 0.8), "kill", dice.choice(members).name, much=dice.uniform(0, 20))
    for _ in range(dice.choice([0, 1, 1, 2])):
        lasts = lease * dice.choice([0.5, 1.2, 2.0, 3.5])
        yield Fault(dice.uniform(1, ACTIVE * 0.7), "freeze", dice.choice(members).name, much=lasts)
    for _ in range(dice.choice([0, 0, 1, 2])):
        lasts = dice.choice([0.3, lease / 2, lease * 1.5])
        yield Fault(dice.uniform(1, ACTIVE * 0.7), "cut", how=dice.choice(["refuses", "silent"]), much=lasts)
    for _ in range(dice.choice([0, 0, 1])):
        yield Fault(dice.uniform(1, ACTIVE * 0.8), "jump", much=dice.choice([-60.0, -2.0, 3.0, lease * 1.5, 300.0]))
