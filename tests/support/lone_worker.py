"""A worker as a process of its own, whose runs go alone: `python -m tests.support.lone_worker URL LEDGER LEASE_MS …`.

What its handler did stands in the ledger of `worker_process`.
"""

from __future__ import annotations

import sys
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_contracts import EventModel
from tests.support.worker_process import Ledger

ALONE = "test/alone"


class Lone(EventModel):
    event_name: ClassVar[str] = "test/lone"

    name: str
    waits: bool = False


def build(ledger: Ledger) -> Functions:
    """`waits`: its handler hears nothing, a cancellation neither, until the gate is open."""
    functions = Functions()

    @functions.function(ALONE, on=[event(Lone)], retries=1, exclusive=1)
    async def alone(e: Event[Lone], step: Step) -> None:
        ledger.write(act="began", name=e.data.name)
        with anyio.CancelScope(shield=True):
            while e.data.waits and not ledger.gate.exists():  # noqa: ASYNC110  another process opens it
                await anyio.sleep(0.02)
        ledger.write(act="stopped", name=e.data.name)

    return functions


async def main(url: str, path: str, lease_ms: int) -> None:
    ledger = Ledger(path)
    async with open_store(StoreSettings(url)) as store:
        worker = Worker(store, build(ledger), WorkerSettings(lease_ms=lease_ms, block=0.5), observer=ledger)
        await worker.run(stop=anyio.Event())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
