"""Many events in one call: each as if it had been sent alone, and none lost in silence."""

from __future__ import annotations

from typing import ClassVar

import pytest

from joelclaw_bus import BatchCutShort, Event, EventInvalid, Functions, Publisher, Step, Store, ToSend, event
from joelclaw_bus.batch import BYTES, MOST, portions
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.slot_calls import Published, ToPublish
from joelclaw_contracts import EventModel
from tests.support.workers import working
from tests.sweep.faults import Fault, FaultyStore, How, Point


class Noted(EventModel):
    event_name: ClassVar[str] = "test/noted"

    text: str = ""


class Other(EventModel):
    event_name: ClassVar[str] = "test/other"


async def ids(store: Store, name: str = Noted.event_name) -> list[str]:
    rows = await store.call("XRANGE", name, "-", "+")
    return [dict(zip(f[::2], f[1::2], strict=True)).get(b"id", b"").decode() for _, f in rows]


def faulty(store: Store, fault: Fault | None = None) -> FaultyStore:
    return FaultyStore(store.settings, store.keys, store.address, store.nodes, fault=fault)


def batch(count: int) -> list[ToSend]:
    return [ToSend(Noted(), id=f"n{n}") for n in range(count)]


async def test_every_event_of_a_batch_has_the_answer_that_it_would_have_alone(store: Store) -> None:
    publisher = Publisher(store)
    first = await publisher.send(Noted(), id="known")
    due = await store.time_ms() + 3_600_000
    answers = await publisher.send_many(
        [
            ToSend(Noted(), id="one"),
            ToSend(Other(), id="one"),
            ToSend(Noted(), id="known"),
            ToSend(Noted(), id="one"),
            ToSend(Noted(), id="later", at_ms=due),
            ToSend(Noted()),
        ]
    )
    assert [a.duplicate for a in answers] == [False, False, True, True, False, False]
    assert (answers[2], answers[3].entry) == (Published(first.entry, True), answers[0].entry)
    assert answers[4].entry is None
    assert await ids(store) == ["known", "one", ""]
    assert await ids(store, "test/other") == ["one"]
    assert (await publisher.send(Noted(), id="later")).duplicate
    assert await publisher.send_many([]) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (ToSend(Noted(text="x" * 524_288), id="b"), r"has \d+ bytes; 524288 are allowed: send a reference"),
        (ToSend(Noted(), id=" "), "field `id`"),
        (ToSend(Noted(), id="b", traceparent="none"), "field `traceparent`"),
    ],
)
async def test_one_that_can_not_be_sent_is_named_by_its_index_and_none_is_stored(
    one_store: Store, wrong: ToSend, why: str
) -> None:
    with pytest.raises(EventInvalid, match=rf"event test/noted: number 2 of the batch \(from 0\) .*{why}"):
        await Publisher(one_store).send_many([*batch(2), wrong])
    assert await ids(one_store) == []


async def test_a_hundred_travel_in_one_call_and_keep_their_order(one_store: Store) -> None:
    counted = faulty(one_store)
    answers = await Publisher(counted).send_many(batch(2 * MOST + 1))
    assert [p.kind for p in counted.trace].count("publish") == 3
    entries = [tuple(map(int, (a.entry or "").split("-"))) for a in answers]
    assert entries == sorted(set(entries))
    assert await ids(one_store) == [f"n{n}" for n in range(2 * MOST + 1)]


async def test_a_batch_that_is_cut_short_says_where_and_sent_again_doubles_nothing(one_store: Store) -> None:
    lossy = faulty(one_store, Fault(Point("publish", 2), How.LOST))
    with pytest.raises(BatchCutShort, match=rf"of {2 * MOST} events stopped at number {MOST} .* same ids") as cut:
        await Publisher(lossy).send_many(batch(2 * MOST))
    assert (cut.value.index, sorted(cut.value.published)) == (MOST, list(range(MOST)))
    again = await Publisher(one_store).send_many(batch(2 * MOST))
    assert all(a.duplicate for a in again), "the second step was done, only its answer was lost"
    assert len(await ids(one_store)) == 2 * MOST


async def test_what_the_store_refuses_of_a_batch_is_named_and_what_came_before_is_told(one_store: Store) -> None:
    key = one_store.keys.slot(Other.event_name).stream
    await one_store.call("SET", key, "no stream")
    with pytest.raises(BatchCutShort, match=r"stopped at number 1 \(from 0; test/other\).*WRONGTYPE") as cut:
        await Publisher(one_store).send_many([ToSend(Noted(), id="a"), ToSend(Other(), id="b")])
    assert list(cut.value.published) == [0]
    assert await ids(one_store) == ["a"]
    await one_store.call("DEL", key)


async def test_each_event_of_a_batch_has_its_run(one_store: Store) -> None:
    functions, got = Functions(), set[str]()

    @functions.function("test/note", on=[event(Noted)], retries=1)
    async def note(e: Event[Noted], step: Step) -> None:
        got.add(e.id)

    async with working(one_store, functions) as seen:
        await Publisher(one_store).send_many(batch(MOST + 1))
        await seen.wait(RunEnded, MOST + 1)
    assert got == {f"n{n}" for n in range(MOST + 1)}


def test_portions_are_bounded_by_their_bytes_too() -> None:
    half = ToPublish({b"data": b"x" * (BYTES // 2)})
    large = ToPublish({b"data": b"x" * (BYTES + 1)})
    cut = [(p.name, sorted(p.events)) for p in portions([("a", half), ("a", large), ("b", half), ("a", half)])]
    assert cut == [("a", [0]), ("a", [1]), ("a", [3]), ("b", [2])]
