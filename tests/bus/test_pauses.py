"""A paused function does nothing, also in a worker that starts while it is paused; and it loses nothing."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_bus import Event, Functions, Publisher, Step, Store, event
from joelclaw_bus.observer import RunEnded, Stuck, Unstuck
from joelclaw_bus.pauses import Pauses, pause, read_pauses, resume
from joelclaw_contracts import EventModel
from tests.support.waiting import later
from tests.support.workers import working

FN = "test/greet"


class Greeted(EventModel):
    event_name: ClassVar[str] = "test/greeted"


def greeting(did: list[str]) -> Functions:
    functions = Functions()

    @functions.function(FN, on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        did.append(e.id)

    return functions


async def test_a_worker_that_starts_while_its_function_is_paused_begins_nothing(store: Store) -> None:
    did: list[str] = []
    await Publisher(store).send(Greeted(), id="one")
    await pause(store, FN, owner="ops", reason="a rollout")
    async with working(store, greeting(did)) as seen:
        await later(store, 700)
        assert did == []
        assert await resume(store, FN)
        await seen.wait(RunEnded)
    assert did == ["one"]


async def test_everything_is_held_until_the_pauses_were_read_once(one_store: Store) -> None:
    pauses = Pauses(one_store, lambda: 0)
    assert pauses.holds(FN)
    await pauses.refresh()
    assert not pauses.holds(FN)


async def test_a_later_pause_takes_the_place_of_an_earlier_one_and_ends_by_itself(one_store: Store) -> None:
    await pause(one_store, FN, owner="a", reason="first")
    until = await one_store.time_ms() + 50
    await pause(one_store, FN, owner="b", reason="second", until_ms=until)
    found, unreadable = await read_pauses(one_store)
    assert (found[FN].owner, found[FN].reason, unreadable) == ("b", "second", [])
    assert (found[FN].holds(until - 1), found[FN].holds(until)) == (True, False)


async def test_a_pause_that_can_t_be_read_holds_nothing_and_is_told(one_store: Store) -> None:
    did: list[str] = []
    await one_store.call("HSET", one_store.keys.pauses, FN, "{")
    await Publisher(one_store).send(Greeted(), id="one")
    async with working(one_store, greeting(did)) as seen:
        await seen.wait(RunEnded)
        [stuck] = await seen.wait(Stuck)
        await pause(one_store, FN, owner="ops", reason="a rollout")
        [over] = await seen.wait(Unstuck)
    assert FN in stuck.what
    assert over.what == stuck.what
    assert did == ["one"]
