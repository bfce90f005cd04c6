"""What a run may write, and what becomes of one that writes more: it fails, says why, and is not tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from joelclaw_bus import Event, Functions, Limits, Publisher, Step, Store, event
from joelclaw_bus.observer import RunEnded, RunParked, RunRetried
from joelclaw_contracts import EventModel
from tests.support.workers import working


class Written(EventModel):
    event_name: ClassVar[str] = "test/written"

    text: str = ""


Handler = Callable[[Event[Written], Step], Awaitable[Any]]


async def outcome(store: Store, handler: Handler, limits: Limits = Limits()) -> RunEnded:
    """How a run of this handler ends; it is never tried again."""
    functions = Functions()
    functions.function("test/write", on=[event(Written)], retries=3)(handler)
    async with working(store, functions, limits=limits) as seen:
        await Publisher(store).send(Written(), id="one")
        (ended,) = await seen.wait(RunEnded)
        assert not seen.all(RunRetried)
    letters = await store.call("XLEN", "{test/written}:dead")
    assert letters == (1 if ended.status == "failed" else 0)
    return ended


async def test_a_thousand_steps_are_allowed_and_the_next_one_fails(one_store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        for n in range(1_001):
            await step.run(f"step {n}", lambda: 1)

    ended = await outcome(one_store, write)
    assert (ended.status, ended.error) == ("failed", "step 'step 1000': the run has reached its limit of steps")
    assert await one_store.call("HGET", "{test/written}:run:test/write:one", "steps") == b"1000"


async def test_a_sleep_is_a_step_and_counts_as_one(store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        for n in range(10):
            await step.sleep(f"nap {n}", 0.001)

    ended = await outcome(store, write, Limits(steps=3))
    assert (ended.status, ended.error) == ("failed", "step 'nap 3': the run has reached its limit of steps")


async def test_sending_counts_as_a_step_and_what_is_refused_is_not_sent(store: Store) -> None:
    class Sent(EventModel):
        event_name: ClassVar[str] = "test/sent"

    async def write(e: Event[Written], step: Step) -> None:
        for n in range(5):
            await step.send_event(f"send {n}", Sent())

    ended = await outcome(store, write, Limits(steps=3))
    assert ended.error == "step 'send 3': the run has reached its limit of steps"
    assert await store.call("XLEN", "test/sent") == 3


async def test_a_result_of_a_quarter_mebibyte_is_journaled_and_a_byte_more_fails(one_store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        await step.run("just", lambda: "x" * (256 * 1024 - 2))
        await step.run("over", lambda: "x" * (256 * 1024 - 1))

    ended = await outcome(one_store, write)
    assert ended.status == "failed"
    assert ended.error == "step 'over' returned 262145 bytes; 262144 are allowed: journal a reference"


async def test_a_run_writes_four_mebibytes_and_no_more(one_store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        for n in range(17):
            await step.run(f"step {n}", lambda: "x" * (256 * 1024 - 2))

    ended = await outcome(one_store, write)
    assert (ended.status, ended.error) == ("failed", "step 'step 16': the run has reached its limit of bytes")


async def test_an_event_too_large_to_send_fails_the_run(one_store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        await step.send_event("big", Written(text="x" * 600_000))

    ended = await outcome(one_store, write)
    assert (ended.status, ended.error) == ("failed", "step 'big': event test/written has 600011 bytes")


async def test_a_step_name_is_used_once(store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        await step.run("same", lambda: 1)
        await step.sleep("same", 1)

    ended = await outcome(store, write)
    assert ended.status == "failed"
    assert "step 'same': this name was used already in this run" in ended.error


@pytest.mark.parametrize("name", ["", "x" * 201])
async def test_a_step_name_has_a_length(one_store: Store, name: str) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        await step.run(name, lambda: 1)

    ended = await outcome(one_store, write)
    assert (ended.status, "a step name has 1 to 200 characters" in ended.error) == ("failed", True)


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), {1, 2}, b"bytes", {("a", "b"): 1}, ENDLESS])
@pytest.mark.parametrize("of", ["a step", "the handler"])
async def test_a_result_that_is_not_json_fails_the_run(one_store: Store, value: object, of: str) -> None:
    async def write(e: Event[Written], step: Step) -> object:
        return await step.run("odd", lambda: value) if of == "a step" else value

    ended = await outcome(one_store, write)
    assert ended.status == "failed"
    assert "its result is not JSON" in ended.error
    assert ("'odd'" if of == "a step" else "(the handler)") in ended.error


async def test_a_handlers_result_is_bounded_like_a_steps(one_store: Store) -> None:
    async def write(e: Event[Written], step: Step) -> str:
        return "x" * 300_000

    ended = await outcome(one_store, write)
    assert ended.error == "the handler returned 300002 bytes; 262144 are allowed: return a reference"


async def test_a_model_is_kept_as_its_json_by_a_step_and_by_the_run(store: Store) -> None:
    class Verdict(BaseModel):
        well: bool
        why: str

    async def write(e: Event[Written], step: Step) -> Verdict:
        kept: Any = await step.run("judge", lambda: Verdict(well=True, why="ü"))
        assert kept == {"well": True, "why": "ü"}
        return Verdict(well=False, why="ü")

    assert (await outcome(store, write)).status == "completed"
    result = await store.call("HGET", "{test/written}:run:test/write:one", "result")
    assert result == '{"well":false,"why":"ü"}'.encode()


@pytest.mark.parametrize("id", ["", " ", "\udc80"])
async def test_an_id_that_can_not_be_one_fails_its_run_and_nothing_else(one_store: Store, id: str) -> None:
    async def write(e: Event[Written], step: Step) -> None:
        if e.id == "one":
            await step.send_event("bad", Written(), id=id)

    ended = await outcome(one_store, write)
    assert (ended.status, "step 'bad'" in ended.error) == ("failed", True)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e18])
async def test_an_odd_sleep_ends_or_rests_and_harms_nobody(one_store: Store, seconds: float) -> None:
    functions = Functions()

    @functions.function("test/write", on=[event(Written)], retries=0, no_retries_because="docs/decisions/x.md")
    async def write(e: Event[Written], step: Step) -> None:
        if e.id == "odd":
            await step.sleep("odd", seconds)

    async with working(one_store, functions) as seen:
        await Publisher(one_store).send(Written(), id="odd")
        await seen.wait(RunParked) if seconds == 1e18 else await seen.wait(RunEnded)
        await Publisher(one_store).send(Written(), id="even")
        [even] = await seen.wait(RunEnded, where=lambda f: f.run == "test/write:even")
    assert even.status == "completed"
