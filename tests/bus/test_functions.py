"""Declarations that can't hold are refused with what to do; a service's own faults end one run, never the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from joelclaw_bus import (
    Event,
    Functions,
    Limit,
    Publisher,
    RegistrationInvalid,
    RetryAfter,
    Step,
    Store,
    Tick,
    cron,
    event,
)
from joelclaw_bus.observer import EventBuried, RunEnded, RunRetried, WorkerFault
from joelclaw_contracts import EventModel
from tests.support.waiting import later, until
from tests.support.workers import working


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    n: int = 0


class Answered(EventModel):
    event_name: ClassVar[str] = "test/answered"


async def nothing(e: Event[Any], step: Step) -> None:
    return None


BECAUSE = "docs/decisions/0001.md"


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"retries": 0}, "retries must be 1 or more, or 0 with no_retries_because='docs/decisions/….md'"),
        ({"retries": 0, "no_retries_because": "I say so"}, "retries must be 1 or more, or 0 with no_retries_because"),
        ({"retries": -1, "no_retries_because": BECAUSE}, "retries must be 1 or more"),
        ({"on": []}, "has no trigger; give on=[event(Model)] or on=[cron(…)]"),
        ({"on": [event(Asked), event(Asked)]}, "has two triggers on one event; join their conditions in one when=…"),
        ({"on": [event(Tick)]}, "can't wait for cron/tick; give on=[cron(…)]"),
        ({"concurrency": 1, "exclusive": 1}, "has both concurrency and exclusive; exclusive counts executing runs too"),
        ({"concurrency": 0}, "has concurrency=0; say how many runs, a whole number of at least 1"),
        ({"exclusive": Limit(-1)}, "has exclusive=-1; say how many runs, a whole number of at least 1"),
        ({"exclusive": True}, "has exclusive=True; say how many runs, a whole number of at least 1"),
        ({"concurrency": "3"}, "has concurrency='3'; say how many runs, a whole number of at least 1"),
        ({"retries": True}, "retries must be 1 or more, or 0 with no_retries_because='docs/decisions/….md'"),
        ({"id": "no spaces"}, 'function id "no spaces"'),
        ({"id": "{brace}"}, 'function id "{brace}"'),
        ({"id": "a:b"}, 'function id "a:b"'),
        ({"id": ""}, 'function id ""'),
        ({"id": "x" * 201}, "200"),
        ({"id": "test/taken"}, "is registered already"),
    ],
)
def test_a_declaration_that_can_not_hold_is_refused_with_what_to_do(declared: dict[str, Any], problem: str) -> None:
    functions = Functions()
    functions.function("test/taken", on=[event(Asked)], retries=1)(nothing)
    arguments = {"id": "test/new", "on": [event(Asked)], "retries": 1, **declared}
    id = arguments.pop("id")
    with pytest.raises(RegistrationInvalid) as refused:
        functions.function(id, **arguments)
    assert problem in str(refused.value)
    assert str(refused.value).startswith(f"function {id}: ")
    assert [f.id for f in functions] == ["test/taken"]


def test_no_retries_are_allowed_with_the_decision_that_says_why() -> None:
    functions = Functions()
    functions.function("test/once", on=[cron("0 3 * * *")], retries=0, no_retries_because=BECAUSE)(nothing)
    assert functions["test/once"].retries == 0


# Faults of a service's own code.


def odd(value: object) -> bool:
    """Raises for the event whose `n` is 1, the way services do."""
    if getattr(getattr(value, "data", None), "n", 1) == 1:
        raise KeyError("sur\udc80rogate\nand lines")
    return True


async def one_fails_and_the_next_is_done(store: Store, functions: Functions, *, status: str = "failed") -> RunEnded:
    """An event that meets the fault, then one that does not."""
    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="odd")
        (ended,) = await seen.wait(RunEnded)
        await Publisher(store).send(Asked(n=2), id="even")
        both = await seen.wait(RunEnded, 2)
        assert not seen.all(WorkerFault)
    assert (ended.run.rpartition(":")[2], ended.status, both[1].status) == ("odd", status, "completed")
    assert "\n" not in ended.error
    return ended


async def test_a_filter_that_raises_fails_its_run(store: Store) -> None:
    functions = Functions()
    functions.function("test/ask", on=[event(Asked, when=odd)], retries=1)(nothing)
    assert "its when= filter failed: KeyError" in (await one_fails_and_the_next_is_done(store, functions)).error


def no_text(e: Event[Any]) -> str:
    return e.data.n if e.data.n == 1 else "k"  # type: ignore[no-any-return]  # what a service may do


@pytest.mark.parametrize("key", [odd, no_text])
@pytest.mark.parametrize("limit", ["exclusive", "concurrency"])
async def test_a_limits_key_that_raises_or_is_no_text_fails_its_run(
    one_store: Store, key: Callable[[Any], str], limit: str
) -> None:
    def as_key(e: Event[Any]) -> str:
        return str(key(e)) if key is odd else key(e)

    functions = Functions()
    limited: dict[str, Any] = {limit: Limit(1, as_key)}
    functions.function("test/ask", on=[event(Asked)], retries=1, **limited)(nothing)
    assert "its limit's key= failed: " in (await one_fails_and_the_next_is_done(one_store, functions)).error


@pytest.mark.parametrize("answer", [odd, lambda failure: None, lambda failure: ["no event"], lambda failure: 1 / 0])
async def test_an_on_failure_that_fails_ends_its_run_and_is_named(
    one_store: Store, answer: Callable[[Any], Any]
) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=0, no_retries_because=BECAUSE, on_failure=answer)
    async def ask(e: Event[Asked], step: Step) -> None:
        if e.data.n == 1:
            raise OSError("the first fault")

    ended = await one_fails_and_the_next_is_done(one_store, functions)
    assert ended.error.startswith("OSError: the first fault; and its on_failure failed: ")
    assert await one_store.call("XLEN", "{test/asked}:dead") == 1


@pytest.mark.parametrize("answer", [lambda *_: 1 / 0, lambda *_: None, lambda *_: ["no event"], lambda: []])
async def test_an_on_invalid_that_fails_buries_its_event_all_the_same(
    one_store: Store, answer: Callable[..., Any]
) -> None:
    functions = Functions()
    functions.function("test/ask", on=[event(Asked)], retries=1)(nothing)
    functions.on_invalid["test/asked"] = answer
    await one_store.call("XADD", "test/asked", "*", "data", "not json")
    async with working(one_store, functions) as seen:
        await seen.wait(EventBuried)
        await Publisher(one_store).send(Asked(n=2))
        await seen.wait(RunEnded)
        assert not seen.all(WorkerFault)
    ((_, letter),) = await one_store.call("XRANGE", "{test/asked}:dead", "-", "+")
    assert b"answer" in letter[::2]


async def test_what_is_wrong_with_an_event_names_the_event_once(one_store: Store) -> None:
    functions, told = Functions(), list[str]()
    functions.function("test/ask", on=[event(Asked)], retries=1)(nothing)
    functions.on_invalid["test/asked"] = lambda data, error, event_id: told.append(str(error)) or []
    await one_store.call("XADD", "test/asked", "*", "data", "not json")
    async with working(one_store, functions) as seen:
        await seen.wait(EventBuried)
    assert told[0].startswith("test/asked: the payload is not JSON")
    assert told[0].count("test/asked") == 1


@pytest.mark.parametrize(
    "fault",
    [
        OSError("sur\udc80rogate\nand lines"),
        RetryAfter(0.01, "sur\udc80rogate\nand lines"),
        ExceptionGroup("several", [OSError("one"), ValueError("two")]),
        RecursionError("deep"),
        StopIteration("odd"),
        TimeoutError(),
    ],
)
async def test_whatever_a_handler_raises_is_its_runs_outcome(one_store: Store, fault: Exception) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        if e.data.n == 1:
            raise fault

    async with working(one_store, functions) as seen:
        await Publisher(one_store).send(Asked(n=1), id="odd")
        await seen.wait(RunRetried)
        (ended,) = await seen.wait(RunEnded)
        await Publisher(one_store).send(Asked(n=2), id="even")
        await seen.wait(RunEnded, 2)
        assert not seen.all(WorkerFault)
    assert ended.status == "failed"
    assert ended.error
    assert "\n" not in ended.error


async def test_a_filter_that_changed_its_mind_ends_an_open_run(store: Store) -> None:
    """The run began under one version of the service; the next one does not want its event any more."""
    wanted, functions, again = [True], Functions(), []

    @functions.function("test/ask", on=[event(Asked, when=lambda e: wanted[0])], retries=1, exclusive=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        again.append(e.id)

    slot = store.keys.slot("test/asked")
    async with working(store, functions) as seen:
        await Publisher(store).send(Asked(n=0), id="warm")
        await seen.wait(RunEnded)
    # A worker began this one and died: its record is open, its entry pending.
    await Publisher(store).send(Asked(n=1), id="left")
    ((_, ((entry, _),)),) = await store.call(*("XREADGROUP", "GROUP", "test/ask", "dead", "STREAMS", slot.stream, ">"))
    record = (
        "v",
        1,
        "run",
        "test/ask:left",
        "fn",
        "test/ask",
        "state",
        "queued",
        "at",
        b"s" + entry,
        "claim",
        "dead's",
    )
    await store.call("HSET", slot.run("test/ask:left"), *record, "attempt", 0, "created", 1)
    await store.call("ZADD", slot.open, 1, "test/ask:left")
    await store.call("ZADD", store.keys.function_slot("test/ask").permits(""), "+inf", "test/asked|test/ask:left")
    wanted[0] = False
    await later(store, 300)
    async with working(store, functions, lease_ms=300) as seen:
        (ended,) = await seen.wait(RunEnded)
        assert (ended.run, ended.status) == ("test/ask:left", "skipped")

        async def released() -> bool:
            return bool(await store.call("EXISTS", store.keys.function_slot("test/ask").permits("")) == 0)

        await until(released)
    assert again == ["warm"]
    assert await store.call("XPENDING", slot.stream, "test/ask", "-", "+", 10) == []
