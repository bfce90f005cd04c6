"""A store that numbers every call and fails at exactly one of them.

| how        | what the store sees        | what the worker sees                                               |
|------------|----------------------------|--------------------------------------------------------------------|
| `BEFORE`   | nothing                    | it is dead: this call and every later one raise `Crashed`          |
| `AFTER`    | the call, done             | it is dead, and never learned the answer                           |
| `LOST`     | the call, done             | `StoreUnavailable`: the reply was lost, and the worker lives on    |

`Crashed` is no Exception, so that no handler and no net of the bus's own can catch it; nothing that a dead worker does
while its tasks unwind reaches the store: no hand-back, no heartbeat, no farewell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import anyio

from joelclaw_bus.errors import BusError, StoreUnavailable
from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg, BlockingStore, Command, Store
from tests.sweep.ledger import Died, Ledger


class Crashed(BaseException):
    """This worker is dead."""


class How(Enum):
    BEFORE = "crash before"
    AFTER = "crash after"
    LOST = "reply lost"


class Point(NamedTuple):
    """The nth call of a kind (a script's name, or the command) in a scenario; the first is 1."""

    kind: str
    nth: int


class Fault(NamedTuple):
    point: Point
    how: How

    def __str__(self) -> str:
        return f"{self.how.value} {self.point.kind} {self.point.nth}"


@dataclass(eq=False)
class FaultyStore(Store):
    """One worker's store. `trace`: its calls so far, in order; `fault`: where it fails, None for a healthy one."""

    ledger: Ledger = field(default_factory=Ledger)
    fault: Fault | None = None
    trace: list[Point] = field(default_factory=list)
    dead: bool = False
    struck: bool = False
    numbering: bool = True
    mutant: Script | None = None
    _counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._real = Store(self.settings, self.keys, self.address, self.nodes)

    def enter(self, kind: str) -> How | None:
        """Number a call; how it is to fail. Crashed: the worker is dead, or dies now."""
        if self.dead:
            raise Crashed
        if not self.numbering:
            return None
        self._counts[kind] += 1
        point = Point(kind, self._counts[kind])
        self.trace.append(point)
        if self.fault is None or self.fault.point != point:
            return None
        self.struck = True
        if self.fault.how is How.BEFORE:
            self.die()
        return self.fault.how

    def leave(self, how: How | None) -> None:
        """After the call was done: die, or lose the reply. A call under way when its worker died tells nobody."""
        if self.dead:
            raise Crashed
        if how is How.AFTER:
            self.die()
        if how is How.LOST:
            raise StoreUnavailable(self.where, "the reply was lost on its way")

    def die(self) -> None:
        self.dead = True
        self.ledger.add(Died())
        raise Crashed

    async def _at(self, kind: str, keys: Sequence[str], args: Sequence[Arg], do: Callable[[], Awaitable[Any]]) -> Any:
        how = self.enter(kind)
        try:
            with anyio.CancelScope(shield=True):  # what was sent is done, whoever dies meanwhile
                answer = await do()
        except BusError:
            self.leave(how)
            raise
        self.ledger.called(kind, keys, args, answer)
        self.leave(how)
        return answer

    async def call(self, *command: Arg, node: str | None = None) -> Any:
        return await self._at(str(command[0]), (), command, lambda: self._real.call(*command, node=node))

    async def write(self, *command: Arg) -> Any:
        return await self._at(str(command[0]), (), command, lambda: self._real.write(*command))

    async def calls(self, commands: Iterable[Command], *, node: str | None = None) -> list[Any]:
        batch = list(commands)
        kind = "+".join(dict.fromkeys(str(command[0]) for command in batch))
        answers: list[Any] = await self._at(kind, (), (), lambda: self._real.calls(batch, node=node))
        return answers

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        if self.mutant and self.mutant.name == script.name:
            script = self.mutant
        return await self._at(script.name, keys, args, lambda: self._real.run(script, keys, args))

    def blocking_client(self, deadline: float) -> BlockingStore:
        return _Blocking(self, deadline)

    async def close(self) -> None:
        """The connections are the sweep's: many workers share them."""


class _Blocking(BlockingStore):
    """The renewal's client: the same numbers, the same fault."""

    def __init__(self, store: FaultyStore, deadline: float) -> None:
        super().__init__(store.address, deadline)
        self._store = store

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        how = self._store.enter(script.name)
        answer = super().run(script, keys, args)
        self._store.ledger.called(script.name, keys, args, answer)
        self._store.leave(how)
        return answer
