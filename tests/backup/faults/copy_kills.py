"""Kills in the midst of one copy: of the process that makes it, or of the far end of its connection. What was sent is
not sent again, each time, and the good set stays.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import anyio

from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.steps import Facts
from joelclaw_backup.switch import TRANSIENT
from tests.backup.faults.bench import BYTES, Bench
from tests.backup.faults.kills import Killed, file_of, log, newest
from tests.backup.faults.ssh_table import served
from tests.support.backing_up import FEW
from tests.support.sshd import Sshd
from tests.support.victims import Victims, victims

Whom = Literal["client", "sftp-server", "sshd"]
RATE = 2 * BYTES
"""Bytes per second: so that there is a middle to be killed in."""


@dataclass
class Resumed(Killed):
    """resent: bytes that were there and were sent again; there: all that was; ended: copies that came to their end."""

    resent: int = 0
    there: int = 0
    ended: int = 0

    def judge(self, before: int, least: int) -> None:
        """Of one copy that went on."""
        again = max(0, before - least)
        self.resent, self.there = self.resent + again, self.there + before
        if again > 0.1 * before:
            self.misses.append(f"before kill {self.kills}: {again:,} of {before:,} bytes there were sent again")


def kill_copies(
    bench: Bench, count: int, seed: int, whom: tuple[Whom, ...] = ("client",), *, ssh: bool = True
) -> Resumed:
    """One set after the other is taken; each copy of it is killed, and begun again, until one comes to its end."""
    told, dice = Resumed(), random.Random(seed)
    with served(bench) as sshd, victims() as source:
        anyio.run(bench.prepare)
        while told.kills < count and not told.misses and not bench.is_over:
            bench.counter += 1
            bench.good = newest(bench)
            _one_set(bench, sshd, source, told, dice, count, whom)
    if told.resent > 0.1 * told.there:
        told.misses.append(f"{told.resent:,} of {told.there:,} bytes that were there were sent again")
    return told


def _one_set(
    bench: Bench,
    sshd: Sshd,
    source: Victims,
    told: Resumed,
    dice: random.Random,
    count: int,
    whom: tuple[Whom, ...],
) -> None:
    settings = bench.settings(rule=FEW)
    assert settings.destination.ssh is not None
    slow = replace(settings.destination.ssh, bytes_per_second=RATE)
    backup = RedisBackup(replace(settings, destination=replace(settings.destination, ssh=slow)))
    taken = anyio.run(backup.take, f"kill:{bench.counter}", 0, "", time.time_ns() // 1_000_000)
    for last in (False,) * 3 + (True,):
        last, before = last or told.kills >= count, _there(bench.root)
        watch = _Watch(bench.root, before, 2 * BYTES if last else dice.randint(min(before, BYTES), BYTES))
        chosen = dice.choice(whom)
        if chosen == "client":
            copied = _by_a_victim(bench, source, watch, (backup, taken), last=last)
        else:
            copied = _cut_off(sshd, watch, backup, taken, chosen, told, last=last)
        told.judge(before, watch.least)
        if copied is None:
            told.kills += 1
            told.where[chosen] += 1
        else:
            told.ended += 1
            if copied["keptBytes"] < 0.9 * before:
                told.misses.append(f"{before:,} bytes were there, and {copied['keptBytes']:,} were kept")
            _proven(bench, backup, taken, copied, told)
            return
    told.misses.append("no copy came to its end")


class _Watch:
    """least: the smallest size that the copy had since; what was cut off was sent in vain. enough: the size that it is
    watched for."""

    def __init__(self, root: Path, before: int, enough: int) -> None:
        self._root, self.least, self._enough = root, before, enough

    def seen(self) -> bool:
        there = _there(self._root)
        self.least = min(self.least, there)
        return there > self._enough or (there == self._enough and not there)


def _by_a_victim(
    bench: Bench, source: Victims, watch: _Watch, work: tuple[RedisBackup, Facts], *, last: bool
) -> Facts | None:
    victim = source.start("tests.support.backing_up:copying", [file_of(bench, work)], log(bench))
    victim.until(watch.seen)
    victim.end(kill=not last)
    said = victim.log.read_text()
    assert "Traceback" not in said, said
    copied: Facts | None = json.loads(said) if said.endswith("\n") else None
    return copied


def _cut_off(
    sshd: Sshd, watch: _Watch, backup: RedisBackup, taken: Facts, whom: Whom, told: Resumed, *, last: bool
) -> Facts | None:
    """The copy is made by us; the far end dies under it, as soon as so much lies there."""
    over = threading.Event()

    def look() -> None:
        while not over.is_set() and not watch.seen():
            time.sleep(0.001)
        if not last and not over.is_set():
            kill(sshd, whom)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        return dict(anyio.run(backup.copy, taken))
    except BackupFailed as failed:
        if failed.failure_class not in TRANSIENT:
            told.misses.append(f"a killed {whom} ended as {failed.failure_class}: {failed}")
        return None
    finally:
        over.set()
        watcher.join()
        if whom == "sshd" and not last:
            sshd.stop()
            sshd.start()


def kill(sshd: Sshd, whom: Whom) -> None:
    """The server of the file transfer, or all of sshd."""
    if whom == "sshd":
        sshd.stop()
        return
    for pid in sshd.transfers():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _proven(bench: Bench, backup: RedisBackup, taken: Facts, copied: Facts, told: Resumed) -> None:
    proven = anyio.run(backup.verify, taken, copied)
    published = anyio.run(backup.publish, taken, copied, proven)
    if not bench.is_listed(published["id"]):
        told.misses.append(f"{published['id']} is not listed")
    told.told(bench, "copy")


def _there(root: Path) -> int:
    """Bytes of the set that is on its way; what another kill left of an earlier one is none of it."""
    try:
        files = sorted(root.glob("backups/redis/*.partial/dump.rdb"), key=lambda file: file.stat().st_mtime)
        return files[-1].stat().st_size if files else 0
    except OSError:  # it got its name between two looks
        return 0
