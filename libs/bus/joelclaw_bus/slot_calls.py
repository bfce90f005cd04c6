"""What happens to a slot as a whole: publish, promote, outbox, groups, leases, schedules. One typed method a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Arg, Store

_script = partial(load_script, "joelclaw_bus")
DUE_PER_PROMOTION = 100


@dataclass(frozen=True, slots=True)
class Published:
    """`entry` is None while the event waits to be due; `duplicate`: the id was known, nothing was appended."""

    entry: str | None
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """Times are the server's, ms; `head_ms` is None when nothing is left to wait for."""

    moved: int
    now_ms: int
    head_ms: int | None
    late_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Items to deliver now, each with how often it was tried before; of the `unreadable` their ids, raw, and why;
    `lost`: ids of those without a body."""

    now_ms: int
    head_ms: int | None
    items: list[tuple[OutboxItem, int]]
    unreadable: list[tuple[bytes, str]]
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a takeover. `entries`: (id, fields); `deleted`: ids of those that are gone; `next_ms`: until the next
    lease may run out, None when none is half way there."""

    now_ms: int
    cursor: str
    entries: list[tuple[str, dict[bytes, bytes]]]
    deleted: tuple[str, ...]
    next_ms: int | None


@dataclass(frozen=True, slots=True)
class NotClaimer:
    """Another one is; its election lasts `lasts_ms` unless it looks again."""

    lasts_ms: int


@dataclass(frozen=True, slots=True)
class Jumped:
    """The call arrived at another time than its sender reckoned: a frozen store or a jumped clock."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Permit:
    """`holders`: some members that hold one, when this one has to wait, and `rank`: how many wait before it."""

    held: bool
    holders: tuple[str, ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """`first_us`: when its scheduler first registered; `ours`: whether the caller's expression stands; `lost`: the
    store had forgotten it, and it goes on from what the caller knew."""

    generation: int
    mark_ms: int
    now_ms: int
    first_us: int
    ours: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class Early:
    """That instant has not come yet by the server's clock."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """The schedule has another generation than the caller's; 0: it was lost and has none."""

    generation: int


@dataclass(frozen=True, slots=True)
class SlotCalls:
    store: Store
    limits: Limits

    @property
    def keys(self) -> Keys:
        return self.store.keys

    async def publish(
        self, slot: Slot, fields: dict[bytes, bytes], *, event_id: str = "", at_ms: int = 0, longest: int = 0
    ) -> Published:
        """Append an event now, or when it is due (then it needs an id)."""
        flat: list[Arg] = [part for pair in fields.items() for part in pair]
        entry, duplicate, _ = await self.store.run(
            _script("publish"),
            [slot.stream, slot.ids, slot.due, slot.due_items],
            [event_id, at_ms, self.limits.dedupe_ms, self.keys.nudges, slot.name, longest, *flat],
        )
        return Published(None if entry == b"due" else entry.decode(), bool(duplicate))

    async def promote(self, slot: Slot) -> Promotion:
        """Move at most a hundred of what is due."""
        moved, now, head, late = await self.store.run(
            _script("promote"),
            [slot.due, slot.due_items, slot.stream, slot.ids],
            [DUE_PER_PROMOTION, self.limits.dedupe_ms],
        )
        return Promotion(moved, now, None if head < 0 else head, late)

    async def wake(self, slot: Slot, function: str, run: str) -> int:
        """1 woken, 2 open but not held, 0 no such open run."""
        return int(await self.store.run(_script("wake"), [slot.run(run), slot.due, slot.ready(function)], [run]))

    async def outbox_take(self, slot: Slot, hold_ms: int) -> Taken:
        now, head, *rest = await self.store.run(
            _script("outbox_take"), [slot.outbox, slot.outbox_items], [DUE_PER_PROMOTION, hold_ms]
        )
        taken = Taken(now, None if head < 0 else head, [], [])
        for name, raw, tries in zip(*[iter(rest)] * 3, strict=True):
            if not raw:
                taken.lost.append(name.decode("utf-8", "replace"))
                continue
            try:
                taken.items.append((OutboxItem.decode(raw), tries))
            except ValueError as error:  # anyone may have written it: it must not stop those behind it
                taken.unreadable.append((name, str(error)))
        return taken

    async def outbox_try(self, slot: Slot, item: str | bytes) -> int:
        """Count a try, before it is made; 0 when the item is gone."""
        return int(await self.store.run(_script("outbox_try"), [slot.outbox_items], [item]))

    async def outbox_again(self, slot: Slot, hold_ms: int, unsent: Sequence[str], others: Sequence[str]) -> int:
        """These met a store that was full (`unsent`) or away: they come again after one hold. How many there are."""
        args: list[Arg] = [hold_ms, len(unsent), *unsent, *others]
        return int(await self.store.run(_script("outbox_again"), [slot.outbox, slot.outbox_items], args))

    async def outbox_done(self, slot: Slot, ids: Sequence[str]) -> None:
        await self.store.run(_script("outbox_done"), [slot.outbox, slot.outbox_items], list(ids))

    async def acquire(
        self,
        function: str,
        key: str,
        member: str,
        limit: int,
        ttl_ms: int,
        claim: str,
        *,
        line_up: bool = True,
        at_ms: int | None = None,
        tolerance_ms: int = 1_000,
    ) -> Permit:
        """Take a permit, or learn who has them. `at_ms`: the server's time as the caller reckons it; when it can't say
        (None), or is wrong, permits that have expired still count: their owners may be about to renew them."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("acquire"),
            [slot.permits(key), slot.waiters(key), slot.claims(key)],
            [member, limit, ttl_ms, int(line_up), claim, "" if at_ms is None else at_ms, tolerance_ms],
        )
        return Permit(True) if answer[0] else Permit(False, tuple(m.decode() for m in answer[1]), answer[2])

    async def release(
        self, function: str, key: str, member: str, ttl_ms: int, *, claim: str = "", most: int = 0
    ) -> OutboxItem | None:
        """Give a permit back; the item that wakes the next holder, if there is one. claim: '' any; most: 0 unknown."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("release"),
            [slot.permits(key), slot.waiters(key), slot.outbox, slot.outbox_items, slot.claims(key)],
            [member, ttl_ms, key, function, claim, most],
        )
        return OutboxItem.decode(answer[2]) if len(answer) > 1 else None

    async def ensure_group(
        self, slot: Slot, group: str, *, ready: bool = True, first_read_ms: int | None = None
    ) -> tuple[int, str, str]:
        """(0, '', redo) there already; (1, start, redo) registered; (2, mark, redo) lost, and goes on from its mark.

        redo: the last entry that a group that was lost may have delivered; '' when none was. ready: it has a ready
        stream as well; first_read_ms: how far back a first registration reads, when not as far as any function's.
        """
        back = self.limits.first_read_ms if first_read_ms is None else first_read_ms
        code, start, redo = await self.store.run(
            _script("ensure_group"),
            [slot.stream, slot.ready(group) if ready else slot.stream, slot.marks],
            [group, back],
        )
        return int(code), start.decode(), redo.decode()

    async def last_entry(self, slot: Slot) -> str:
        """The id of the newest entry that the event stream ever had, as the store knows it."""
        info = await self.store.call("XINFO", "STREAM", slot.stream)
        return str(dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"].decode())

    async def takeover(
        self,
        slot: Slot,
        stream: str,
        function: str,
        consumer: str,
        *,
        lease_ms: int,
        cursor: str,
        count: int,
        at_ms: int,
    ) -> Page | NotClaimer | Jumped:
        """One page of what dead workers left. `at_ms`: the server's time as the caller reckons it."""
        answer = await self.store.run(
            _script("takeover"),
            [stream, slot.claimer(function)],
            [function, consumer, lease_ms, cursor, count, at_ms, max(lease_ms // 4, 1), lease_ms // 2],
        )
        match answer[0]:
            case 1:
                rows = [(e.decode(), dict(zip(f[::2], f[1::2], strict=True))) for e, f in answer[3] if f is not None]
                deleted = tuple(i.decode() for i in answer[4])
                return Page(answer[1], answer[2].decode(), rows, deleted, None if answer[5] < 0 else answer[5])
            case 0:
                return NotClaimer(answer[2])
            case _:
                return Jumped(answer[1])

    async def hand_back(self, stream: str, function: str, consumer: str, lease_ms: int) -> int:
        """Let go of all that a stopping consumer still holds; how many entries that were."""
        args: list[Arg] = [function, consumer, lease_ms, 1000]
        return int(await self.store.run(_script("hand_back"), [stream], args))

    async def retire(self, stream: str, function: str, consumer: str, silent_ms: int) -> int:
        return int(await self.store.run(_script("retire"), [stream], [function, consumer, silent_ms]))

    async def housekeep(self, slot: Slot) -> tuple[int, int]:
        """(entries trimmed, ended runs forgotten)."""
        trimmed, old = await self.store.run(
            _script("housekeep"), [slot.stream, slot.marks, slot.ended], [self.limits.events_ms, self.limits.ended_ms]
        )
        return int(trimmed), int(old)

    async def register_schedule(
        self,
        slot: Slot,
        schedule: str,
        expression: str,
        *,
        generation: int = 0,
        mark_ms: int = 0,
        first_us: int = 0,
        silent_ms: int,
    ) -> Schedule:
        """The schedule as it is from now on; `generation`, `mark_ms`, `first_us`: what a running scheduler knew of it.

        silent_ms: another's expression that nobody stood for so long is replaced.
        """
        args: list[Arg] = [schedule, expression, generation, mark_ms, first_us, silent_ms]
        generation, mark, now, first, ours, lost = await self.store.run(_script("register_schedule"), [slot.cron], args)
        return Schedule(generation, mark, now, first, bool(ours), bool(lost))

    async def tick(
        self, slot: Slot, schedule: str, generation: int, nominal_ms: int, fields: dict[bytes, bytes] | None
    ) -> bool | Early | Superseded:
        """Enqueue one instant (`fields` None: only pass it); whether this call did, or it had been done."""
        flat: list[Arg] = [part for pair in (fields or {}).items() for part in pair]
        answer = await self.store.run(
            _script("tick"),
            [slot.stream, slot.cron],
            [schedule, generation, nominal_ms, int(fields is None), *flat],
        )
        if isinstance(answer[0], bytes):
            return True
        if answer[0] == -1:
            return Superseded(answer[1])
        return Early() if answer[1] < nominal_ms else False
