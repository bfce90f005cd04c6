"""F9: very many events due at once: no long answer of the server, and fresh work does not wait for the backlog.

By hand with 200,000: `make due-storm`, or `python -m tests.faults.storm PORT COUNT`.

The verdict is by the server's own word: how long our scripts took, all but a thousandth of them. A ping waits for the
machine and its disk as well: the worst one is told, beside that of an idle store, and decides nothing.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, StoreSettings, event
from joelclaw_bus.observer import Promoted, RunEnded, RunStarted
from joelclaw_contracts import Envelope, EventModel
from tests.faults.batches import Batched, open_batched
from tests.support.pinger import Pinger
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

PAGE = 500
LATER_MS = 3_600_000
TOLD_FROM_MS = 2
LIMIT_MS = 10.0
FRESH_MS = 500.0


class Old(EventModel):
    event_name: ClassVar[str] = "test/old"


class Canary(EventModel):
    event_name: ClassVar[str] = "test/canary"

    sent: float


@dataclass(frozen=True)
class Figures:
    """`before_the_end`: canaries that ran while old work was still waiting; `starts_ms`: sent to begun, sorted;
    `idle_ping_ms`: of an idle store during the storm, if there is one."""

    moved: int
    appended: int
    before_the_end: int
    starts_ms: list[float]
    calm_ping_ms: float
    storm_ping_ms: float
    idle_ping_ms: float

    @property
    def p99_ms(self) -> float:
        return self.starts_ms[int(len(self.starts_ms) * 0.99) - 1] if self.starts_ms else float("inf")


def functions(starts: list[float]) -> Functions:
    made = Functions()

    @made.function("test/old", on=[event(Old)], retries=1)
    async def old(e: Event[Old], step: Step) -> None:
        return None

    @made.function("test/canary", on=[event(Canary)], retries=1)
    async def canary(e: Event[Canary], step: Step) -> None:
        starts.append((anyio.current_time() - e.data.sent) * 1000)

    return made


async def fill(store: Batched, count: int) -> None:
    """So many events that wait, all of them made due at one instant."""
    slot, calls = store.keys.slot(Old.event_name), SlotCalls(store, Limits())
    due = await store.time_ms() + LATER_MS

    async def publish(name: str) -> None:
        await calls.publish(slot, Envelope(data=b"{}", id=name).to_fields(), event_id=name, at_ms=due)

    for first in range(0, count, PAGE):
        await store.each([f"old-{n}" for n in range(first, first + PAGE)], publish)
    now = await store.time_ms()
    for first in range(0, count, PAGE):
        await store.calls(("ZADD", slot.due, "XX", now, f"e:old-{n}") for n in range(first, first + PAGE))
    await store.call("HSETNX", store.keys.slots, slot.name, now)


async def storm(store: Batched, port: int, count: int, *, calm: float, idle_port: int = 0) -> Figures:
    """Fills, looks at the calm, then lets a worker loose while fresh work comes. `idle_port`: of an idle store."""
    with Pinger(port) as before:
        await anyio.sleep(calm)
    await fill(store, count)
    starts, slot = list[float](), store.keys.slot(Old.event_name)
    seen, alive = Seen(), 0
    await store.call("CONFIG", "SET", "slowlog-log-slower-than", TOLD_FROM_MS * 1000)
    await store.call("CONFIG", "RESETSTAT")
    await store.call("CONFIG", "SET", "latency-monitor-threshold", TOLD_FROM_MS)
    idle = Pinger(idle_port)
    with ExitStack() as pingers:
        during = pingers.enter_context(Pinger(port))
        if idle_port:
            pingers.enter_context(idle)
        async with working(store, functions(starts), lease_ms=15_000, seen=seen):
            while sum(f.count for f in seen.all(Promoted)) < count or alive == 0:
                await Publisher(store).send(Canary(sent=anyio.current_time()))
                alive += 1
                await anyio.sleep(0.02)
            ran = [type(f) is RunStarted and f.function == "test/canary" for f in seen.facts]
            last_move = max(n for n, f in enumerate(seen.facts) if isinstance(f, Promoted))
            await seen.wait(RunEnded, alive, where=lambda f: f.function == "test/canary")
    moved, appended = sum(f.count for f in seen.all(Promoted)), await store.call("XLEN", slot.stream)
    return Figures(
        moved, appended, sum(ran[:last_move]), sorted(starts), before.worst_ms, during.worst_ms, idle.worst_ms
    )


@dataclass(frozen=True)
class Word:
    """The server's own, of the storm, ms: its longest script, what all but a thousandth of them took at most, and what
    else kept it, the longest each. A script that the machine put aside in its midst counts as long."""

    longest: float
    most: float
    stalls: dict[str, int]


async def word_of(store: Batched) -> Word:
    slow = await store.call("SLOWLOG", "GET", 1000)
    longest = max((row[2] / 1000 for row in slow if row[3][0].upper() == b"EVALSHA"), default=0.0)
    _, (_, calls, _, buckets) = await store.call("LATENCY", "HISTOGRAM", "evalsha")
    most = next(us for us, up_to in zip(buckets[::2], buckets[1::2], strict=True) if up_to >= calls * 0.999)
    stalls = {name.decode(): worst for name, _, _, worst, *_ in await store.call("LATENCY", "LATEST")}
    return Word(longest, most / 1000, {k: v for k, v in stalls.items() if "command" not in k})


def faults(f: Figures, word: Word, count: int) -> list[str]:
    """What was not as promised."""
    found = list[str]()
    if (f.moved, f.appended) != (count, count):
        found.append(f"{f.moved} of {count} moved, {f.appended} on the stream")
    if word.most > LIMIT_MS:
        found.append(f"a thousandth of all scripts took longer than {word.most:.1f} ms")
    if f.p99_ms > FRESH_MS:
        found.append(f"fresh work waited {f.p99_ms:.0f} ms")
    return found


async def main(port: int, count: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        idle = Server(Path(directory) / "idle").start()
        try:
            async with open_batched(StoreSettings(f"redis://127.0.0.1:{port}/0", deadline=60)) as store:
                f = await storm(store, port, count, calm=3, idle_port=idle.port)
                word = await word_of(store)
        finally:
            idle.stop()
    print(f"storm: {count} due at once, {f.moved} moved, {f.appended} on the stream")
    print(
        f"worst ping: {f.calm_ping_ms:.1f} ms calm, {f.storm_ping_ms:.1f} ms in the storm (an idle store beside it:"
        f" {f.idle_ping_ms:.1f} ms)"
    )
    took = f"{word.longest:.1f} ms" if word.longest else f"under {TOLD_FROM_MS} ms"
    print(f"scripts, by the server: 99.9 % within {word.most:.1f} ms (limit {LIMIT_MS:.0f}), the longest {took}")
    print(f"stalls beside scripts, by the server, ms: {word.stalls or 'none'}")
    ran = f"{f.before_the_end} of {len(f.starts_ms)} ran before the last page"
    print(f"fresh work: {ran}; p99 {f.p99_ms:.0f} ms (limit {FRESH_MS:.0f})")
    found = faults(f, word, count)
    print(*(f"FAULT: {fault}" for fault in found), sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(anyio.run(partial(main, int(sys.argv[1]), int(sys.argv[2]))))
