"""The store as a bus under test has it: its time is the test's, and a worker may die at one of its calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from joelclaw_bus.many import each_of
from joelclaw_bus.script import Script, load_script
from joelclaw_bus.store import Arg, Command, Store
from joelclaw_bus.testing.clock import TestClock

CLOCK_KEY = "joelclaw-testing:now"


class WorkerDied(BaseException):
    """The worker is dead, as after SIGKILL. BaseException: no handler may catch it, as none survives that."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where the next worker dies: around the script that records `step`, of `function` ('' any)."""

    step: str
    recorded: bool
    function: str = ""

    def meets(self, script: Script, keys: Sequence[str], args: Sequence[Arg]) -> int | None:
        """Which of this call's runs records that step (see `step.lua` for what stands where)."""
        if script.name != "step" or self.function not in ("", args[0]):
            return None
        return next((n for n, (_, own) in enumerate(each_of("step", keys, args)) if own[8] == self.step), None)


@dataclass(eq=False)
class MovedStore(Store):
    """`crashes` is shared by all that work on one bus; `dead` is one worker's."""

    clock: TestClock | None = None
    crashes: list[Crash] = field(default_factory=list)
    dead: bool = False

    def another(self) -> MovedStore:
        """The same store in the hands of another worker."""
        return replace(self, dead=False)

    def now_ms(self) -> int:
        assert self.clock is not None
        return self.clock.at_ms

    async def call(self, *command: Arg, node: str | None = None) -> Any:
        self._live()
        if command == ("TIME",):
            return self._time()
        return await super().call(*command, node=node)

    async def calls(self, commands: Iterable[Command], *, node: str | None = None) -> list[Any]:
        self._live()
        return await super().calls(commands, node=node)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        self._live()
        crash, at = next(((c, at) for c in self.crashes if (at := c.meets(script, keys, args)) is not None), (None, 0))
        if crash and not crash.recorded:
            self._die(crash)
        answer = await super().run(moved(script), keys, args)
        if crash and answer[at][0] == 1:
            self._die(crash)
        return answer

    async def move(self, by_ms: int) -> None:
        """Let time pass: for the clock, for what expires, for leases."""
        assert self.clock is not None
        self.clock.at_ms += by_ms
        script = load_script("joelclaw_bus.testing", "move")
        await super().run(script, [CLOCK_KEY], [self.clock.at_ms, by_ms])

    def _time(self) -> list[bytes]:
        seconds, ms = divmod(self.now_ms(), 1000)
        return [str(seconds).encode(), str(ms * 1000).encode()]

    def _live(self) -> None:
        if self.dead:
            raise WorkerDied("a call of a worker that had died before")

    def _die(self, crash: Crash) -> None:
        self.dead = True
        self.crashes.remove(crash)
        raise WorkerDied(f"as the test wished, at step {crash.step!r}")


@cache
def moved(script: Script) -> Script:
    """The script as it runs here: its own text, behind the piece that moves time."""
    first, _, body = script.text.partition("\n")
    piece = (files("joelclaw_bus.testing") / "lua" / "lib" / "virtual_time.lua").read_text("utf-8")
    text = f"{first}\n{piece}{body}"
    return replace(script, text=text, sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
