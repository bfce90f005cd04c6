"""An observer that remembers, and lets a test wait for what it hopes to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from joelclaw_bus.observer import Fact

F = TypeVar("F")


class Seen:
    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._more = anyio.Event()

    def saw(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._more.set()
        self._more = anyio.Event()

    def all(self, kind: type[F]) -> list[F]:
        return [f for f in self.facts if isinstance(f, kind)]

    async def more(self) -> None:
        """Waits for the next fact."""
        await self._more.wait()

    async def wait(self, kind: type[F], count: int = 1, where: Callable[[F], bool] = lambda _: True) -> list[F]:
        """Waits until `count` facts of a kind were seen. The deadline, a minute without one more, only bounds a broken
        test."""
        there = 0
        with anyio.fail_after(60) as scope:
            while len(found := [f for f in self.all(kind) if where(f)]) < count:
                if len(found) > there:
                    there, scope.deadline = len(found), anyio.current_time() + 60
                await self._more.wait()
        return found
