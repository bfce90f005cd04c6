"""F6: very many runs, with retention and the dedupe window at seconds: memory is flat after the first tenth.

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
from tests.faults.trimming import used

FUNCTION, CONSUMER, PAGE = "test/grow", "grower", 200


@dataclass
class Growth:
    """Runs with a step, a record and an explicit id, from publishing to end."""

    store: Batched
    window_ms: int
    ended: int = 0
    samples: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = Limits(dedupe_ms=self.window_ms, events_ms=self.window_ms, ended_ms=self.window_ms)
        self.slot_calls, self.runs = SlotCalls(self.store, limits), RunCalls(self.store, limits)
        self.slot: Slot = self.store.keys.slot("test/many")

    async def go(self, seconds_a_tenth: float, page: int, pages: int) -> None:
        """Ten tenths of so many pages each, at an even pace, so that a tenth is longer than every window."""
        await self.slot_calls.ensure_group(self.slot, FUNCTION)
        for tenth in range(10):
            began = anyio.current_time()
            for n in range(pages):
                await self._page([f"{tenth}-{n}-{m}" for m in range(page)])
                await anyio.sleep(max(0.0, began + seconds_a_tenth * (n + 1) / pages - anyio.current_time()))
                await self.slot_calls.housekeep(self.slot)
                if n % max(1, pages // 10) == 0:
                    self.samples.append(await used(self.store))

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

    def growth(self) -> float:
        """The last tenth's median over the second's, less one. Medians: a sample meets expiry at any phase of it."""
        tenth = len(self.samples) // 10
        return median(self.samples[-tenth:]) / median(self.samples[tenth : 2 * tenth]) - 1


async def main(url: str, count: int) -> int:
    async with open_batched(StoreSettings(url, deadline=60)) as store:
        growth = Growth(store, window_ms=10_000)
        await growth.go(seconds_a_tenth=30, page=PAGE, pages=count // 10 // PAGE)
    tenth = len(growth.samples) // 10
    by_tenth = [f"{median(growth.samples[n * tenth : (n + 1) * tenth]) / 2**20:.2f}" for n in range(10)]
    print(f"growth: {growth.ended} runs, windows 10 s; used MiB by tenth: {', '.join(by_tenth)}")
    print(f"        the last tenth against the second: {growth.growth():+.1%} (limit 5 %)")
    return int(growth.ended != count or growth.growth() > 0.05)


if __name__ == "__main__":
    raise SystemExit(anyio.run(partial(main, sys.argv[1], int(sys.argv[2]))))
