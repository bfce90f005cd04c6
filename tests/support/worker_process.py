"""A worker as a process of its own: `python -m tests.support.worker_process URL LEDGER LEASE_MS [DURABILITY [BEGINS]]`.

What its handlers do is told by the event; what they did stands in the ledger, one JSON line each, appended outside
the store. Facts go to the ledger too.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Limits, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_bus.durability import Durability
from joelclaw_bus.observer import Fact
from joelclaw_contracts import EventModel


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    name: str
    do: str = ""
    seconds: float = 0


class Done(EventModel):
    event_name: ClassVar[str] = "test/done"

    name: str


def hold_the_interpreter() -> None:
    ctypes.PyDLL(None).sleep(600)  # a C call that keeps the GIL: no other thread of this process moves


def loop_for_ever() -> None:
    while True:
        pass


def want_more_memory_than_there_is() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, hard))
    try:
        bytearray(8 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


POISONS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "killed for memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interpreter held": hold_the_interpreter,
    "endless loop": loop_for_ever,
    "loop blocked": lambda: time.sleep(600),
    "memory refused": want_more_memory_than_there_is,
}
"""What a handler may do to its process. All but the last end it, or make it end itself."""


class Ledger:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.gate = Path(path).with_suffix(".gate")

    def write(self, **what: object) -> None:
        os.write(self._file, (json.dumps({"pid": os.getpid(), "at": time.time(), **what}) + "\n").encode())

    def saw(self, fact: Fact) -> None:
        self.write(fact=type(fact).__name__, **{k: v for k, v in asdict(fact).items() if k != "at"})


def build(ledger: Ledger) -> Functions:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=2)
    async def work(e: Event[Job], step: Step) -> None:
        async def act(which: str) -> str:
            ledger.write(act=which, name=e.data.name)
            if which == "two":
                match e.data.do:
                    case "wait":
                        await anyio.sleep(e.data.seconds)
                    case "wait at the gate":
                        while not ledger.gate.exists():  # noqa: ASYNC110  another process opens it
                            await anyio.sleep(0.02)
                    case "block":
                        time.sleep(e.data.seconds)  # noqa: ASYNC251  the defect to survive: a blocked loop
                    case poison if poison in POISONS:
                        POISONS[poison]()
                ledger.write(act="two-ended", name=e.data.name)
            return which

        for which in ("one", "two", "three"):
            await step.run(which, act, which)
        await step.send_event("done", Done(name=e.data.name))

    return functions


async def main(url: str, path: str, lease_ms: int, durability: str = "memory", begins: str = "5") -> None:
    ledger = Ledger(path)
    stop = anyio.Event()
    settings = WorkerSettings(lease_ms=lease_ms, block=0.5, parallel=8, watchdog=True)
    where = StoreSettings(url, deadline=2.0, durability=Durability(durability))
    async with open_store(where) as store, anyio.create_task_group() as tasks:

        async def on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    stop.set()
                    return

        tasks.start_soon(on_signal)
        ledger.write(started=True)
        await Worker(store, build(ledger), settings, Limits(begins=int(begins)), ledger).run(stop=stop, grace=0.5)
        tasks.cancel_scope.cancel()
    ledger.write(ended=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
