"""The bus that a test holds: send, settle, advance, crash, and look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Self, TypeVar

from joelclaw_bus.functions import Functions
from joelclaw_bus.inspect.dead import DeadLetter, list_dead
from joelclaw_bus.inspect.due import Due, list_due
from joelclaw_bus.inspect.runs import list_runs
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import Fact, WorkerFault
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_bus.testing.clock import A_MONDAY
from joelclaw_bus.testing.hands import Hands, clock_at
from joelclaw_bus.testing.server import SHARED
from joelclaw_bus.testing.store import Crash, MovedStore, WorkerDied
from joelclaw_bus.testing.views import Run, instant, look_up
from joelclaw_bus.worker_settings import WorkerSettings
from joelclaw_contracts import EventModel

M = TypeVar("M", bound=EventModel)
MOST_ROUNDS = 10_000
MOST_LISTED = 100_000
PATIENT = WorkerSettings(fallback_ms=300_000)
"""The usual worker; but a run without a permit asks again less often, since in a test no hand-over gets lost."""
KEPT = Limits(ended_ms=100 * 365 * 86_400_000)
"""The usual limits, but a test may look at runs that ended long ago."""


class NoSuchRun(AssertionError):
    def __init__(self, function: str, event_id: str, runs: Sequence[str]) -> None:
        known = ", ".join(runs) or "none"
        super().__init__(f"no run of {function} for event {event_id!r}; did the test settle? There are: {known}")


class NeverSettles(AssertionError):
    def __init__(self, rounds: int, last: Sequence[Fact]) -> None:
        told = "\n".join(f"  {fact}" for fact in last)
        super().__init__(
            f"after {rounds:,} rounds there still is something to do at the same instant; a function may send to"
            f" itself, or retry without a delay. The last that happened:\n{told}"
        )


class TestBus:
    """A real store, a worker over `functions`, and a clock of its own that begins at `start`.

    `functions` may be made from the store, for those that use it themselves: once for each worker that starts, as a
    process would. `also`: slots that nobody subscribes to and whose outbox matters (incidents). `cron`: whether
    schedules tick.
    """

    __test__ = False  # no test case, whatever pytest makes of the name

    def __init__(
        self,
        functions: Functions | Callable[[Store], Functions],
        *,
        start: datetime = A_MONDAY,
        settings: WorkerSettings = PATIENT,
        limits: Limits = KEPT,
        also: tuple[Slot, ...] = (),
        cron: bool = True,
    ) -> None:
        self.functions, self.settings, self.limits, self.also, self.cron = functions, settings, limits, also, cron
        self.facts: list[Fact] = []
        self.deaths = 0
        self._start_ms = round(start.timestamp() * 1000)
        self._lapses: list[int] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        url = self._stack.enter_context(SHARED.database())
        plain = await self._stack.enter_async_context(open_store(StoreSettings(url, deadline=60.0)))
        await plain.call("FLUSHDB")  # of this process's own server
        self.store = MovedStore(plain.settings, plain.keys, plain.address, plain.nodes)
        self.store.clock = self.clock = clock_at(self._start_ms, self.store)
        await self.store.move(0)
        self._publisher = Publisher(self.store, "test", limits=self.limits, wall=self.clock.seconds)
        await self._start_worker()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hands.outbox.posted.close()
        await self._stack.aclose()

    def saw(self, fact: Fact) -> None:
        """The bus tells what happens: `facts` has it all."""
        self.facts.append(fact)

    # What a test does

    async def send(self, event: EventModel, *, id: str | None = None, delay: timedelta = timedelta(0)) -> str:
        """Publish an event, now or later; its id. With an `id` given twice, the second is dropped as always."""
        at_ms = self.clock.at_ms + round(delay / timedelta(milliseconds=1)) if delay else 0
        published = await self._publisher.send(event, id=id, at_ms=at_ms)
        return id or published.entry or ""

    async def settle(self) -> None:
        """Let happen what can happen now. NeverSettles when that has no end."""
        for _ in range(MOST_ROUNDS):
            before = len(self.facts)
            if not await self._round() and len(self.facts) == before:
                return
        raise NeverSettles(MOST_ROUNDS, self.facts[-5:])

    async def advance(
        self, by: timedelta = timedelta(0), *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Let time pass. What falls due on the way happens at its own instant, one after the other."""
        by += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if by < timedelta(0):
            raise ValueError(f"time can't go back by {-by}; begin earlier with TestBus(…, start=…)")
        await self.advance_to(self.now + by)

    async def advance_to(self, when: datetime) -> None:
        """Let time pass until `when`."""
        until = round(when.timestamp() * 1000)
        await self.settle()
        while (at := await self._next_ms()) <= until:
            await self.store.move(round(at) - self.clock.at_ms)
            await self.settle()
        await self.store.move(max(0, until - self.clock.at_ms))
        await self.settle()

    def crash_after_step(self, step: str, *, function: str = "") -> None:
        """The worker dies, once, when `step` is recorded and the handler has not gone on.

        Another worker stands by, and takes the run over when the lease has run out: `advance` by `bus.lease`.
        """
        self.store.crashes.append(Crash(step, recorded=True, function=function))

    def crash_before_record(self, step: str, *, function: str = "") -> None:
        """The worker dies, once, when `step` has been done and not recorded: the side effect will be repeated."""
        self.store.crashes.append(Crash(step, recorded=False, function=function))

    # What a test sees

    @property
    def now(self) -> datetime:
        return instant(self.clock.at_ms)

    @property
    def lease(self) -> timedelta:
        """After so long a dead worker's runs are taken over."""
        return timedelta(milliseconds=self.settings.lease_ms)

    async def run(self, function: str, event_id: str) -> Run:
        """One run as it stands. NoSuchRun names those there are."""
        found = await look_up(self.store, self.facts, function, event_id)
        if found is None:
            raise NoSuchRun(function, event_id, await self.runs())
        return found

    async def runs(self, function: str = "") -> list[str]:
        """The ids (`FUNCTION:EVENT-ID`) of all recorded runs, the oldest first."""
        found = await list_runs(self.store, function=function, limit=MOST_LISTED)
        return [r.id for r in sorted(found, key=lambda r: (r.created_ms or 0, r.id))]

    async def sent(self, model: type[M]) -> list[M]:
        """All events of this kind on the bus, in order: what functions sent, and what the test did."""
        rows = await self.store.call("XRANGE", self.store.keys.slot(model.event_name).stream, "-", "+")
        return [model.from_json(dict(zip(f[::2], f[1::2], strict=True))[b"data"]) for _, f in rows]

    async def due(self) -> list[Due]:
        """What waits for its time, the earliest first: runs, and delayed events."""
        return await list_due(self.store, limit=MOST_LISTED)

    async def dead_letters(self, model: type[EventModel] | None = None) -> list[DeadLetter]:
        """The oldest first."""
        letters = await list_dead(self.store, limit=MOST_LISTED)
        return [letter for letter in reversed(letters) if model is None or letter.event == model.event_name]

    # How it turns

    async def _round(self) -> int:
        before = len(self.facts)
        try:
            moved = await self._hands.round(ticks=self.cron)
        except BaseExceptionGroup as group:
            died, others = group.split(WorkerDied)
            if others:
                raise others from None
            assert died is not None
            await self._bury_worker()
            return 1
        except WorkerDied:
            await self._bury_worker()
            return 1
        for fault in (f for f in self.facts[before:] if isinstance(f, WorkerFault)):
            raise RuntimeError(f"a defect of the bus, or of this kit: {fault}")
        return moved

    async def _bury_worker(self) -> None:
        """It is dead; another takes its place, and its leases run out in time."""
        self.deaths += 1
        self._lapses.append(self.clock.at_ms + self.settings.lease_ms)
        self._hands.outbox.posted.close()
        await self._start_worker()

    async def _start_worker(self) -> None:
        store = self.store.another()
        functions = self.functions if isinstance(self.functions, Functions) else self.functions(store)
        self._hands = Hands(store, functions, self.settings, self.limits, self, self.also)
        await self._hands.register()

    async def _next_ms(self) -> float:
        """The next instant at which something is due, later than now; infinity when nothing is."""
        due = [*await self._hands.heads(), *self._lapses]
        if self.cron:
            due += [scheduler.upcoming() for scheduler in self._hands.schedulers]
        return min((at for at in due if at > self.clock.at_ms), default=float("inf"))
