"""kill -9 at random points: the destination holds the previous good set or the new complete one, nothing between.

Each row of a campaign kills one backup after the other, in a step that the dice name, after a part of the time that
the step takes; what was good must be there, whole, after each. At the end one is left to finish, and sweeps.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from joelclaw_backup import provider
from joelclaw_backup.waiting_sets import waiting
from tests.backup.faults.bench import Bench
from tests.support.backing_up import drain, one, queue_of, redis_to
from tests.support.victims import Victim, victims

SPANS = {
    "take": 0.4,
    "queue": 0.02,
    "copy": 0.05,
    "verify": 0.25,
    "publish": 0.04,
    "take-away": 0.01,
    "clean": 0.02,
    "stored": 0.01,
}
"""Seconds that a step takes, about: the kill comes somewhere within."""
DIRECT = ("take", "copy", "verify", "publish", "stored")
QUEUED = ("take", "queue", "copy", "verify", "publish", "take-away", "stored")


@dataclass
class Killed:
    """stored: backups that were whole before the kill; where: in which step the others were; misses: what must not
    be."""

    kills: int = 0
    stored: int = 0
    where: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def kill(self, victim: Victim, step: str, dice: random.Random) -> list[str]:
        """In the midst of a step, or of one that came after it; what it had said."""
        victim.until(lambda: step in victim.said())
        time.sleep(dice.uniform(0.0, SPANS[step]))
        said = victim.end()
        last = said[-1].partition("=")[0] if said else "start"
        if not said or said[-1].endswith("Error") or "Traceback" in said:
            self.misses.append(f"kill {self.kills} came too late: the backup had failed: {' '.join(said)[-300:]}")
        self.kills += 1
        self.stored += said.count("stored")
        self.where[last] += 1
        return said

    def told(self, bench: Bench, where: str, at_least: int = 1) -> None:
        self.misses += [f"kill {self.kills} in {where}: {wrong}" for wrong in bench.misses(at_least=at_least)]


def kill_at_random_points(bench: Bench, count: int, seed: int) -> Killed:
    """Each process makes one backup after the other until it is killed."""
    told, dice = Killed(), random.Random(seed)
    anyio.run(bench.prepare)
    with victims() as source:
        while told.kills < count:
            bench.good = newest(bench)
            words = [bench.source.url, str(bench.root), bench.kind, f"k{told.kills}"]
            victim = source.start("tests.support.backing_up:redis", words, bench.folder / "log")
            said = told.kill(victim, dice.choice(DIRECT), dice)
            told.told(bench, said[-1])
    anyio.run(one, redis_to(bench.source.url, bench.root, bench.kind), "the last")
    told.misses += left_behind(bench)
    return told


def kill_by_way_of_the_queue(bench: Bench, count: int, seed: int) -> Killed:
    """The same where every set waits in the queue first: what was queued is there, or stored, and at the end stored."""
    told, dice, queue, known = Killed(), random.Random(seed), queue_of(bench.root), set[str]()
    anyio.run(bench.prepare)
    with victims() as source:
        while told.kills < count:
            bench.good = newest(bench)
            words = [bench.source.url, str(bench.root), bench.kind, f"q{told.kills}"]
            victim = source.start("tests.support.backing_up:queued", words, bench.folder / "log")
            said = told.kill(victim, dice.choice(QUEUED), dice)
            told.told(bench, said[-1])
            known = {word.partition("=")[2] for word in said if word.startswith("queued=")} | {
                name for name in known if name in {entry.id for entry in waiting(queue)}
            }
            there = {entry.id for entry in waiting(queue)} | ids(bench)
            told.misses += [f"{name} was queued and is nowhere" for name in known - there]
            told.misses += [f"{e.id} waits without a manifest" for e in waiting(queue) if e.manifest is None]
    waited = {entry.id for entry in waiting(queue)}
    anyio.run(drain, redis_to(bench.source.url, bench.root, bench.kind), queue)
    told.misses += [f"{name} waited and is not stored" for name in waited - ids(bench)]
    told.misses += [f"{entry.id} still waits" for entry in waiting(queue)]
    anyio.run(one, redis_to(bench.source.url, bench.root, bench.kind), "the last")
    told.misses += left_behind(bench)
    return told


def newest(bench: Bench) -> str:
    found = provider.newest(bench.environ(), bench.target)
    assert found is not None
    return str(found["id"])


def ids(bench: Bench) -> set[str]:
    return {str(a["id"]) for a in provider.list_artefacts(bench.environ(), bench.target) if a["verified"]}


def left_behind(bench: Bench) -> list[str]:
    """What the last backup, which nobody killed, should have swept."""
    left: list[Path] = []
    for root in (bench.root, bench.settings().staging.root):
        left += root.glob(f"backups/{bench.target}/*.partial")
    return [*bench.misses(), *(f"{path} was not swept" for path in left)]
