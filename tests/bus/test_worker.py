"""One event, one function; steps, sleeps, retries, dead letters: the public effects of a whole worker."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Backoff, Event, Functions, Publisher, Reject, Step, Store, event
from joelclaw_bus.observer import DuplicateDropped, EventBuried, RunEnded, RunParked, RunRetried
from joelclaw_contracts import EventModel
from tests.support.workers import working


class Greeted(EventModel):
    event_name: ClassVar[str] = "test/greeted"

    name: str
    fail: int = 0


class Answered(EventModel):
    event_name: ClassVar[str] = "test/answered"

    text: str


QUICK = Backoff(base_ms=20, cap_ms=50)


async def test_an_event_runs_its_function_once(store: Store) -> None:
    functions, got = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        got.append((e.data.name, e.source))

    async with working(store, functions) as seen:
        await Publisher(store, "tests").send(Greeted(name="Ada"))
        await seen.wait(RunEnded)
    assert got == [("Ada", "tests")]


async def test_two_functions_of_one_worker_run_the_same_event_at_the_same_time(store: Store) -> None:
    functions, began = Functions(), {"test/greet": anyio.Event(), "test/wave": anyio.Event()}

    async def meet(e: Event[Greeted], step: Step) -> None:
        began[step.run_id.partition(":")[0]].set()
        for each in began.values():
            await each.wait()

    for name in began:
        functions.function(name, on=[event(Greeted)], retries=1)(meet)
    async with working(store, functions) as seen:
        await Publisher(store).send(Greeted(name="Ada"))
        ended = await seen.wait(RunEnded, 2)
    assert {f.function for f in ended} == set(began)


async def test_a_function_whose_places_are_all_taken_keeps_no_other_from_running(store: Store) -> None:
    functions, free = Functions(), anyio.Event()

    @functions.function("test/slow", on=[event(Greeted)], retries=1)
    async def slow(e: Event[Greeted], step: Step) -> None:
        await free.wait()

    @functions.function("test/quick", on=[event(Greeted)], retries=1)
    async def quick(e: Event[Greeted], step: Step) -> None: ...

    async with working(store, functions, parallel=2) as seen:
        for n in range(10):
            await Publisher(store).send(Greeted(name=str(n)), id=str(n))
        ended = await seen.wait(RunEnded, 10)
        assert {f.function for f in ended} == {"test/quick"}
        free.set()
        await seen.wait(RunEnded, 20)


async def test_an_event_by_a_bare_client_runs_too(store: Store) -> None:
    functions, got = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        got.append(e.data.name)

    await store.call("XADD", "test/greeted", "*", "data", '{"name":"Bob","extra":1}')
    async with working(store, functions) as seen:
        await seen.wait(RunEnded)
    assert got == ["Bob"]


async def test_steps_are_journaled_over_sleep_and_retry(store: Store) -> None:
    functions, did = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=2, backoff=QUICK)
    async def greet(e: Event[Greeted], step: Step) -> str:
        def first() -> str:
            did.append("first")
            return "one"

        one = await step.run("first", first)
        await step.sleep("nap", 0.05)
        did.append("after nap")
        if step.attempt == 0:
            raise OSError("not yet")
        await step.send_event("answer", Answered(text=one))
        return one

    async with working(store, functions) as seen:
        await Publisher(store).send(Greeted(name="Ada"))
        await seen.wait(RunEnded)
        assert [f.state for f in seen.all(RunParked)] == ["due"]
        assert [f.error for f in seen.all(RunRetried)] == ["OSError: not yet"]
    assert did == ["first", "after nap", "after nap"]
    entries = await store.call("XRANGE", "test/answered", "-", "+")
    assert len(entries) == 1


async def test_a_failing_event_waits_then_is_buried(store: Store) -> None:
    functions = Functions()

    def told(failure: object) -> list[EventModel]:
        return [Answered(text="it failed")]

    @functions.function("test/greet", on=[event(Greeted)], retries=2, backoff=QUICK, on_failure=told)
    async def greet(e: Event[Greeted], step: Step) -> None:
        raise OSError("never")

    async with working(store, functions) as seen:
        await Publisher(store).send(Greeted(name="Ada"))
        ended = await seen.wait(RunEnded)
        assert ended[0].status == "failed"
    letters = await store.call("XRANGE", "{test/greeted}:dead", "-", "+")
    letter = dict(zip(letters[0][1][::2], letters[0][1][1::2], strict=True))
    assert len(letters) == 1
    assert letter[b"error"] == b"OSError: never"
    assert letter[b"e:data"] == b'{"name":"Ada"}'
    assert len(await store.call("XRANGE", "test/answered", "-", "+")) == 1


async def test_a_rejected_event_is_not_tried_again(store: Store) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=5)
    async def greet(e: Event[Greeted], step: Step) -> None:
        raise Reject("no such person")

    async with working(store, functions) as seen:
        await Publisher(store).send(Greeted(name="Ada"))
        ended = await seen.wait(RunEnded)
    assert (ended[0].status, ended[0].error) == ("failed", "no such person")
    assert not seen.all(RunRetried)


@pytest.mark.parametrize("twice", ["published", "foreign"])
async def test_the_same_id_runs_once(store: Store, twice: str) -> None:
    functions, got = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        got.append(e.id)

    for _ in range(2):
        if twice == "published":
            await Publisher(store).send(Greeted(name="Ada"), id="one")
        else:
            await store.call("XADD", "test/greeted", "*", "id", "one", "data", '{"name":"Ada"}')
    async with working(store, functions) as seen:
        await seen.wait(RunEnded)
        if twice == "foreign":
            await seen.wait(DuplicateDropped)
    assert got == ["one"]
    assert await store.call("XLEN", "test/greeted") == (1 if twice == "published" else 2)


async def test_a_delayed_event_comes_when_it_is_due(store: Store) -> None:
    functions, got = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        got.append(step.now_ms)

    async with working(store, functions) as seen:
        due = await store.time_ms() + 150
        sent = await Publisher(store).send(Greeted(name="Ada"), at_ms=due)
        assert sent.entry is None
        await seen.wait(RunEnded)
    assert got[0] >= due


async def test_an_event_that_does_not_validate_is_buried_and_stops_nobody(store: Store) -> None:
    functions, got = Functions(), []

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        got.append(e.data.name)

    @functions.function("test/other", on=[event(Greeted)], retries=1)
    async def other(e: Event[Greeted], step: Step) -> None:
        return None

    bad: list[tuple[str | bytes, ...]] = [
        ("data", "not json"),
        ("data", '{"name":1}'),
        ("data", "{}"),
        ("data", b"\xff\xfe"),
        ("data", '{"name":"' + "x" * 2_000_000 + '"}'),
        ("nodata", "x"),
    ]
    for fields in bad:
        await store.call("XADD", "test/greeted", "*", *fields)
    await Publisher(store).send(Greeted(name="Ada"))
    async with working(store, functions) as seen:
        await seen.wait(RunEnded, 2)
        await seen.wait(EventBuried, 12)
    assert got == ["Ada"]
    assert len([f for f in seen.all(EventBuried) if f.first]) == 6
    assert await store.call("XLEN", "{test/greeted}:dead") == 6


async def test_an_event_reaches_all_functions_of_a_worker_at_once(store: Store) -> None:
    """Each waits for the other to begin: what the one holds must not keep it from the other."""
    functions, begun = Functions(), {"one": anyio.Event(), "two": anyio.Event()}

    def waits_for(mine: str, other: str) -> None:
        @functions.function(f"test/{mine}", on=[event(Greeted)], retries=1)
        async def meet(e: Event[Greeted], step: Step) -> None:
            begun[mine].set()
            await begun[other].wait()

    waits_for("one", "two")
    waits_for("two", "one")
    await Publisher(store).send(Greeted(name="Ada"))
    async with working(store, functions, lease_ms=60_000) as seen:  # no takeover helps out
        await seen.wait(RunEnded, 2)
    assert {f.function for f in seen.all(RunEnded)} == {"test/one", "test/two"}
