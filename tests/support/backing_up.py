"""One backup after the other in a process of its own, to be killed: each step is named as it begins."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from joelclaw_backup.destination import Destination
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.records import plain
from joelclaw_backup.retention import Rule
from joelclaw_backup.steps import Facts, Steps
from joelclaw_backup.threads import in_thread
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.waiting_sets import put, take_away, waiting
from joelclaw_bus import StoreSettings, open_store

FEW = Rule(last=4)
CAP = 1 << 40
SNAPSHOT_SECONDS = 5.0
Say = Callable[[str], object]
"""Hears what is begun."""


def redis(backup: str, name: str) -> None:
    """One after the other, until it is killed. backup: a file with it, pickled."""
    anyio.run(_each, _read(backup), name)


def queued(backup: str, name: str) -> None:
    """The same by way of the queue: what waits is drained, another is put there."""
    anyio.run(_each_queued, _read(backup), name)


def copying(work: str) -> None:
    """One copy of what was taken: how it went, as JSON. work: a file with (backup, taken), pickled."""
    backup, taken = _read(work)
    print(json.dumps(anyio.run(backup.copy, taken)), flush=True)


def typesense_queued(backup: str, store: str, name: str) -> None:
    """The same by way of the queue."""
    anyio.run(_of_typesense_queued, _read(backup), store, name)


def typesense(backup: str, store: str, name: str) -> None:
    """One of a Typesense: its server bears no call at once after another. store: keeps its lease."""
    anyio.run(_of_typesense, _read(backup), store, name)


def _read(file: str) -> Any:
    return pickle.loads(Path(file).read_bytes())


async def _each(backup: Steps, name: str) -> None:
    for number in range(1_000_000):
        await one(backup, f"{name}:{number}")


async def _each_queued(backup: Steps, name: str) -> None:
    queue = backup.keeping.travel.queue
    assert queue is not None
    for number in range(1_000_000):
        await drain(backup, queue)
        await _queued(backup, f"{name}:{number}", queue)


async def _queued(backup: Steps, name: str, queue: Destination) -> None:
    _say("take")
    taken = await backup.take(name, 0, "", _now())
    manifest = Manifest.of(taken["manifest"])
    _say(f"taken={manifest.id}")
    _say("queue")
    await in_thread(put, backup.keeping.staging, taken["staged"], queue, manifest, CAP)
    _say(f"queued={manifest.id}")


async def _of_typesense(backup: TypesenseBackup, store: str, name: str) -> None:
    async with open_store(StoreSettings(store)) as opened:
        await one(replace(backup, store=opened), name)


async def _of_typesense_queued(backup: TypesenseBackup, store: str, name: str) -> None:
    queue = backup.keeping.travel.queue
    assert queue is not None
    async with open_store(StoreSettings(store)) as opened:
        whole = replace(backup, store=opened)
        await _queued(whole, name, queue)
        await drain(whole, queue)


def _say(what: str) -> None:
    print(what, flush=True)


async def one(backup: Steps, name: str, say: Say = _say) -> None:
    """As a run makes it."""
    say("take")
    taken = await backup.take(name, 0, "", _now())
    say(f"taken={taken['manifest']['id']}")
    await _stored(backup, taken, say)
    say("clean")
    await backup.clean(taken)
    say("stored")


async def drain(backup: Steps, queue: Destination, say: Say = _say) -> None:
    """All that waits, as the drainer carries it."""
    for entry in waiting(queue):
        assert entry.manifest is not None, f"{entry.id} lies in the queue without a manifest"
        taken = {"staged": entry.id, "manifest": plain(entry.manifest), "queued": True}
        await _stored(backup, taken, say)
        say("clean")
        await backup.clean(taken)
        say("take-away")
        await in_thread(take_away, queue, entry.target, entry.id)
        say("stored")


async def _stored(backup: Steps, taken: Facts, say: Say) -> None:
    say("copy")
    copied = await backup.copy(taken)
    say("verify")
    proven = await backup.verify(taken, copied)
    say("publish")
    await backup.publish(taken, copied, proven)


def _now() -> int:
    return time.time_ns() // 1_000_000
