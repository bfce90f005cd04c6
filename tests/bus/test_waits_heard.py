"""Waits that leave out what their run has heard, in a rolling update: a matcher that knows nothing of that hands it
over all the same, and the run goes on waiting for the next, with nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from joelclaw_bus import Awaited, Event, Limits, Publisher, SlotCalls, Step, Store
from joelclaw_bus.awaited import Wait
from joelclaw_bus.observer import OutboxDelivered, RunEnded, RunParked, WaitEnded
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.wait_calls import Found, WaitCalls
from joelclaw_bus.waits import Waits
from tests.bus.test_waits import FN, Answered, Asked, Closed, asking
from tests.support.rollout import build_before
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

RUN = f"{FN}:q"
MATCH = {"question_id": "q"}


class Hearing:
    """A run that has heard one answer, and waits for another end than that."""

    def __init__(self, store: Store) -> None:
        self.store, self.publisher, self.got = store, Publisher(store), list[object]()
        self.slot = store.keys.slot(Answered.event_name)

    async def answer(self, text: str) -> None:
        """By a bare client, whose own field is no text: that is nobody's business."""
        data = f'{{"questionId":"q","text":"{text}"}}'
        await self.store.call("XADD", self.slot.stream, "*", "data", data, "note", b"\xff")

    async def begin(self, seen: Seen) -> Found:
        """It rests in its second wait; the answer that it has heard."""
        await self.publisher.send(Asked(question="q"), id="q")
        await self.answer("heard")
        await seen.wait(RunParked, 2, where=lambda f: f.state == "waiting")
        await seen.wait(OutboxDelivered, where=lambda f: f.kind == "await", count=2)
        [(entry, flat)] = await self.store.call("XRANGE", self.slot.stream, "-", "+")
        return Found(entry.decode(), dict(zip(flat[::2], flat[1::2], strict=True)))

    async def hand_over_as_an_older_matcher_would(self, found: Found) -> bool:
        """Whether the run was waiting, and took it."""
        calls = WaitCalls(build_before(self.store))
        waits = Waits(SlotCalls(self.store, Limits()), calls, {Answered.event_name: Answered}, Seen())
        for name, body in await self.waits():
            took = await waits.tell(replace(Wait.decode(body), but=()), found)
            await calls.unwait(self.slot, [name])
            return bool(took)
        return False

    async def waits(self) -> list[tuple[str, bytes]]:
        flat = await self.store.call("HGETALL", self.slot.wait_items)
        return [(name.decode(), body) for name, body in zip(flat[::2], flat[1::2], strict=True)]


def told(came: Sequence[Event[Any] | None]) -> list[str | None]:
    return [getattr(e.data, "text", e.name) if e else None for e in came]


async def first_answer(step: Step) -> Event[Answered]:
    answer = await step.wait_for_event("first", Answered, match=MATCH, timeout=60)
    assert answer
    return answer


async def another(e: Event[Asked], step: Step) -> list[str | None]:
    heard = await first_answer(step)
    return told([await step.wait_for_event("next", Answered, match=MATCH, timeout=60, but=[heard])])


async def test_a_run_that_is_handed_what_it_has_heard_waits_on_for_the_next(one_store: Store) -> None:
    run = Hearing(one_store)
    async with working(one_store, asking(another, run.got)) as seen:
        heard = await run.begin(seen)
        for again in range(2):
            assert await run.hand_over_as_an_older_matcher_would(heard)
            await seen.wait(RunParked, 3 + again, where=lambda f: f.state == "waiting")
            await seen.wait(OutboxDelivered, 3 + again, where=lambda f: f.kind == "await")
        assert run.got == []
        await run.answer("next")
        await seen.wait(RunEnded)
    assert run.got == [["next"]]


async def test_what_came_while_the_run_was_handed_what_it_has_heard_is_not_missed(one_store: Store) -> None:
    run = Hearing(one_store)
    async with working(one_store, asking(another, run.got)) as seen:
        heard = await run.begin(seen)
    assert await run.hand_over_as_an_older_matcher_would(heard)
    await run.answer("meanwhile")
    async with working(one_store, asking(another, run.got)) as seen:
        await seen.wait(RunEnded)
    assert run.got == [["meanwhile"]]


async def test_its_time_out_comes_all_the_same(one_server: Server, one_store: Store) -> None:
    for seconds in (1.5, 6, 24):  # until it is handed over in time: a busy machine may stand still for a while

        async def ask(e: Event[Asked], step: Step, timeout: float = seconds) -> list[str | None]:
            heard = await first_answer(step)
            return told([await step.wait_for_event("next", Answered, match=MATCH, timeout=timeout, but=[heard])])

        one_server.empty()
        run = Hearing(one_store)
        async with working(one_store, asking(ask, run.got)) as seen:
            heard = await run.begin(seen)
            in_time = await run.hand_over_as_an_older_matcher_would(heard)
            await seen.wait(RunEnded)
        if in_time:
            break
    assert in_time
    assert run.got == [[None]]
    parked = [f.due_ms for f in seen.all(RunParked) if f.state == "waiting"][1:]
    assert len(set(parked)) == 1, "it ends when it was to end"


async def test_the_first_of_several_is_none_that_was_heard_and_the_others_are_not_called_off(one_store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> list[str | None]:
        heard = await first_answer(step)
        of: list[Awaited[Any]] = [Awaited(Answered, MATCH, but=(heard.entry,)), Awaited(Closed, MATCH)]
        first = await step.wait_for_first("next", of, timeout=60)
        return told([first.event]) if first else [None]

    run, closed = Hearing(one_store), one_store.keys.slot(Closed.event_name)
    async with working(one_store, asking(ask, run.got)) as seen:
        heard = await run.begin(seen)
        await seen.wait(OutboxDelivered, 3, where=lambda f: f.kind == "await")
        assert await run.hand_over_as_an_older_matcher_would(heard)
        await seen.wait(OutboxDelivered, 5, where=lambda f: f.kind == "await")
        assert await no_word_of_calling_off(one_store), "it would take the new wait away"
        assert await one_store.call("HLEN", closed.wait_items) == 1
        await run.publisher.send(Closed(question_id="q"))
        await seen.wait(RunEnded)
    assert run.got == [["test/closed"]]


async def no_word_of_calling_off(store: Store) -> bool:
    items = await store.call("HKEYS", store.keys.slot(Asked.event_name).outbox_items)
    return not any(item.startswith(b"unwait:") for item in items)


@pytest.mark.parametrize("late", [True, False])
async def test_all_of_several_are_without_what_was_heard(one_store: Store, late: bool) -> None:
    async def ask(e: Event[Asked], step: Step) -> list[str | None]:
        heard = await first_answer(step)
        of: list[Awaited[Any]] = [Awaited(Answered, MATCH, but=(heard.entry,)), Awaited(Closed, MATCH)]
        return told(await step.wait_for_all("next", of, timeout=60))

    run = Hearing(one_store)
    async with working(one_store, asking(ask, run.got)) as seen:
        heard = await run.begin(seen)
        await seen.wait(OutboxDelivered, 3, where=lambda f: f.kind == "await")
        assert await run.hand_over_as_an_older_matcher_would(heard)
        events = [Closed(question_id="q"), Answered(question_id="q", text="next")]
        for event in events if late else reversed(events):
            await run.publisher.send(event)
        await seen.wait(RunEnded)
    assert run.got == [["next", "test/closed"]]


async def test_a_wait_that_an_older_worker_registered_stands_when_what_was_heard_comes_to_it(one_store: Store) -> None:
    """It drops what it doesn't know of; the run's own record has it."""
    run = Hearing(one_store)
    async with working(one_store, asking(another, run.got)) as seen:
        heard = await run.begin(seen)
        [(name, body)] = await run.waits()
        wait = replace(Wait.decode(body), but=())
        waits = Waits(SlotCalls(one_store, Limits()), WaitCalls(one_store), {Answered.event_name: Answered}, seen)
        assert await waits.tell(wait, heard) is None
        item = OutboxItem(id="await:x", kind="await", target=wait.event, event_id=name, data=wait.encode())
        assert await waits.register(item)
        assert len(await run.waits()) == 1
        assert len(seen.all(WaitEnded)) == 1, "that of the first wait"
        await run.answer("next")
        assert await waits.register(item)
        await seen.wait(RunEnded)
    assert run.got == [["next"]]
