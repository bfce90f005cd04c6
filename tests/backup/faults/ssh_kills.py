"""kill -9 at random points of a copy over SSH: what was sent is not sent again, and the good set stays."""

from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.steps import Facts
from tests.backup.faults.bench import BYTES, Bench
from tests.backup.faults.ssh_table import served


@dataclass
class Killed:
    """resent: bytes that were there and were sent again; kills, ended: how the processes went; misses."""

    kills: int = 0
    ended: int = 0
    resent: int = 0
    there: int = 0
    misses: list[str] = field(default_factory=list)


def kill_over_ssh(bench: Bench, count: int, seed: int) -> Killed:
    """One set after the other is taken; each copy of it is killed, and begun again, until one comes to its end."""
    told, dice = Killed(), random.Random(seed)
    with served(bench):
        anyio.run(bench.prepare)
        while told.kills < count and not told.misses:
            bench.counter += 1
            _one_set(bench, told, dice, count)
    return told


def _one_set(bench: Bench, told: Killed, dice: random.Random, count: int) -> None:
    settings = bench.settings()
    assert settings.destination.ssh is not None
    slow = replace(settings.destination.ssh, bytes_per_second=BYTES)
    backup = RedisBackup(replace(settings, destination=replace(settings.destination, ssh=slow)))
    taken = anyio.run(backup.take, f"kill:{bench.counter}", 0, "", 1_795_000_000_000 + bench.counter * 1000)
    work = bench.folder / "work"
    work.write_bytes(pickle.dumps((backup, taken)))
    for last in (False,) * 3 + (True,):
        last = last or told.kills >= count
        before = _there(bench.root)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.copying", str(work)], stdout=subprocess.PIPE, text=True
        )
        if not last:
            least = _watched(bench.root, process, dice.randint(min(before, BYTES), BYTES))
            process.kill()
            told.kills += 1
            told.there += before
            told.resent += max(0, before - least)
        said, _ = process.communicate(timeout=120)
        if said:
            told.ended += 1
            copied = json.loads(said)
            if copied["keptBytes"] < 0.9 * before:
                told.misses.append(f"{before} bytes were there, and {copied['keptBytes']} were kept")
            _proven(bench, backup, taken, copied, told)
            return
    told.misses.append("no copy came to its end")


def _proven(bench: Bench, backup: RedisBackup, taken: Facts, copied: Facts, told: Killed) -> None:
    proven = anyio.run(backup.verify, taken, copied)
    published = anyio.run(backup.publish, taken, copied, proven)
    if not bench.is_listed(published["id"]):
        told.misses.append(f"{published['id']} is not listed")
    told.misses += bench.misses()


def _there(root: Path) -> int:
    """Bytes of the set that is on its way; what another kill left of an earlier one is none of it."""
    files = sorted(root.glob("backups/redis/*.partial/dump.rdb"), key=lambda file: file.stat().st_mtime)
    return files[-1].stat().st_size if files else 0


def _watched(root: Path, process: subprocess.Popen[str], enough: int) -> int:
    """Until so much lies there; the least that lay there meanwhile: what was cut off was sent in vain."""
    least, there, end = BYTES, _there(root), time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            there = _there(root)
        least = min(least, there)
        if there > enough or (there == enough and not there):
            break
        time.sleep(0.002)
    return least
