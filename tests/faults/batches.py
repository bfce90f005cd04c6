"""The bus's own scripts, called by the hundred: a store whose script calls share round trips.

A million runs through whole workers would measure Python. The scripts, their keys and their arguments are the real
ones; what is saved is the waiting between them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from joelclaw_bus import Script, Store, StoreSettings, open_store
from joelclaw_bus.store import Arg

T = TypeVar("T")


@dataclass(eq=False)
class Batched(Store):
    """Inside `each`, collects script calls until every task waits for one, and sends them together."""

    _waiting: list[_Call] = field(default_factory=list)
    _at_work: int = 0
    _loaded: set[str] = field(default_factory=set)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        if not self._at_work or script.name not in self._loaded:
            self._loaded.add(script.name)
            return await super().run(script, keys, args)
        call = _Call(("EVALSHA", script.sha, len(keys), *keys, *args))
        self._waiting.append(call)
        await call.done.wait()
        if isinstance(call.reply, Exception):
            raise call.reply
        return call.reply

    async def each(self, what: Iterable[T], do: Callable[[T], Awaitable[object]]) -> None:
        """Does it with each, all at once, in as few round trips as it has calls."""

        async def one(item: T) -> None:
            try:
                await do(item)
            finally:
                self._at_work -= 1

        async with anyio.create_task_group() as tasks:
            for item in what:
                self._at_work += 1
                tasks.start_soon(one, item)
            while self._at_work:
                await anyio.lowlevel.checkpoint()
                if len(self._waiting) == self._at_work:  # else somebody is on the way to a call
                    waiting, self._waiting = self._waiting, []
                    for call, reply in zip(waiting, await self.calls(c.command for c in waiting), strict=True):
                        call.reply = reply
                        call.done.set()


@dataclass(eq=False)
class _Call:
    command: tuple[Arg, ...]
    reply: Any = None
    done: anyio.Event = field(default_factory=anyio.Event)


@asynccontextmanager
async def open_batched(settings: StoreSettings) -> AsyncIterator[Batched]:
    async with open_store(settings) as store:
        yield Batched(**{f.name: getattr(store, f.name) for f in fields(Store) if f.init})
