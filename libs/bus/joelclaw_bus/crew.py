"""What turns in one worker: every loop, wired to its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from anyio.abc import TaskGroup

from joelclaw_bus.audit.auditor import Auditor
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.functions import Function, Functions
from joelclaw_bus.handlers import Handlers
from joelclaw_bus.housekeeper import Housekeeper
from joelclaw_bus.keys import Slot
from joelclaw_bus.matcher import Matcher
from joelclaw_bus.observer import Observer
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.promoter import Promoter
from joelclaw_bus.reader import GroupReader
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.scheduler import Scheduler
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.suspects import Calm
from joelclaw_bus.takeover import Takeover
from joelclaw_bus.trouble import Spells, Trouble
from joelclaw_bus.worker_settings import WorkerSettings


@dataclass
class Crew:
    """`groups`: which function reads which slot; `slots`: all that this worker answers for; `beat`: see Housekeeper."""

    functions: Functions
    groups: list[tuple[Function, Slot]]
    slots: list[Slot]
    settings: WorkerSettings
    calls: SlotCalls
    runs: RunCalls
    outbox: Outbox
    clock: ServerClock
    observer: Observer
    spells: Spells
    chores: Trouble
    consumer: str
    beat: Callable[[], tuple[bool, float, int]]
    readers: list[GroupReader] = field(default_factory=list)
    matchers: list[Matcher] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pauses = Pauses(self.calls.store, self.clock.now_ms)

    def start(self, loops: TaskGroup, handlers: Handlers) -> Takeover:
        """Start every loop; the one that takes over, which a stop has to tell."""
        self._read(loops, handlers)
        takeover = Takeover(
            self.groups,
            handlers.executor,
            self.calls,
            self.clock,
            self.observer,
            self._trouble(),
            self.settings.lease_ms,
            self.pauses,
            self.settings.parallel,
            handlers.start_again,
            Calm(self.settings.lease_ms, self.clock.local),
        )
        loops.start_soon(takeover.run)
        loops.start_soon(takeover.alone)
        self._carry(loops)
        self._tick(loops)
        self._keep_house(loops)
        return takeover

    def late(self, now: float, patience: float) -> list[str]:
        """Who has not read for longer than `patience`, in words."""
        readers = [(f"{r.fn.id} has not read {r.slot.name}", r.last_cycle) for r in self.readers if not self._rests(r)]
        matchers = [(f"nobody here has looked for waits on {m.slot.name}", m.last_cycle) for m in self.matchers]
        return [f"{what} for {now - at:.0f} s" for what, at in readers + matchers if now - at > patience]

    def _trouble(self) -> Trouble:
        return Trouble(self.spells)

    def _rests(self, reader: GroupReader) -> bool:
        """A reader without room does not read, nor does a paused one, and both are well."""
        return reader.room.used >= reader.room.places or self.pauses.holds(reader.fn.id)

    def _read(self, loops: TaskGroup, handlers: Handlers) -> None:
        for fn, slot in self.groups:
            reader = GroupReader(
                fn,
                slot,
                self.consumer,
                self.settings.block,
                handlers.room(fn),
                self.calls,
                self.observer,
                self._trouble(),
                handlers.start,
                self.pauses,
            )
            self.readers.append(reader)
            loops.start_soon(reader.run)
        for slot in self.outbox.waits.slots():
            matcher = Matcher(
                slot,
                self.consumer,
                self.settings.block,
                self.settings.lease_ms,
                self.outbox.waits,
                self.runs,
                self.clock,
                self.observer,
                self._trouble(),
                self._trouble(),
            )
            self.matchers.append(matcher)
            loops.start_soon(matcher.run)
            loops.start_soon(matcher.recover)

    def _carry(self, loops: TaskGroup) -> None:
        promoter = Promoter(
            self.slots,
            self.calls,
            self.outbox,
            self.pauses,
            self.clock,
            self.observer,
            self._trouble(),
            self._trouble(),
            self.consumer,
            round(self.settings.chores * 1000),
        )
        loops.start_soon(promoter.run)
        loops.start_soon(promoter.listen)
        loops.start_soon(self.outbox.posted.run)

    def _tick(self, loops: TaskGroup) -> None:
        for fn in self.functions:
            for number, trigger in enumerate(fn.cron_triggers):
                slot = self.calls.keys.cron_slot(fn.id)
                scheduler = Scheduler(fn, number, trigger, slot, self.calls, self.clock, self.observer, self._trouble())
                loops.start_soon(scheduler.run)

    def _keep_house(self, loops: TaskGroup) -> None:
        keeper = Housekeeper(
            self.functions,
            self.groups,
            self.slots,
            self.calls,
            self.clock,
            self.observer,
            self.chores,
            self.consumer,
            self.settings.lease_ms,
            self.settings.chores,
            self.beat,
            self.settings.about,
        )
        loops.start_soon(keeper.run)
        auditor = Auditor(
            self.slots,
            self.calls.store,
            self.calls.limits,
            self.observer,
            self.consumer,
            self.settings.lease_ms,
            self.settings.chores,
        )
        loops.start_soon(auditor.run, Trouble(self.spells, aside=True))
