"""F5: three groups on one stream, one of them stopped: nothing is lost for it, and memory follows its lag.

By hand with a million events: `make trim-million`, or `python -m tests.faults.trimming URL COUNT`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import anyio

from joelclaw_bus import Limits, Slot, SlotCalls, Store, StoreSettings, open_store

PAGE = 1_000


@dataclass(frozen=True)
class Figures:
    """Bytes of data as the server counts them, without its buffers for clients; entries of the stream at its fullest
    and at the end.
    """

    lost: int
    doubled: int
    longest: int
    left: int
    empty_bytes: int
    full_bytes: int
    end_bytes: int


async def used(store: Store) -> int:
    await store.call("MEMORY", "PURGE")
    info = await store.call("INFO", "memory")
    return int(next(line for line in info.split(b"\r\n") if line.startswith(b"used_memory_dataset:")).split(b":")[1])


async def read(store: Store, slot: Slot, group: str) -> list[int]:
    """One page of new entries, acknowledged; the numbers that they carry."""
    answer = await store.call("XREADGROUP", "GROUP", group, "c", "COUNT", PAGE, "STREAMS", slot.stream, ">")
    entries = answer[0][1] if answer else []
    if entries:
        await store.call("XACK", slot.stream, group, *(entry for entry, _ in entries))
    return [int(flat[1]) for _, flat in entries]


async def trim_behind_three_groups(store: Store, count: int) -> Figures:
    slot, calls = store.keys.slot("test/many"), SlotCalls(store, Limits(events_ms=0))
    for group in ("quick", "quicker", "stopped"):
        await calls.ensure_group(slot, group)
    empty, longest = await used(store), 0
    for first in range(0, count, PAGE):
        await store.calls([("XADD", slot.stream, "*", "n", n, "data", "x" * 100) for n in range(first, first + PAGE)])
        for group in ("quick", "quicker"):
            await read(store, slot, group)
        await calls.housekeep(slot)
        longest = max(longest, await store.call("XLEN", slot.stream))
    full, seen = await used(store), list[int]()
    while page := await read(store, slot, "stopped"):
        seen += page
        await calls.housekeep(slot)
    await anyio.sleep(0.01)  # retention is zero, and counts from the next millisecond
    await calls.housekeep(slot)
    left, end = await store.call("XLEN", slot.stream), await used(store)
    lost, doubled = count - len(set(seen)), len(seen) - len(set(seen))
    return Figures(lost, doubled, longest, left, empty, full, end)


async def main(url: str, count: int) -> int:
    async with open_store(StoreSettings(url, deadline=60)) as store:
        f = await trim_behind_three_groups(store, count)
    mib = 1024 * 1024
    print(f"trim: {count} events, one of three groups stopped: lost {f.lost}, doubled {f.doubled}, left {f.left}")
    print(f"memory: {f.empty_bytes / mib:.1f} MiB empty, {f.full_bytes / mib:.1f} at {f.longest} entries of lag,")
    print(f"        {f.end_bytes / mib:.1f} when it had caught up")
    return int(bool(f.lost or f.doubled or f.left))


if __name__ == "__main__":
    raise SystemExit(anyio.run(main, sys.argv[1], int(sys.argv[2])))
