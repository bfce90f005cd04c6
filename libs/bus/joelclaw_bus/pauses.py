"""Functions that an operator has paused: nothing of theirs is read or taken over until they are resumed.

What is due is still promoted, and waits in order. A run that executes goes on: a pause holds work back, it ends none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import anyio

from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class Pause:
    """`until_ms`: when it ends by itself (0: when somebody ends it). Times are the server's, ms."""

    function: str
    owner: str
    reason: str
    since_ms: int
    until_ms: int = 0

    def holds(self, now_ms: int) -> bool:
        return not self.until_ms or now_ms < self.until_ms


async def read_pauses(store: Store) -> tuple[dict[str, Pause], list[str]]:
    """All that is written, by function, ended ones too; and the functions whose pause can't be read."""
    flat = await store.call("HGETALL", store.keys.pauses)
    found, unreadable = dict[str, Pause](), list[str]()
    for name, raw in zip(flat[::2], flat[1::2], strict=True):
        function = name.decode("utf-8", "replace")
        try:
            row = json.loads(raw)
            found[function] = Pause(
                *(function, str(row["owner"]), str(row["reason"])), int(row["since_ms"]), int(row["until_ms"])
            )
        except (ValueError, TypeError, KeyError):  # anyone may write there; it holds nothing, and is told
            unreadable.append(function)
    return found, unreadable


async def pause(store: Store, function: str, *, owner: str, reason: str, until_ms: int = 0) -> Pause:
    """Hold a function back; a later pause takes the place of an earlier one."""
    made = Pause(function, owner, reason, await store.time_ms(), until_ms)
    row = {name: value for name, value in asdict(made).items() if name != "function"}
    await store.write("HSET", store.keys.pauses, function, json.dumps(row, separators=(",", ":")))
    return made


async def resume(store: Store, function: str) -> bool:
    """Let it go on; whether it was paused."""
    return bool(await store.write("HDEL", store.keys.pauses, function))


@dataclass
class Pauses:
    """What one worker knows of them. `now_ms`: the server's clock."""

    store: Store
    now_ms: Callable[[], int]
    _known: Mapping[str, Pause] | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def refresh(self) -> list[str]:
        """Read them anew; the functions whose pause can't be read. Until they were read once, everything is held: a
        start must not slip through a pause."""
        self._known, unreadable = await read_pauses(self.store)
        self._changed.set()
        self._changed = anyio.Event()
        return unreadable

    def holds(self, function: str) -> bool:
        if self._known is None:
            return True
        known = self._known.get(function)
        return known is not None and known.holds(self.now_ms())

    async def over(self, function: str) -> None:
        """Waits until the function isn't paused."""
        while self.holds(function):
            await self._changed.wait()
