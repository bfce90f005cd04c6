"""What a handler's misfortunes cost: its own run at most, never an act done twice for a hiccup, never the worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from pydantic import field_validator

from joelclaw_bus import Backoff, Event, Functions, Publisher, Step, Store, cron, event
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.observer import EventBuried, RunEnded, RunParked
from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg
from joelclaw_contracts import EventModel
from tests.support.workers import working

QUICK = Backoff(base_ms=20, cap_ms=50)


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    n: int = 0


class Odd(EventModel):
    event_name: ClassVar[str] = "test/odd"

    n: int = 0

    @field_validator("n")
    @classmethod
    def look_up(cls, n: int) -> int:
        return {0: 0}[n]


async def test_a_store_that_hiccups_at_the_record_does_not_repeat_the_act(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions, acts = Functions(), []
    refused = 3

    real = Store.run

    async def run(self: Store, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        nonlocal refused
        if script.name == "step" and refused:
            refused -= 1
            raise StoreUnavailable("here", "refused by the test")
        return await real(self, script, keys, args)

    monkeypatch.setattr(Store, "run", run)

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.run("act", acts.append, e.data.n)

    await Publisher(store).send(Asked())
    async with working(store, functions) as seen:
        ended = await seen.wait(RunEnded)
    assert (acts, ended[0].status, refused) == ([0], "completed", 0)


async def test_a_handler_that_awaits_a_cancelled_task_fails_alone(store: Store) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        if e.data.n == 0:
            task = asyncio.ensure_future(asyncio.sleep(60))
            task.cancel()
            await task

    for n in range(3):
        await Publisher(store).send(Asked(n=n))
    async with working(store, functions) as seen:
        ended = await seen.wait(RunEnded, 3)
    assert sorted(f.status for f in ended) == ["completed", "completed", "failed"]
    assert "cancelled" in next(f.error for f in ended if f.status == "failed")


async def test_a_model_whose_validator_fails_oddly_is_buried(store: Store) -> None:
    functions = Functions()

    @functions.function("test/odd", on=[event(Odd)], retries=1)
    async def odd(e: Event[Odd], step: Step) -> None:
        return None

    await store.call("XADD", "test/odd", "*", "data", '{"n":7}')
    async with working(store, functions) as seen:
        buried = await seen.wait(EventBuried)
    assert "KeyError" in buried[0].error


async def test_an_entry_of_thousands_of_equal_fields_can_rest_and_end(store: Store) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.sleep("nap", 0.01)

    await store.call("XADD", "test/asked", "*", "data", "{}", *["x", "y"] * 5_000)
    async with working(store, functions) as seen:
        await seen.wait(RunParked)
        ended = await seen.wait(RunEnded)
    assert ended[0].status == "completed"


async def test_a_tick_that_has_begun_is_never_skipped(store: Store) -> None:
    functions, done = Functions(), []

    @functions.function("test/tick", on=[cron("* * * * *")], retries=1, concurrency=1)
    async def tick(e: Event[Any], step: Step) -> None:
        await step.sleep("nap", 0.3)
        done.append(e.id)

    slot = store.keys.cron_slot("test/tick")
    for n in range(3):
        await store.call(
            "XADD", slot.stream, "*", "id", f"0@{n}", "data", '{"schedule":"* * * * *","nominalMs":0,"lateMs":0}'
        )
    async with working(store, functions, fallback_ms=100) as seen:
        ended = await seen.wait(RunEnded, 3)
    begun = {f.run for f in seen.all(RunParked) if f.state == "due"}
    assert begun <= {f.run for f in ended if f.status == "completed"}


async def test_a_store_that_refuses_everybody_costs_a_handler_no_attempt(store: Store) -> None:
    functions, begun = Functions(), []

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        begun.append(step.attempt)
        if len(begun) < 4:
            raise StoreRefused("here", "OOM", "maxmemory is reached")

    await Publisher(store).send(Asked())
    async with working(store, functions) as seen:
        ended = await seen.wait(RunEnded)
    assert (ended[0].status, begun) == ("completed", [0, 0, 0, 0])


async def test_a_refusal_of_one_command_is_the_handler_s_own_failure(store: Store) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        raise StoreRefused("here", "WRONGTYPE", "not a stream")

    await Publisher(store).send(Asked())
    async with working(store, functions) as seen:
        ended = await seen.wait(RunEnded)
    assert ended[0].status == "failed"


async def test_a_secret_in_an_error_gets_into_no_record_and_no_dead_letter(store: Store) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        raise RuntimeError("no answer from redis://u:HUNTER2@h:1/0, password=HUNTER2, Bearer HUNTER2HUNTER2")

    slot = store.keys.slot(Asked.event_name)
    await Publisher(store).send(Asked(), id="one")
    async with working(store, functions) as seen:
        [ended] = await seen.wait(RunEnded)
    kept = [await store.call("HGETALL", slot.run("test/ask:one")), await store.call("XRANGE", slot.dead, "-", "+")]
    assert "no answer from redis://u:***@h:1/0" in ended.error
    assert "HUNTER2" not in f"{ended} {kept}"


async def test_what_can_hold_the_interpreter_runs_in_a_child_once(store: Store) -> None:
    functions, told = Functions(), []

    @functions.function("test/ask", on=[event(Asked)], retries=1, backoff=QUICK)
    async def ask(e: Event[Asked], step: Step) -> None:
        told.append(await step.run_in_child("who", os.getpid))
        if step.attempt == 0:
            raise OSError("again")

    await Publisher(store).send(Asked())
    async with working(store, functions) as seen:
        await seen.wait(RunEnded)
    assert told[0] == told[1], "journaled like any step"
    assert told[0] != os.getpid()
