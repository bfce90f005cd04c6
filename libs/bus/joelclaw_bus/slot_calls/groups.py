"""Who reads a stream: its groups, what their consumers hold, and what all of them are done with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls
from joelclaw_bus.store import Arg

_script = partial(load_script, "joelclaw_bus")


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
    """Another one is; its election lasts `lasts_ms` unless it looks again. `next_ms`: as a page says it."""

    lasts_ms: int
    next_ms: int | None


@dataclass(frozen=True, slots=True)
class Jumped:
    """The call arrived at another time than its sender reckoned: a frozen store or a jumped clock."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class GroupCalls(Calls):
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
        stays: bool = True,
        alone: Sequence[str] = (),
    ) -> Page | NotClaimer | Jumped:
        """One page of what dead workers left. `at_ms`: the server's time as the caller reckons it; `stays`: it has
        places for more, and wants to be the claimer for half a lease; `alone`: entries that stay as they are."""
        stay_ms = lease_ms // 2 if stays else 0
        answer = await self.store.run(
            _script("takeover"),
            [stream, slot.claimer(function)],
            [function, consumer, lease_ms, cursor, count, at_ms, max(lease_ms // 4, 1), stay_ms, *alone],
        )
        match answer[0]:
            case 1:
                rows = [(e.decode(), dict(zip(f[::2], f[1::2], strict=True))) for e, f in answer[3] if f is not None]
                deleted = tuple(i.decode() for i in answer[4])
                return Page(answer[1], answer[2].decode(), rows, deleted, _some(answer[5]))
            case 0:
                return NotClaimer(answer[2], _some(answer[3]))
            case _:
                return Jumped(answer[1])

    async def hand_back(
        self, stream: str, function: str, consumer: str, lease_ms: int, entries: Sequence[str] = ()
    ) -> int:
        """Let go of all that a consumer still holds, or of these, which it has not begun; how many that were."""
        args: list[Arg] = [function, consumer, lease_ms, 1000, *entries]
        return int(await self.store.run(_script("hand_back"), [stream], args))

    async def retire(self, stream: str, function: str, consumer: str, silent_ms: int) -> int:
        return int(await self.store.run(_script("retire"), [stream], [function, consumer, silent_ms]))

    async def housekeep(self, slot: Slot) -> tuple[int, int]:
        """(entries trimmed, ended runs forgotten)."""
        trimmed, old = await self.store.run(
            _script("housekeep"), [slot.stream, slot.marks, slot.ended], [self.limits.events_ms, self.limits.ended_ms]
        )
        return int(trimmed), int(old)


def _some(ms: int) -> int | None:
    return None if ms < 0 else ms
