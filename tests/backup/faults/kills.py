"""kill -9 at random points: the destination holds the previous good set or the new complete one, nothing between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from joelclaw_backup import provider
from tests.backup.faults.bench import Bench


@dataclass
class Killed:
    """stored: runs that ended before the kill; where: in which step the others were; misses: what must not be."""

    stored: int = 0
    where: dict[str, int] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)


def kill_at_random_points(bench: Bench, count: int, seed: int) -> Killed:
    """Each process makes one backup after the other until it is killed; at the end one is left to finish and sweep."""
    told, dice = Killed(), random.Random(seed)
    anyio.run(bench.prepare)
    for number in range(count):
        log, bench.good = bench.folder / "log", provider.list_artefacts(bench.environ())[0]["id"]
        process = _start(bench, log, f"k{number}")
        step = dice.choice(("take", "copy", "verify", "publish", "stored"))
        _until(lambda log=log, step=step: step in log.read_text(), process)
        time.sleep(dice.uniform(0.0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        said = log.read_text().split()
        told.stored += said.count("stored")
        told.where[said[-1]] = told.where.get(said[-1], 0) + 1
        told.misses += [f"kill {number} in {said[-1]}: {wrong}" for wrong in bench.misses()]
    outcome, kind = anyio.run(bench.attempt)
    if outcome != "stored":
        told.misses.append(f"the backup after the last kill {outcome}: {kind}")
    left = [p.name for p in bench.root.glob("backups/redis/*.partial")]
    left += [str(p) for p in bench.settings().staging.root.glob("backups/redis/*.partial")]
    told.misses += [f"{name} was not swept" for name in left]
    return told


def _start(bench: Bench, log: Path, name: str) -> subprocess.Popen[bytes]:
    words = [bench.source.url, str(bench.root), name]
    log.touch()
    log.write_text("")
    with log.open("ab") as out:
        return subprocess.Popen([sys.executable, "-m", "tests.support.backing_up", *words], stdout=out)


def _until(there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert process.poll() is None, "the backup ended by itself"
        assert time.monotonic() < end, "the backup never began"
        time.sleep(0.005)
