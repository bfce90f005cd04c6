"""The life of one run in the store: begin, step, park, finish, bury. One typed method a script, and nothing else.

Every method names its delivery: the source stream, the entry and the claim that fences it. `Refused` says that the
delivery is no longer this worker's; nothing was written then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.many import Asked, Begin, Companies, Finish, Record, ask_all, check_words
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Arg, Store

_script = partial(load_script, "joelclaw_bus")
LETTER_MS = 1_000
"""How far the id of a dead letter may be from the time at which its script began."""
LETTERS = 1_000


@dataclass(frozen=True, slots=True)
class Refused:
    """`gone`: nobody holds the entry; `acknowledged`: nor is there a record; `lost`: the group isn't there; `lease`:
    somebody else holds it; `claim`: another begin does; `newer`: a newer record."""

    why: str


@dataclass(frozen=True, slots=True)
class Begun:
    now_ms: int
    begins: int
    record: dict[bytes, bytes]

    @property
    def redriven(self) -> int:
        """How often the run was opened again after it had failed."""
        times = self.record.get(b"redriven", b"")
        return int(times) if times.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Standing:
    """`begins`: without an end or progress, from a run's second delivery on; `claim`: of its latest begin, '' when none
    is recorded since it last rested; `recorded`: it has a record; `newer`: one that only a newer build may begin."""

    begins: int = 0
    claim: str = ""
    recorded: bool = False
    newer: bool = False

    @property
    def untouched(self) -> bool:
        """Nobody can have begun it since it last rested: a begin of what has a record is recorded."""
        return self.recorded and not self.claim


@dataclass(frozen=True, slots=True)
class Dropped:
    """Acknowledged without running: the run is `open` elsewhere, `ended`, a `duplicate`, or has `no record`."""

    why: str


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Fenced, but begun too often without an end: it may only be ended as failed."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class LimitReached:
    what: str


@dataclass(frozen=True, slots=True)
class WentOn:
    """An earlier try had parked the run, and it was due or woken since, by `now_ms`: nothing was written again."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class RunCalls:
    """`companies`: with whom a run's begin, steps and end travel; None: each of them alone."""

    store: Store
    limits: Limits
    companies: Companies | None = None

    async def _ask(self, asked: Asked) -> Any:
        check_words(asked)
        if self.companies:
            answer = await self.companies.of(asked).ask(asked)
        else:
            (answer,) = await ask_all(self.store, self.limits, [asked])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def begin(
        self, d: Delivery, *, explicit_id: str, record_wanted: bool, looks_back: bool = False
    ) -> Begun | Dropped | Poisoned | Refused:
        """Fence this delivery, or learn why it must not run."""
        asked = Begin(d, explicit_id, record_wanted, looks_back)
        while (answer := await self._ask(asked))[0] == 4:
            continue
        match answer[0]:
            case 1 | 3:
                flat = answer[3]
                begun = Begun(answer[1], answer[2], dict(zip(flat[::2], flat[1::2], strict=True)))
                return begun if answer[0] == 1 else Poisoned(begun)
            case 2:
                return Dropped(answer[1].decode())
            case _:
                return Refused(answer[1].decode())

    async def step(
        self, d: Delivery, step: str, result: bytes, item: OutboxItem | None = None, void: Sequence[str] = ()
    ) -> bytes | LimitReached | Refused:
        """Journal a step: the result that counts, which is the first one recorded. `void`: fields it makes needless."""
        answer = await self._ask(Record(d, step, result, item, void))
        if answer[0] == 1:
            return bytes(answer[1])
        return LimitReached(answer[1].decode()) if answer[0] == 2 else Refused(answer[1].decode())

    async def park(
        self,
        d: Delivery,
        *,
        state: str,
        channel: str,
        delay_ms: int = 0,
        at_ms: int = 0,
        step: str = "",
        attempts: int = 0,
        error: str = "",
        waits_for: str = "",
        on_cancel: OutboxItem | None = None,
        items: Iterable[OutboxItem] = (),
    ) -> int | WentOn | LimitReached | Refused:
        """Put the run to rest; when it is due, ms of the server's clock."""
        s = d.slot
        answer = await self.store.run(
            _script("park"),
            [d.source, s.stream, s.run(d.run), s.open, s.due, s.outbox, s.outbox_items],
            [
                *(*d.head, d.mark, state, delay_ms, at_ms, step, waits_for, attempts, error, channel, s.name),
                *(self.limits.steps, on_cancel.encode() if on_cancel else "", *d.began, *_many(items)),
            ],
        )
        if answer[0] == 1:
            return int(answer[1])
        if answer[0] == 3:
            return WentOn(answer[1])
        return LimitReached(answer[1].decode()) if answer[0] == 2 else Refused(answer[1].decode())

    async def finish(
        self,
        d: Delivery,
        *,
        status: str,
        result: bytes = b"null",
        error: str = "",
        keep: bool = False,
        items: Iterable[OutboxItem] = (),
    ) -> int | Refused:
        """End the run; when it ended, ms."""
        answer = await self._ask(Finish(d, status, result, error, keep, tuple(items)))
        return int(answer[1]) if answer[0] == 1 else Refused(answer[1].decode())

    async def bury(self, d: Delivery, letter: Sequence[Arg], items: Iterable[OutboxItem]) -> bool | Refused:
        """Set an unreadable entry aside; whether this was the first to do so. `letter`: fields and values, flat."""
        s = d.slot
        answer = await self.store.run(
            _script("bury"),
            [d.source, s.buried(d.entry), s.dead, s.outbox, s.outbox_items],
            [
                *(d.function, d.consumer, d.entry, self.limits.buried_ms, self.limits.dead_letters),
                *(len(letter), *letter, *_many(items)),
            ],
        )
        return bool(answer[0] == 1) if answer[0] else Refused(answer[1].decode())

    async def was_buried(self, d: Delivery) -> bool | Refused:
        """What an earlier `bury` of this delivery would have answered, had its answer arrived. By the letter: it names
        the function that buried the entry first."""
        at = await self.store.call("GET", d.slot.buried(d.entry))
        if at is None:
            return Refused("gone")
        near = (max(int(at) - LETTER_MS, 0), int(at) + LETTER_MS)
        ours = {(b"e:entry", d.entry.encode()), (b"function", d.function.encode())}
        letters = await self.store.call("XRANGE", d.slot.dead, *near, "COUNT", LETTERS)
        return any(ours <= set(zip(flat[::2], flat[1::2], strict=True)) for _, flat in letters)

    async def standings(self, slot: Slot, runs: Sequence[str]) -> list[Standing]:
        """How each of these stands, before anybody begins it."""
        answer = await self.store.run(_script("standing"), [slot.run(run) for run in runs])
        return [Standing(n, claim.decode("utf-8", "replace"), bool(rec), bool(new)) for n, claim, rec, new in answer]

    async def ended_by(self, slot: Slot, run: str) -> str | None:
        """The claim that ended a run; '' when it was ended from outside, or is gone; None while it is open."""
        state, by = await self.store.call("HMGET", slot.run(run), "state", "by")
        if state not in (None, b"ended"):
            return None
        return by.decode("utf-8", "replace") if by else ""


def _many(items: Iterable[OutboxItem]) -> list[Arg]:
    return [part for item in items for part in (item.id, item.encode())]
