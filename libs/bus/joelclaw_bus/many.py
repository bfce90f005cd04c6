"""What many runs ask of their slot at one moment, as one call of one script: to begin, to record a step, to end.

Each is answered as if it had come alone (see `lua/lib/each.lua`): one that is refused, or whose record is spoilt, hurts
no neighbour. What fails as a whole (the store is away) is everybody's answer, and each repeats for itself: the scripts
know by claim what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import BusError, StoreUnavailable
from joelclaw_bus.limits import Limits
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import Script, load_script
from joelclaw_bus.store import Arg, Store
from joelclaw_bus.together import Together

_script = partial(load_script, "joelclaw_bus")
MOST = 100
"""Runs of one call: the server does nothing else meanwhile, a millisecond or two."""
HEAVY = 4096
"""So many bytes weigh as much as one run more."""
FAILED = MOST // 8
"""What an end as failed weighs: its record, of any size, is copied into a letter."""


class Asked(Protocol):
    """What one run asks. Those with the same `script`, source and function may travel in one call."""

    @property
    def d(self) -> Delivery: ...
    @property
    def script(self) -> Script: ...

    def shared(self, limits: Limits) -> tuple[list[str], list[Arg]]:
        """The keys and arguments that are the same for all of them."""

    def own(self) -> tuple[Arg, ...]:
        """Its own arguments, but for the number of `more`."""

    def more(self) -> Sequence[Arg]:
        """Those that not all have, in any number."""

    @property
    def weight(self) -> int:
        """How many small ones it takes as long as, beside the words of `more`."""


@dataclass(frozen=True, slots=True)
class Begin:
    """`looks_back`: it will want to know when it first began, whoever began it then."""

    script: ClassVar[Script] = _script("begin")
    d: Delivery
    explicit_id: str
    record_wanted: bool
    looks_back: bool = False

    def shared(self, limits: Limits) -> tuple[list[str], list[Arg]]:
        d, s = self.d, self.d.slot
        return [d.source, s.stream, s.ids, s.marks, s.open], [d.function, d.consumer, limits.begins, limits.dedupe_ms]

    def own(self) -> tuple[Arg, ...]:
        d = self.d
        return d.entry, d.run, d.claim, self.explicit_id, 1 if self.record_wanted else 2 * self.looks_back

    def more(self) -> Sequence[Arg]:
        return ()

    @property
    def weight(self) -> int:
        return 1  # how much it answers, the script bounds


@dataclass(frozen=True, slots=True)
class Record:
    """`item`: what the step sends; `void`: fields that it makes needless."""

    script: ClassVar[Script] = _script("step")
    d: Delivery
    step: str
    result: bytes
    item: OutboxItem | None
    void: Sequence[str]

    def shared(self, limits: Limits) -> tuple[list[str], list[Arg]]:
        d, s = self.d, self.d.slot
        args: list[Arg] = [d.function, d.consumer, d.mark, limits.steps, limits.run_bytes]
        return [d.source, s.open, s.outbox, s.outbox_items], args

    def own(self) -> tuple[Arg, ...]:
        d, item = self.d, self.item
        sent = (item.id, item.encode()) if item else ("", "")
        return d.entry, d.claim, d.run, self.step, self.result, *sent, *d.began

    def more(self) -> Sequence[Arg]:
        return self.void

    @property
    def weight(self) -> int:
        return 1 + (len(self.result) + (len(self.item.data) if self.item else 0)) // HEAVY


@dataclass(frozen=True, slots=True)
class Finish:
    script: ClassVar[Script] = _script("finish")
    d: Delivery
    status: str
    result: bytes
    error: str
    keep: bool
    items: Sequence[OutboxItem]

    def shared(self, limits: Limits) -> tuple[list[str], list[Arg]]:
        d, s = self.d, self.d.slot
        args: list[Arg] = [d.function, d.consumer, limits.ended_ms, limits.dead_letters]
        return [d.source, s.stream, s.open, s.ended, s.outbox, s.outbox_items, s.dead], args

    def own(self) -> tuple[Arg, ...]:
        d = self.d
        return d.entry, d.claim, d.run, self.status, self.result, self.error, int(self.keep)

    def more(self) -> Sequence[Arg]:
        return [part for item in self.items for part in (item.id, item.encode())]

    @property
    def weight(self) -> int:
        size = len(self.result) + sum(len(item.data) for item in self.items)
        return (FAILED if self.status == "failed" else 1) + len(self.items) + size // HEAVY


def check_words(asked: Asked) -> None:
    """UnicodeEncodeError for a word that can't be sent (half a character, out of a file's name): told to who asked,
    before it sits down beside others."""
    for word in (*asked.own(), *asked.more()):
        if isinstance(word, str):
            word.encode()


async def ask_all(store: Store, limits: Limits, asked: Sequence[Asked]) -> list[Any]:
    """The raw answers of all, of which each may travel with the first. A refusal is an error in its place."""
    keys, args = asked[0].shared(limits)
    tail: list[Arg] = []
    for one in asked:
        more = one.more()
        keys.append(one.d.slot.run(one.d.run))
        args += one.own()
        args.append(len(more))
        tail += more
    return await store.run_each(asked[0].script, keys, args + tail)


class Company(Together[Asked]):
    """Those of one script, source and function."""

    faults = (BusError,)

    def __init__(self, store: Store, limits: Limits) -> None:
        super().__init__(MOST, lanes=1, musters=True)
        self.store, self.limits = store, limits

    async def _trip(self, asked: list[Asked], answers: list[Any]) -> None:
        answers += await ask_all(self.store, self.limits, asked)

    def _weight(self, asked: Asked) -> int:
        return asked.weight

    def _cut_short(self) -> Exception:
        return StoreUnavailable(self.store.where, "the trip ended before its answers")


@dataclass(eq=False)
class Companies:
    """Who may travel with whom."""

    store: Store
    limits: Limits
    _all: dict[tuple[str, str, str, bool], Company] = field(default_factory=dict)

    def of(self, asked: Asked) -> Company:
        """Whose answers are raw: BusError, in its place, where one, or the whole call, was refused."""
        d = asked.d
        name = (asked.script.name, d.slot.name, d.function, d.ready)
        company = self._all.get(name)
        if company is None:
            company = self._all[name] = Company(self.store, self.limits)
        return company


SHAPES = {"begin": (5, 4, 6), "step": (4, 5, 10), "finish": (7, 4, 8)}
"""Of each script: the keys and the arguments that all share, and the words of each run. For those who listen."""


def each_of(script: str, keys: Sequence[str], args: Sequence[Arg]) -> list[tuple[list[str], list[Arg]]]:
    """What a call says of each run: the shared keys and its own; the shared arguments, its own, and those more."""
    shared_keys, shared, size = SHAPES[script]
    runs, found = keys[shared_keys:], list[tuple[list[str], list[Arg]]]()
    tail = shared + len(runs) * size
    for n, run in enumerate(runs):
        own = args[shared + n * size : shared + (n + 1) * size]
        more = args[tail : tail + int(own[-1])]
        tail += len(more)
        found.append(([*keys[:shared_keys], run], [*args[:shared], *own, *more]))
    return found
