"""The ledger read back: who lived when, who held which entry, what became of each run. Pure: no clock, no store.

A *holding* is one delivery in one process's hands, from `take` to `drop`; its claim names it in every line.
A *life* is one worker process. A *disturbance* is a moment at which death and outage can't be told apart for a lease:
a deed of the monkeys, or a trouble that a worker told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]
NEVER = float("inf")
TROUBLES = {"StoreTrouble", "StoreBack", "Discontinuity"}


@dataclass(eq=False)
class Holding:
    """Times are the ledger's, seconds; NEVER: it did not happen. `now`: server time of the begin, ms."""

    claim: str
    at: str
    entry: str
    pid: int
    taken: float
    again: bool
    run: str = ""
    begun: float = NEVER
    now: int = 0
    begins: int = 0
    known: frozenset[str] = frozenset()
    settled: float = NEVER
    let_go: float = NEVER
    refused: str = ""
    writes: list[Line] = field(default_factory=list)
    acts: dict[str, str] = field(default_factory=dict)
    """Step name -> the token that this begin's own act made."""


@dataclass(eq=False)
class Life:
    """One worker process. `pauses`: while SIGSTOPped; `cut_off`: when its network was touched; `troubles`: while it
    said that it had no answer from the store."""

    pid: int
    seat: int
    newer: bool
    clock_off: float
    started: float
    up: float = NEVER
    ended: float = NEVER
    pauses: list[tuple[float, float]] = field(default_factory=list)
    cut_off: list[float] = field(default_factory=list)
    troubles: list[tuple[float, float]] = field(default_factory=list)

    def lives(self, at: float) -> bool:
        return self.started <= at < self.ended

    def hindered(self, at: float) -> bool:
        return self.paused(at, at) or any(a <= at <= b for a, b in self.troubles)

    def paused(self, since: float, until: float) -> bool:
        """Whether it was stopped at any moment of that time."""
        return any(a <= until and b >= since for a, b in self.pauses)


@dataclass(eq=False)
class Story:
    lease: float
    lines: list[Line]
    lives: dict[int, Life] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    entries: dict[tuple[str, str], list[Holding]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Holding]] = field(default_factory=lambda: defaultdict(list))
    """Run -> the holdings that began it, in the order of the server's clock."""
    acked: dict[str, str] = field(default_factory=dict)
    """Event id -> kind."""
    handled: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    disturbances: list[float] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    """While the store was away, or the machine stood still."""

    def of(self, *kinds: str) -> list[Line]:
        return [line for line in self.lines if line["is"] in kinds]

    def disturbed(self, since: float, until: float) -> list[float]:
        """The disturbances between the two, in order."""
        return self.disturbances[bisect_right(self.disturbances, since) : bisect_left(self.disturbances, until)]

    def attended(self, at: float) -> bool:
        """Whether any worker ran at all and reached the store, as far as it knew."""
        return any(life.up <= at < life.ended and not life.hindered(at) for life in self.lives.values())

    def could_act(self, at: float) -> bool:
        """Whether any worker ran then, and could reach a store on a machine that did not stand still."""
        return self.attended(at) and not self.store_was_out(at, at)

    def store_was_out(self, since: float, until: float) -> bool:
        return any(a <= until and b >= since for a, b in self.outages)


def tell(lines: Iterable[Line], lease: float) -> Story:
    """The story of a ledger, in the order of its times."""
    story = Story(lease, list(lines))
    for line in story.lines:
        _live(story, line)
        _hold(story, line)
    for holding in story.holdings.values():
        story.entries[holding.at, holding.entry].append(holding)
        if holding.begun < NEVER:
            story.runs[holding.run].append(holding)
    for held in story.entries.values():
        held.sort(key=lambda h: h.taken)
    for begun in story.runs.values():
        begun.sort(key=lambda h: (h.now, h.begun))
    story.disturbances += _unattended(story)
    story.disturbances.sort()
    return story


def _live(story: Story, line: Line) -> None:
    """What was done to processes and to the store."""
    at, victim = line["t"], story.lives.get(line.get("victim", 0))
    match line["is"]:
        case "start":
            life = Life(line["worker"], line["seat"], line["newer"], line["clock_off"], at)
            story.lives[line["worker"]] = life
            return
        case "up":
            if life := story.lives.get(line["pid"]):
                life.up = at
            return
        case "kill" | "exit":
            if victim:
                victim.ended = min(victim.ended, at)
        case "dies" | "down":
            if life := story.lives.get(line["pid"]):
                life.ended = min(life.ended, at)
        case "stop" if victim:
            victim.pauses.append((at, NEVER))
        case "wake" if victim:
            victim.pauses[-1] = (victim.pauses[-1][0], at)
        case "cut" | "hole":
            if victim:
                victim.cut_off.append(line["began"])
        case "store killed":
            story.outages.append((at, NEVER))
        case "store back":
            story.outages = [(a, at if b == NEVER else b) for a, b in story.outages]
        case "stall":
            story.outages.append((at - line["seconds"], at))
        case "fact" if line["fact"] in TROUBLES:
            life = story.lives[line["pid"]]
            if line["fact"] == "StoreTrouble":
                life.troubles.append((at, NEVER))
            elif line["fact"] == "StoreBack" and life.troubles:
                life.troubles[-1] = (life.troubles[-1][0], at)
        case _:
            return
    story.disturbances.append(at)


def _hold(story: Story, line: Line) -> None:
    """What went through the workers' hands."""
    match line["is"]:
        case "acked":
            story.acked[line["id"]] = line["kind"]
            return
        case "handled":
            story.handled[line["run"]].append(line)
            return
        case "take":
            story.holdings[line["claim"]] = Holding(
                line["claim"], line["at"], line["entry"], line["pid"], line["t"], line["again"]
            )
            return
    held = story.holdings.get(line.get("claim", ""))
    if held is None:
        return
    match line["is"]:
        case "begin":
            held.run, held.begun, held.now = line["run"], line["t"], line["now"]
            held.begins, held.known = line["begins"], frozenset(line["known"])
        case "act":
            held.acts[line["step"]] = line["token"]
        case "wrote":
            held.writes.append(line)
            if line["op"] != "step":
                held.settled = line["t"]
        case "dropped":
            held.settled = line["t"]
        case "refused":
            held.refused = line["why"]
        case "drop":
            held.let_go = line["t"]


def _unattended(story: Story) -> list[float]:
    """Starts at which nobody else was there for a lease already: until then nobody may take over."""
    moments = [life.up for life in story.lives.values() if life.up < NEVER and not story.attended(life.up - 0.001)]
    for life in story.lives.values():
        others = (
            o for o in story.lives.values() if o is not life and o.lives(life.up) and o.up < life.up - story.lease
        )
        if life.up < NEVER and not any(not o.paused(life.up, life.up) for o in others):
            moments.append(life.up)
    return moments
