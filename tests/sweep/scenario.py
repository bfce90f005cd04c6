"""What a scenario is: functions, a drive, and what must have become of it whatever fails on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from joelclaw_bus import Functions, Limits, WorkerSettings
from joelclaw_contracts import EventModel

if TYPE_CHECKING:
    from tests.sweep.crank import Crank
    from tests.sweep.play import Play

SETTINGS = WorkerSettings(lease_ms=20_000, parallel=8, block=0.01, fallback_ms=200, chores=0)


class Scenario:
    """One operation, or some that belong together. The class's docstring says which.

    sends: id -> event, sent by `play.send`; whoever had no answer when its worker died sends again;
    prepare: what lies there before, done by healthy workers and not part of the sweep;
    drive: what the worker under test does: every store call in it is tried with every fault. Without a fault nothing
    may be left to do after it, so that no part of an operation escapes the sweep.

    | says                                              | must hold in the end                               |
    |---------------------------------------------------|----------------------------------------------------|
    | `ends`: (function, status) -> how many            | so many runs ended so, each once                   |
    | `events`: event name -> how many                  | so many entries are on its stream, each id once    |
    | `letters`: event name -> how many                 | so many dead letters are there                     |
    | `spoilt`: keys were lost on purpose                | else nothing may need mending                      |
    | `hands_on`: the drive ends with a worker's stop   | another one finishes, without waiting for a lease  |
    """

    sends: ClassVar[Mapping[str, EventModel]] = {}
    ends: ClassVar[Mapping[tuple[str, str], int]] = {}
    events: ClassVar[Mapping[str, int]] = {}
    letters: ClassVar[Mapping[str, int]] = {}
    spoilt: ClassVar[bool] = False
    hands_on: ClassVar[bool] = False
    settings: ClassVar[WorkerSettings] = SETTINGS
    limits: ClassVar[Limits] = Limits()

    def __init__(self, play: Play) -> None:
        self.play = play
        self.functions = Functions()
        self.declare(self.functions)

    def declare(self, functions: Functions) -> None:
        """Register the handlers."""

    async def prepare(self) -> None:
        """Put there what the drive finds."""

    async def drive(self, w: Crank) -> None:
        """Turn the worker under test. Unless a scenario says otherwise, its events are sent, and read."""
        for id in self.sends:
            await self.play.send(w, id)
        await w.read()

    async def resume(self, w: Crank) -> None:
        """After a fault: what people and producers do again, because they had no answer."""

    def wrong_ends(self, ends: Counter[tuple[str, str]]) -> list[str]:
        """How the runs' ends differ from what they should be."""
        return [] if ends == Counter(dict(self.ends)) else [f"runs ended {dict(ends)}, and should have {self.ends}"]

    async def finished(self) -> list[str]:
        """What else is wrong in the end; one line each."""
        return []
