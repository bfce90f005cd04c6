"""One function on two streams: what it derives from a run must not collide, not even by chance."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_bus import Event, Functions, Publisher, Step, Store, event
from joelclaw_bus.observer import EventBuried, OutboxDelivered, RunEnded
from joelclaw_contracts import EventModel
from tests.support.workers import working


class Left(EventModel):
    event_name: ClassVar[str] = "test/left"

    n: int = 0


class Right(EventModel):
    event_name: ClassVar[str] = "test/right"

    n: int = 0


class Sent(EventModel):
    event_name: ClassVar[str] = "test/sent"

    side: str


class AlsoSent(EventModel):
    event_name: ClassVar[str] = "test/also.sent"

    side: str


async def test_the_same_id_on_both_streams_is_two_runs_with_keys_of_their_own(store: Store) -> None:
    functions, keys = Functions(), set[str]()

    @functions.function("test/both", on=[event(Left), event(Right)], retries=1)
    async def both(e: Event[Left | Right], step: Step) -> None:
        keys.add(step.key)
        await step.send_event("sent", Sent(side=e.name))

    now = await store.time_ms()
    for name in ("test/left", "test/right"):
        await store.call("XADD", name, f"{now}-1", "data", "{}")
        await store.call("XADD", name, f"{now}-2", "id", "same", "data", "{}")
    async with working(store, functions) as seen:
        await seen.wait(RunEnded, 4)
        await seen.wait(OutboxDelivered, 4)
    assert len(keys) == 4
    assert await store.call("XLEN", "test/sent") == 4


async def test_unreadable_entries_of_one_id_are_each_answered(store: Store) -> None:
    def answer(raw: bytes, error: Exception, event_id: str) -> list[EventModel]:
        return [Sent(side="invalid")]

    functions = Functions(on_invalid={"test/left": answer, "test/right": answer})

    @functions.function("test/both", on=[event(Left), event(Right)], retries=1)
    async def both(e: Event[Left | Right], step: Step) -> None:
        return None

    now = await store.time_ms()
    for name in ("test/left", "test/right"):
        await store.call("XADD", name, f"{now}-1", "data", "nonsense")
    async with working(store, functions) as seen:
        await seen.wait(EventBuried, 2)
        await seen.wait(OutboxDelivered, 2)
    assert await store.call("XLEN", "test/sent") == 2


async def test_one_id_for_two_events_is_two_items(store: Store) -> None:
    functions = Functions()

    @functions.function("test/both", on=[event(Left)], retries=1)
    async def both(e: Event[Left], step: Step) -> None:
        await step.send_event("one", Sent(side="a"), id="o1")
        await step.send_event("two", AlsoSent(side="a"), id="o1")

    await Publisher(store).send(Left())
    async with working(store, functions) as seen:
        await seen.wait(OutboxDelivered, 2)
    assert (await store.call("XLEN", "test/sent"), await store.call("XLEN", "test/also.sent")) == (1, 1)
