"""Functions that use all of the bus, so that a worker asks the store for everything it ever asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

import anyio

from joelclaw_bus import (
    Backoff,
    Debounce,
    Event,
    Functions,
    OutboxItem,
    Publisher,
    RateLimit,
    Step,
    Store,
    cancel_on,
    cron,
    event,
)
from joelclaw_bus.observer import EventBuried, LeaseLost, OutboxDelivered, RunEnded, TakenOver, WriteRefused
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.waiting import until

SECONDS = "* * * * * *"


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    name: str


class Answer(EventModel):
    event_name: ClassVar[str] = "test/answer"

    name: str


class Gone(EventModel):
    """Nobody sends it: what it would cancel waits for it all the same."""

    event_name: ClassVar[str] = "test/gone"

    name: str


class Done(EventModel):
    event_name: ClassVar[str] = "test/done"

    name: str


@dataclass
class Everything:
    """What was sent, and what was done of it. `acts` counts the effects of journaled steps.

    `lined_up`: whether a run of test/crowd waits for its turn; the first of them then stays until one does."""

    functions: Functions = field(default_factory=Functions)
    acts: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    invalid: int = 0
    lined_up: Callable[[], Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        quick = Backoff(base_ms=20, cap_ms=40)

        @self.functions.function(STEPS, on=[event(Job)], retries=3, backoff=quick)
        async def steps(e: Event[Job], step: Step) -> None:
            await step.run("one", self._act, f"one:{e.data.name}")
            await step.sleep("rest", 0.02)
            if step.attempt == 0:
                raise RuntimeError("fails once")
            await step.send_event("done", Done(name=e.data.name))

        @self.functions.function("test/crowd", on=[event(Job)], retries=1, backoff=quick, concurrency=1)
        async def crowd(e: Event[Job], step: Step) -> None:
            await anyio.sleep(0.02)
            if self.lined_up is not None:
                await until(self.lined_up)
                self.lined_up = None

        @self.functions.function("test/one-by-one", on=[event(Job)], retries=1, backoff=quick, exclusive=1)
        async def one_by_one(e: Event[Job], step: Step) -> None:
            await step.sleep("rest", 0.02)

        @self.functions.function("test/long", on=[event(Job)], retries=1, backoff=quick, concurrency=50)
        async def long(e: Event[Job], step: Step) -> None:
            await anyio.sleep(0.3)  # over a renewal

        @self.functions.function("test/waiter", on=[event(Job)], retries=1, backoff=quick, awaits=[Answer])
        async def waiter(e: Event[Job], step: Step) -> None:
            answer = await step.wait_for_event("answer", Answer, match={"name": e.data.name}, timeout=600)
            assert answer is not None

        @self.functions.function(
            "test/paced",
            on=[event(Job)],
            retries=1,
            backoff=quick,
            cancel_on=[cancel_on(Gone, "name")],
            rate_limit=RateLimit(1_000, 60),
            debounce=Debounce(0.02, key=lambda e: e.data.name),
        )
        async def paced(e: Event[Job], step: Step) -> None:
            return None

        @self.functions.function("test/tick", on=[cron(SECONDS)], retries=1)
        async def tick(e: Event[EventModel], step: Step) -> None:
            return None

    def _act(self, which: str) -> str:
        self.acts[which] += 1
        return which

    async def send(self, store: Store, count: int, *, invalid: int = 0) -> None:
        publisher = Publisher(store)
        for _ in range(count):
            name = f"job-{len(self.sent)}"
            await publisher.send(Job(name=name), id=name)
            await publisher.send(Answer(name=name), id=name)
            self.sent.append(name)
        for _ in range(invalid):
            await publisher.send_raw(Job.event_name, b'{"no":"name"}')
            self.invalid += 1

    async def has_much_to_do(self, store: Store) -> bool:
        """More than a few runs are open: on a slow machine more work would only pile up."""
        return bool(await store.call("ZCARD", store.keys.slot(Job.event_name).open) > 2 * len(FUNCTIONS))

    async def leave_a_delivery(self, store: Store) -> None:
        """As a worker does that dies with an event in hand: an entry that somebody takes over. Before any worker."""
        stream = store.keys.slot(Job.event_name).stream
        await store.call("XGROUP", "CREATE", stream, STEPS, "0", "MKSTREAM")
        await self.send(store, 1)
        await store.call("XREADGROUP", "GROUP", STEPS, "dead", "STREAMS", stream, ">")

    async def leave_an_item(self, store: Store) -> None:
        """As a worker does that dies between a step and its delivery: an item that a sweep finds."""
        slot, n = store.keys.slot(Job.event_name), len(self.sent)
        item = OutboxItem(id=f"left:{n}", kind="unwait", target=Answer.event_name, event_id=f"nobody's:{n}")
        await store.call("HSET", slot.outbox_items, item.id, item.encode())
        await store.call("ZADD", slot.outbox, 0, item.id)

    def crowded(self, store: Store) -> Everything:
        """The first of test/crowd stays until another waits: then that one is woken for certain. Send more than one."""
        line = store.keys.function_slot("test/crowd").waiters("")

        async def lined_up() -> object:
            return await store.call("ZCARD", line)

        self.lined_up = lined_up
        return self

    async def all_ended(self, seen: Seen) -> None:
        """Waits until each event that was sent has ended for each of the functions, and was told to have."""
        wanted = {f"{fn}:{name}" for fn in FUNCTIONS for name in self.sent}
        try:
            await seen.wait(RunEnded, len(wanted), where=lambda f: f.function != "test/tick")
            await seen.wait(EventBuried, len(FUNCTIONS) * self.invalid)
            await seen.wait(OutboxDelivered, len(self.sent), where=lambda f: f.kind == "event")
        except TimeoutError:
            missing = wanted - {f.run for f in seen.all(RunEnded)}
            of = [str(f) for f in seen.facts if any(run in str(f) for run in missing)]
            counts = (
                len(seen.all(EventBuried)),
                len(FUNCTIONS) * self.invalid,
                len(seen.all(OutboxDelivered)),
                len(self.sent),
            )
            raise AssertionError(f"{counts}; not ended: {missing}; seen of them: {of}") from None

    async def all_settled(self, store: Store) -> None:
        """The same by the store alone: for where an answer is lost, and what it would have told with it."""
        slot = store.keys.slot(Job.event_name)

        async def settled() -> bool:
            pending = [
                (await store.call("XPENDING", stream, fn))[0]
                for fn in FUNCTIONS
                for stream in (slot.stream, slot.ready(fn))
            ]
            rows = await store.call("XINFO", "GROUPS", slot.stream)
            lag = sum(dict(zip(row[::2], row[1::2], strict=True))[b"lag"] or 0 for row in rows)
            open_runs = await store.call("ZCARD", slot.open)
            return not any(pending) and not lag and not open_runs and await self._sent(store) == len(self.sent)

        await until(settled, within=300)

    async def _sent(self, store: Store) -> int:
        return int(await store.call("XLEN", Done.event_name))

    async def check(self, store: Store, seen: Seen) -> None:
        """Nothing lost, nothing doubled: by the facts, by the effects, by the store."""
        ended = Counter(f.run for f in seen.all(RunEnded) if f.function != "test/tick")
        wanted = {f"{fn}:{name}" for fn in FUNCTIONS for name in self.sent}
        assert set(ended) == wanted
        assert not [run for run, times in ended.items() if times > 1]
        assert {f.status for f in seen.all(RunEnded)} == {"completed"}
        assert set(self.acts) == {f"one:{name}" for name in self.sent}
        # An act may be repeated where its lease ran out before its record: its process stood still for so long.
        lost = [f for f in seen.facts if isinstance(f, LeaseLost | WriteRefused | TakenOver) and f.function == STEPS]
        assert self.acts.total() - len(self.acts) <= len(lost), self.acts
        assert await store.call("XLEN", Done.event_name) == len(self.sent)
        assert await store.call("XLEN", store.keys.slot(Job.event_name).dead) == self.invalid
        assert await store.call("ZCARD", store.keys.slot(Job.event_name).open) == 0


STEPS = "test/steps"
FUNCTIONS = (STEPS, "test/crowd", "test/one-by-one", "test/long", "test/waiter", "test/paced")
