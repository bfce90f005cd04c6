"""Which open runs a doctor looks at: so many in all, slot by slot in turn, and what looks like a fault first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from joelclaw_bus.doctor.streams import LATE_MS
from joelclaw_bus.inspect.replies import sound, text
from joelclaw_bus.keys import Slot
from joelclaw_bus.store import Store

MOST_RUNS = 200
PAGE = 1_000
"""Open runs of one slot whose states are read, to choose from: those that moved longest ago."""
SETTLED_MS = 5_000
"""A run that moved a moment ago is not looked at: it may just be on its way."""


@dataclass(frozen=True, slots=True)
class OpenSeen:
    """`runs`: candidates, the likeliest fault first; open: all of the slot; settled: those of them that have not moved
    for a while, so that each of them should be looked at."""

    slot: Slot
    runs: tuple[str, ...]
    open: int
    settled: int


async def read_open(store: Store, slot: Slot) -> OpenSeen:
    """The slot's candidates: what is overdue, then what is queued and silent, then the rest; each by its last move."""
    now = await store.time_ms()
    before = now - SETTLED_MS
    late, rows, settled, total = map(
        sound,
        await store.calls(
            [
                ("ZRANGEBYSCORE", slot.due, "-inf", now - LATE_MS, "LIMIT", 0, PAGE),
                ("ZRANGEBYSCORE", slot.open, "-inf", before, "LIMIT", 0, PAGE),
                ("ZCOUNT", slot.open, "-inf", before),
                ("ZCARD", slot.open),
            ]
        ),
    )
    overdue = [text(member[2:]) for member in late if member.startswith(b"r:")]
    moved = await store.calls(("ZSCORE", slot.open, run) for run in overdue) if overdue else []
    overdue = [
        run for run, at in zip(overdue, map(sound, moved), strict=True) if at is not None and float(at) <= before
    ]
    rest = [run for run in map(text, rows) if run not in set(overdue)]
    states = await store.calls(("HGET", slot.run(run), "state") for run in rest) if rest else []
    queued = [run for run, state in zip(rest, map(sound, states), strict=True) if state == b"queued"]
    chosen = dict.fromkeys([*overdue, *queued, *rest])
    return OpenSeen(slot, tuple(islice(chosen, MOST_RUNS)), total, settled)


def shared(seen: Iterable[OpenSeen], most: int = MOST_RUNS) -> list[tuple[Slot, str]]:
    """The first of each slot, then the second of each, and so on: a busy slot takes no turn from another."""
    turns = zip_longest(*([(one.slot, run) for run in one.runs] for one in seen))
    return list(islice((pick for pick in chain.from_iterable(turns) if pick is not None), most))
