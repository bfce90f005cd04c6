"""kill -9 at random points of a Typesense's backup: the good set stays; the source too, until the copy is proven.

The servers take turns, since one that is called at once after a call may hang. A lease that a killed process left is
found to refuse the next call, as it should for a minute; then its server is started anew, and the lease taken away.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import redis

from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.travel import Travel
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.typesense.lease import SETTLE_MS
from joelclaw_backup.waiting_sets import waiting
from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_contracts.config import SENTINEL
from tests.backup.faults.bench import Bench
from tests.backup.faults.kills import (
    DIRECT,
    NOBODY,
    QUEUED,
    Killed,
    a_day_later,
    file_of,
    keeps_what_was_queued,
    left_behind,
    log,
    newest,
    not_drained,
)
from tests.support.backing_up import FEW, SNAPSHOT_SECONDS, drain, one
from tests.support.typesense import TypesenseServer, books
from tests.support.victims import victims
from tests.typesense.conftest import settings_of

SPANS = {"take": 0.4, "queue": 0.005, "copy": 0.01, "verify": 0.02, "publish": 0.01, "clean": 0.003, "take-away": 0.003}
"""Its sets here are small; each process makes one, so that a kill that comes too late hits nothing."""
STEPS = (*DIRECT[:-1], "clean")
BY_QUEUE = (*QUEUED[:-2], "clean", "take-away")
BEFORE = ("copy", "verify", "publish")
"""In these nothing at the source may have gone."""
SERVERS = 3
RESTORED = 10
"""Every so manieth backup is restored in a server of its own; of the others the bytes are compared."""
KEEP = 2


def kill_typesense(bench: Bench, count: int, seed: int, *, by_queue: bool = False) -> Killed:
    """Each process makes one backup, and is killed in it. The bench's source keeps the lease. by_queue: every set waits
    there first."""
    told, dice, bench.target = Killed(), random.Random(seed), "typesense"
    queue, known = Destination("directory", bench.folder / "state/backup-queue", ours=True), set[str]()
    call, steps = ("typesense_queued", BY_QUEUE) if by_queue else ("typesense", STEPS)
    bench.root.mkdir(parents=True, exist_ok=True)
    if bench.kind == "mount" or bench.ssh:
        (bench.root / SENTINEL).touch()
    with _servers(bench.folder) as servers, victims() as source, bench.source.client() as client:
        backups = [_backup(bench, server, Travel(queue=queue if by_queue else None)) for server in servers]
        anyio.run(_one, backups[0], bench, "before")
        free = [time.monotonic()] * SERVERS
        while told.kills < count and not bench.is_over:
            n = told.kills % SERVERS
            bench.good, restored = newest(bench), told.kills % RESTORED == 0
            backup = backups[n] if restored else replace(backups[n], settings=replace(backups[n].settings, server=""))
            time.sleep(max(0.0, free[n] - time.monotonic()))
            words = [file_of(bench, backup), bench.source.url, f"t{told.kills}"]
            victim = source.start(f"tests.support.backing_up:{call}", words, log(bench))
            said = told.kill(victim, dice.choice(steps), dice, SPANS)
            free[n] = time.monotonic() + SETTLE_MS / 1000
            told.told(bench, said[-1])
            keeps_what_was_queued(bench, queue, said, known, told)
            a_day_later(bench)
            told.misses += _source_kept(bench, said, told.kills)
            told.misses += _held(client, bench, backup, servers[n])
        time.sleep(SETTLE_MS / 1000)
        waited = {entry.id for entry in waiting(queue)}
        anyio.run(drain, backups[0], queue, NOBODY)
        told.misses += not_drained(bench, queue, waited)
        bench.good = newest(bench)  # what waited may have pushed the one before out
        for n in range(SERVERS):
            anyio.run(_one, backups[n], bench, f"last {n}")
        left = sorted(path.name for path in Path(backups[0].settings.roots[0]).iterdir())
        told.misses += [f"{left} stayed at the source, {KEEP} may"] if len(left) > KEEP else []
        told.misses += left_behind(bench)
    return told


def _source_kept(bench: Bench, said: Sequence[str], number: int) -> list[str]:
    ids = [word.partition("=")[2] for word in said if word.startswith("taken=")]
    if said[-1] not in BEFORE or list((bench.folder / "snapshots").glob(f"{ids[-1]}-*")):
        return []
    return [f"kill {number} in {said[-1]}: the snapshot went before its copy was proven"]


def _held(client: redis.Redis, bench: Bench, backup: TypesenseBackup, server: TypesenseServer) -> list[str]:
    """Whether the lease of one who died in its call holds the next one off. Then the server is started anew: called
    again within that minute, it hung for longer than a test waits (seen)."""
    wrong: list[str] = []
    for key in client.scan_iter("{backup/typesense}:lease:*"):
        seconds, micros = client.time()
        left = int(client.hget(key, "until") or 0) - seconds * 1000 - micros // 1000
        if left > SETTLE_MS:
            wrong += _refused(bench, backup)
            server.stop()
            server.start()
        client.hset(key, "until", 0)
    return wrong


def _refused(bench: Bench, backup: TypesenseBackup) -> list[str]:
    """While the call of one who died may be at work still, no second one is made."""
    try:
        anyio.run(_one, backup, bench, "too early")
    except BackupFailed as failed:
        right = failed.failure_class is FailureClass.RESOURCE_UNAVAILABLE
        return [] if right else [f"a second call was refused as {failed.failure_class}: {failed}"]
    return ["a second call was made while the first may have been at work"]


async def _one(backup: TypesenseBackup, bench: Bench, name: str) -> None:
    async with open_store(StoreSettings(bench.source.url)) as store:
        await one(replace(backup, store=store), name, NOBODY)


def _backup(bench: Bench, server: TypesenseServer, travel: Travel) -> TypesenseBackup:
    roots = (str(bench.folder / "snapshots"), str(bench.folder / "fallback"))
    settings = settings_of(server, bench.root, roots, seconds=SNAPSHOT_SECONDS, rule=FEW, keep=KEEP, travel=travel)
    kind = "ssh" if bench.ssh else bench.kind
    there = replace(settings, destination=replace(settings.destination, kind=kind, ssh=bench.ssh))
    return TypesenseBackup(there, cast(Store, None))  # each process opens its own


@contextmanager
def _servers(folder: Path) -> Iterator[list[TypesenseServer]]:
    with ExitStack() as stack:
        made = []
        for n in range(SERVERS):
            server = TypesenseServer(folder / f"typesense-{n}" / "data").start()
            stack.callback(server.stop)
            server.create("books")
            server.put("books", books(500))
            made.append(server)
        for root in ("snapshots", "fallback"):
            (folder / root).mkdir()
        yield made
