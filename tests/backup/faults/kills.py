"""kill -9 at random points: the destination holds the previous good set or the new complete one, nothing between.

Each row of a campaign kills one backup after the other, in a step that the dice name, after a part of the time that
the step takes; what was good must be there, whole, after each. At the end one is left to finish, and sweeps.
"""

from __future__ import annotations

import os
import pickle
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from joelclaw_backup import provider
from joelclaw_backup.destination import Destination
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.travel import Travel
from joelclaw_backup.waiting_sets import waiting
from tests.backup.faults.bench import Bench
from tests.support.backing_up import FEW, drain, one
from tests.support.victims import Victim, victims

NOBODY = str  # hears what a step is called, and makes nothing of it
BY = "tests.support.backing_up"
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

    def kill(self, victim: Victim, step: str, dice: random.Random, spans: Mapping[str, float] = SPANS) -> list[str]:
        """In the midst of a step, or of one that came after it; what it had said."""
        victim.until(lambda: step in victim.said())
        time.sleep(dice.uniform(0.0, spans[step]))
        said = victim.end()
        last = said[-1].partition("=")[0]
        if "Traceback" in said:
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
    backup = RedisBackup(bench.settings(rule=FEW))
    with victims() as source:
        while told.kills < count and not bench.is_over:
            bench.good = newest(bench)
            victim = source.start(
                "tests.support.backing_up:redis", [file_of(bench, backup), f"k{told.kills}"], log(bench)
            )
            said = told.kill(victim, dice.choice(DIRECT), dice)
            told.told(bench, said[-1])
            a_day_later(bench)
    anyio.run(one, backup, "the last", NOBODY)
    told.misses += left_behind(bench)
    return told


def kill_by_way_of_the_queue(bench: Bench, count: int, seed: int) -> Killed:
    """The same where every set waits in the queue first: what was queued waits or is stored, and at last is stored."""
    told, dice, known = Killed(), random.Random(seed), set[str]()
    anyio.run(bench.prepare)
    queue = Destination("directory", bench.folder / "state/backup-queue", ours=True)
    backup = RedisBackup(bench.settings(rule=FEW, travel=Travel(queue=queue)))
    with victims() as source:
        while told.kills < count and not bench.is_over:
            bench.good = newest(bench)
            victim = source.start(
                "tests.support.backing_up:queued", [file_of(bench, backup), f"q{told.kills}"], log(bench)
            )
            said = told.kill(victim, dice.choice(QUEUED), dice)
            told.told(bench, said[-1])
            keeps_what_was_queued(bench, queue, said, known, told)
    waited = {entry.id for entry in waiting(queue)}
    anyio.run(drain, backup, queue, NOBODY)
    told.misses += not_drained(bench, queue, waited)
    anyio.run(one, backup, "the last", NOBODY)
    told.misses += left_behind(bench)
    return told


def keeps_what_was_queued(bench: Bench, queue: Destination, said: list[str], known: set[str], told: Killed) -> None:
    """It waits there whole, or is stored. known: what waited after the kill before; what waits now is put in."""
    wait = waiting(queue)
    known |= {word.partition("=")[2] for word in said if word.startswith("queued=")}
    there = {entry.id for entry in wait} | ids(bench)
    told.misses += [f"kill {told.kills}: {name} was queued and is nowhere" for name in known - there]
    told.misses += [f"kill {told.kills}: {e.id} waits without a manifest" for e in wait if e.manifest is None]
    known &= {entry.id for entry in wait}  # a stored one may be pruned from now on


def not_drained(bench: Bench, queue: Destination, waited: set[str]) -> list[str]:
    lost = [f"{name} waited and is not stored" for name in waited - ids(bench)]
    return lost + [f"{entry.id} still waits" for entry in waiting(queue)]


def file_of(bench: Bench, work: Any) -> str:
    """A file with it, for a victim."""
    file = bench.folder / "work"
    file.write_bytes(pickle.dumps(work))
    return str(file)


def log(bench: Bench) -> Path:
    return bench.folder / "log"


def a_day_later(bench: Bench) -> None:
    """Over SSH nothing can be locked, and age stands in for it: what was left is old by now."""
    if bench.ssh is None:
        return
    for path in bench.root.glob(f"backups/{bench.target}/*.partial"):
        os.utime(path, (0, 0))


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
