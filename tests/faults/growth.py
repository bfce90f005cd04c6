"""F6: very many runs, with retention and the dedupe window at seconds: memory is flat after the first tenth.

What lies within the windows follows the pace, and the pace follows the machine. So the store is looked at when it
rests: when all that may go has gone, what is left after the last tenth must be what was left after the first.

By hand with a million runs: `make runs-million`, or `python -m tests.faults.growth URL COUNT`.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import anyio

from joelclaw_bus import Limits, Slot, SlotCalls, StoreSettings
from joelclaw_bus.run_calls import Begun, Delivery, RunCalls
from joelclaw_bus.run_names import run_id
from joelclaw_contracts import Envelope
from tests.faults.batches import Batched, open_batched
from tests.faults.census import Census, census
from tests.faults.trimming import used
from tests.support.waiting import until

FUNCTION, CONSUMER, PAGE = "test/grow", "grower", 200
LEAK = 16
"""Bytes a run: the least that a key, a member or an entry takes is several times that."""
LONGEST_TO_SETTLE = 30.0


@dataclass(frozen=True)
class Rest:
    """What is left when nothing is under way: by kind of key, and in bytes as the server counts them."""

    left: Census
    used: int


@dataclass
class Growth:
    """Runs with a step, a record and an explicit id, from publishing to end."""

    store: Batched
    window_ms: int
    ended: int = 0
    samples: list[int] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = Limits(dedupe_ms=self.window_ms, events_ms=self.window_ms, ended_ms=self.window_ms)
        self.slot_calls, self.runs = SlotCalls(self.store, limits), RunCalls(self.store, limits)
        self.slot: Slot = self.store.keys.slot("test/many")

    async def go(self, seconds_a_tenth: float, page: int, pages: int) -> None:
        """Ten tenths of so many pages each, at an even pace, so that a tenth is longer than every window."""
        # The server has a histogram of 25 KB for each command, from its first use on: more than all that is left here.
        await self.store.call("CONFIG", "SET", "latency-tracking", "no")
        await self.slot_calls.ensure_group(self.slot, FUNCTION)
        for tenth in range(10):
            began = anyio.current_time()
            for n in range(pages):
                await self._page([f"{tenth}-{n}-{m}" for m in range(page)])
                await anyio.sleep(max(0.0, began + seconds_a_tenth * (n + 1) / pages - anyio.current_time()))
                await self.slot_calls.housekeep(self.slot)
                if n % max(1, pages // 10) == 0:
                    self.samples.append(await used(self.store))
            if tenth in (0, 9):
                self.rests.append(await self._rest())

    async def _rest(self) -> Rest:
        """Waits until all that has a window has left it."""

        async def rests() -> bool:
            trimmed, forgotten = await self.slot_calls.housekeep(self.slot)
            left = await census(self.store)
            return not (trimmed or forgotten or left.keys["run"] or left.keys["ids of a generation"])

        await until(rests)
        return Rest(await census(self.store), await self._settled())

    async def _settled(self) -> int:
        """Bytes in use, once the server has given back what it only kept at hand: tables and buffers shrink later than
        what was in them. What does not come back within the time is growth."""
        now = await used(self.store)
        with anyio.move_on_after(LONGEST_TO_SETTLE):
            while self.rests and self._a_run(now) > LEAK:
                await anyio.sleep(0.1)
                now = min(now, await used(self.store))
        return now

    async def _page(self, names: list[str]) -> None:
        await self.store.each(names, self._publish)
        args = ("XREADGROUP", "GROUP", FUNCTION, CONSUMER, "COUNT", len(names), "STREAMS", self.slot.stream, ">")
        [[_, entries]] = await self.store.call(*args)
        await self.store.each([(entry, flat) for entry, flat in entries], self._run)

    async def _publish(self, name: str) -> None:
        fields = Envelope(data=b'{"padding":"' + b"x" * 100 + b'"}', id=name).to_fields()
        await self.slot_calls.publish(self.slot, fields, event_id=name)

    async def _run(self, row: tuple[bytes, list[bytes]]) -> None:
        fields = dict(zip(row[1][::2], row[1][1::2], strict=True))
        name = fields[b"id"].decode()
        run = run_id(FUNCTION, name, given=True)
        d = Delivery(self.slot, FUNCTION, CONSUMER, row[0].decode(), run, secrets.token_hex(8), ready=False)
        begun = await self.runs.begin(d, explicit_id=name, record_wanted=True)
        assert isinstance(begun, Begun), begun
        await self.runs.step(d, "one", b'"' + b"y" * 100 + b'"')
        assert isinstance(await self.runs.finish(d, status="completed", keep=True), int)
        self.ended += 1

    def _a_run(self, used: int) -> float:
        return (used - self.rests[0].used) / (self.ended * 0.9)

    @property
    def growth(self) -> float:
        """How many bytes more are left after the last tenth than after the first, for each run between them. What is
        left at rest is so little that a share of it would be the server's own odds and ends."""
        return self._a_run(self.rests[1].used)

    @property
    def more(self) -> dict[str, tuple[int, int]]:
        """Kinds of keys of which there is more after the last tenth: how many keys, how many in them."""
        (first, last), kinds = (rest.left for rest in self.rests), set(self.rests[1].left.keys)
        grown = {k: (last.keys[k] - first.keys[k], last.members[k] - first.members[k]) for k in kinds}
        return {kind: more for kind, more in grown.items() if max(more) > 0}


async def main(url: str, count: int) -> int:
    async with open_batched(StoreSettings(url, deadline=60)) as store:
        growth = Growth(store, window_ms=10_000)
        await growth.go(seconds_a_tenth=30, page=PAGE, pages=count // 10 // PAGE)
    tenth = len(growth.samples) // 10
    by_tenth = [f"{median(growth.samples[n * tenth : (n + 1) * tenth]) / 2**20:.2f}" for n in range(10)]
    print(f"growth: {growth.ended} runs, windows 10 s; used MiB by tenth: {', '.join(by_tenth)}")
    print(
        f"        at rest after the last tenth against after the first: {growth.growth:+.1f} bytes a run (limit {LEAK})"
    )
    print(f"        what there is more of: {growth.more or 'nothing'}; what is left: {growth.rests[1].left}")
    return int(growth.ended != count or growth.growth > LEAK or bool(growth.more))


if __name__ == "__main__":
    raise SystemExit(anyio.run(partial(main, sys.argv[1], int(sys.argv[2]))))
