"""Publishing: once per id and window, now or later; what is due comes in bounded portions."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import anyio
import pytest

from joelclaw_bus import Event, EventInvalid, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.observer import DuplicateDropped, Promoted, RunEnded
from joelclaw_bus.script import Script, load_script
from joelclaw_bus.slot_calls import events
from joelclaw_contracts import EventModel
from tests.support.waiting import later, until
from tests.support.workers import working


class Noted(EventModel):
    event_name: ClassVar[str] = "test/noted"

    text: str = ""


async def entries(store: Store, name: str = Noted.event_name) -> list[dict[bytes, bytes]]:
    rows = await store.call("XRANGE", name, "-", "+")
    return [dict(zip(f[::2], f[1::2], strict=True)) for _, f in rows]


async def test_an_id_is_appended_once_over_all_generations_of_the_window(store: Store) -> None:
    publisher = Publisher(store, limits=Limits(dedupe_ms=2_400))  # a generation lasts 100 ms
    first = await publisher.send(Noted(), id="one")
    generations = 0
    for n in range(4):
        await later(store, 101)
        await publisher.send(Noted(), id=f"other {n}")
        again = await publisher.send(Noted(), id="one")
        assert (again.duplicate, again.entry) == (True, first.entry)
        generations = await store.call("ZCARD", store.keys.slot("test/noted").ids)
    assert generations == 5
    assert len(await entries(store)) == 5


async def test_after_the_window_the_same_id_is_a_new_event_and_nothing_is_kept(store: Store) -> None:
    publisher = Publisher(store, limits=Limits(dedupe_ms=120))
    await publisher.send(Noted(), id="one")
    await later(store, 140)
    assert not (await publisher.send(Noted(), id="two")).duplicate
    assert not (await publisher.send(Noted(), id="one")).duplicate
    assert len(await entries(store)) == 3
    slot = store.keys.slot("test/noted")
    await later(store, 140)
    assert await store.call("EXISTS", slot.ids) == 0


async def test_generations_are_bounded_by_their_number_of_ids_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two million of the real limit, made small: 24 generations of two ids, and the one that is being filled."""
    text = load_script("joelclaw_bus", "publish").text
    assert "IDS_PER_GENERATION = 83334" in text
    assert 24 * 83_334 >= 2_000_000
    text = text.replace("IDS_PER_GENERATION = 83334", "IDS_PER_GENERATION = 2")
    small = Script("publish", text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    real = events._script
    monkeypatch.setattr(events, "_script", lambda name: small if name == "publish" else real(name))
    publisher, slot = Publisher(store), store.keys.slot("test/noted")
    for n in range(60):
        await publisher.send(Noted(), id=str(n))
    assert await store.call("ZCARD", slot.ids) == 25
    assert (await publisher.send(Noted(), id="59")).duplicate
    assert (await publisher.send(Noted(), id=str(60 - 48))).duplicate
    assert not (await publisher.send(Noted(), id="0")).duplicate


async def test_without_an_id_every_event_is_a_new_one(store: Store) -> None:
    for _ in range(3):
        assert not (await Publisher(store).send(Noted())).duplicate
    assert len(await entries(store)) == 3


async def test_an_id_is_known_while_its_event_waits_and_after(store: Store) -> None:
    publisher, calls = Publisher(store), SlotCalls(store, Limits())
    slot = store.keys.slot("test/noted")
    due = await store.time_ms() + 60
    assert (await publisher.send(Noted(), id="one", at_ms=due)).entry is None
    assert (await publisher.send(Noted(), id="one", at_ms=due + 9)).duplicate
    assert (await publisher.send(Noted(), id="one")).duplicate
    await later(store, 80)
    async with anyio.create_task_group() as racers:
        for _ in range(8):
            racers.start_soon(calls.promote, slot)
    again = await publisher.send(Noted(), id="one")
    assert again.duplicate
    assert again.entry
    assert len(await entries(store)) == 1


async def test_an_event_that_waits_longer_than_the_window_still_comes_once(store: Store) -> None:
    publisher, slot = Publisher(store, limits=Limits(dedupe_ms=50)), store.keys.slot("test/noted")
    await publisher.send(Noted(), id="one", at_ms=await store.time_ms() + 300)
    await later(store, 150)
    assert (await publisher.send(Noted(), id="one")).duplicate
    await later(store, 200)
    await SlotCalls(store, Limits(dedupe_ms=60_000)).promote(slot)
    assert (await publisher.send(Noted(), id="one")).duplicate
    assert len(await entries(store)) == 1


async def test_a_time_that_has_passed_is_now(store: Store) -> None:
    assert (await Publisher(store).send(Noted(), at_ms=1)).entry


async def test_a_delayed_event_keeps_every_byte(store: Store) -> None:
    data = '{"text":"ÄÖ \\u0000 \\" / \u2028 🎉 {}"}'.encode()
    await Publisher(store, "a source").send_raw("test/noted", data, id="ü", at_ms=await store.time_ms() + 20)
    await later(store, 30)
    await SlotCalls(store, Limits()).promote(store.keys.slot("test/noted"))
    (entry,) = await entries(store)
    assert (entry[b"data"], entry[b"id"], entry[b"source"]) == (data, "ü".encode(), b"a source")


async def test_an_event_that_is_too_large_is_refused_with_what_to_do(store: Store) -> None:
    with pytest.raises(EventInvalid, match=r"event test/noted: has \d+ bytes; 524288 are allowed: send a reference"):
        await Publisher(store).send(Noted(text="x" * 524_288))
    assert await entries(store) == []


@pytest.mark.parametrize("blank", ["", " ", "\n", "\udc80"])
async def test_an_id_that_can_not_be_one_is_refused(one_store: Store, blank: str) -> None:
    with pytest.raises(EventInvalid, match="event test/noted: stream entry: field `id`"):
        await Publisher(one_store).send(Noted(), id=blank)


async def test_a_long_id_is_kept_as_its_hash(store: Store) -> None:
    publisher = Publisher(store)
    await publisher.send(Noted(), id="ä" * 64)
    await publisher.send(Noted(), id="ä" * 64 + "b")
    assert (await publisher.send(Noted(), id="ä" * 64 + "b")).duplicate
    assert not (await publisher.send(Noted(), id="ä" * 64 + "c")).duplicate
    plain, hashed, other = [e[b"id"] for e in await entries(store)]
    assert plain == ("ä" * 64).encode()
    assert hashed.startswith(b"sha256:")
    assert len(hashed) < 128
    assert hashed != other


STRANGE = [
    "{x}",
    "}{",
    "a b",
    "line\nbreak",
    "t\tab",
    "nul\0",
    "ключ",
    "🎉",
    ":",
    "a:b",
    "r:x",
    "#1",
    "*",
    "|",
    "..",
    "%s",
]


@pytest.mark.parametrize("limited", [False, True])
async def test_an_id_of_any_text_meets_its_run_once(store: Store, limited: bool) -> None:
    functions, got = Functions(), []
    limit: dict[str, Any] = {"exclusive": 2} if limited else {}

    @functions.function("test/note", on=[event(Noted)], retries=1, **limit)
    async def note(e: Event[Noted], step: Step) -> None:
        await step.run("one", lambda: 1)
        await step.sleep("nap", 0.01)
        await step.send_event("on", Next())
        got.append(e.id)

    for n, strange in enumerate(STRANGE):
        await Publisher(store).send(Noted(), id=strange, at_ms=await store.time_ms() + 50 if n % 2 else 0)
        await store.call("XADD", "test/noted", "*", "id", strange, "data", "{}")  # a foreign repeat
    async with working(store, functions) as seen:
        await seen.wait(RunEnded, len(STRANGE))
        await seen.wait(DuplicateDropped, len(STRANGE))
    assert sorted(got) == sorted(STRANGE)
    assert len(await entries(store, Next.event_name)) == len(STRANGE)


class Next(EventModel):
    event_name: ClassVar[str] = "test/next"


async def test_ten_thousand_due_at_once_come_a_hundred_a_call_and_all_once(one_store: Store) -> None:
    store, slot = one_store, one_store.keys.slot("test/noted")
    publisher, calls = Publisher(store), SlotCalls(store, Limits())
    due = await store.time_ms() + 3_600_000
    shared = [3_600_000, store.keys.nudges, slot.name, 0]
    script, keys = load_script("joelclaw_bus", "publish"), [slot.stream, slot.ids, slot.due, slot.due_items]
    await publisher.send(Noted(), id="n0", at_ms=due)  # the server knows the script now
    sent = await store.calls(
        [
            ("EVALSHA", script.sha, len(keys), *keys, *shared, f"n{n}", due, 4, "data", "{}", "id", f"n{n}")
            for n in range(1, 10_000)
        ]
    )
    assert not [s for s in sent if isinstance(s, Exception)]
    await store.call("ZUNIONSTORE", slot.due, 1, slot.due, "WEIGHTS", 0)  # all of it was due long ago
    moved: list[int] = []

    async def promoter() -> None:
        while (promotion := await calls.promote(slot)).head_ms is not None:
            moved.append(promotion.moved)
        moved.append(promotion.moved)

    async with anyio.create_task_group() as racers:
        for _ in range(4):
            racers.start_soon(promoter)
    assert max(moved) == 100
    assert sum(moved) == 10_000
    assert await store.call("XLEN", "test/noted") == 10_000
    assert len({e[b"id"] for e in await entries(store)}) == 10_000


async def test_a_backlog_is_promoted_by_a_worker_while_new_work_goes_on(one_store: Store) -> None:
    functions, got = Functions(), []

    @functions.function("test/note", on=[event(Noted)], retries=1)
    async def note(e: Event[Noted], step: Step) -> None:
        got.append(e.id)

    due = await one_store.time_ms() + 200
    for n in range(300):
        await Publisher(one_store).send(Noted(), id=f"late {n}", at_ms=due)
    async with working(one_store, functions) as seen:
        await seen.wait(RunEnded, 300)
        assert max(f.count for f in seen.all(Promoted)) <= 100
    assert len(set(got)) == len(got) == 300


async def test_a_nudge_wakes_a_promoter_that_sleeps_longer(one_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sweep of every second, only a nudge can tell of a new earliest event."""
    functions = Functions()

    @functions.function("test/note", on=[event(Noted)], retries=1)
    async def note(e: Event[Noted], step: Step) -> None:
        return None

    async def listening() -> bool:
        return bool(await one_store.call("PUBSUB", "NUMSUB", one_store.keys.nudges) == [b"bus/nudges", 1])

    monkeypatch.setattr("joelclaw_bus.promoter.SWEEP_MS", 3_600_000)
    async with working(one_store, functions) as seen:
        await Publisher(one_store).send(Noted(), id="now")
        await seen.wait(RunEnded)
        await until(listening)
        await Publisher(one_store).send(Noted(), id="later", at_ms=await one_store.time_ms() + 100)
        ended = await seen.wait(RunEnded, 2)
    assert [f.run for f in ended] == ["test/note:now", "test/note:later"]


async def test_an_event_nobody_subscribes_to_is_promoted_all_the_same(store: Store) -> None:
    functions = Functions()

    @functions.function("test/other", on=[event(Next)], retries=1)
    async def other(e: Event[Next], step: Step) -> None:
        return None

    async with working(store, functions) as seen:
        await Publisher(store).send(Noted(), id="alone", at_ms=await store.time_ms() + 1_500)
        await seen.wait(Promoted, where=lambda f: f.slot == "test/noted")
    assert len(await entries(store)) == 1


async def test_an_entry_of_thousands_of_fields_is_buried(store: Store) -> None:
    functions = Functions()

    @functions.function("test/note", on=[event(Noted)], retries=1)
    async def note(e: Event[Noted], step: Step) -> None:
        return None

    await store.call("XADD", "test/noted", "*", "data", "{}", *(f"f{n}" for n in range(10_000)))
    async with working(store, functions) as seen:
        await Publisher(store).send(Noted())
        await seen.wait(RunEnded)
    (letter,) = await entries(store, "{test/noted}:dead")
    assert letter[b"error"] == b"the entry has 5001 fields; 64 are allowed"
    assert letter[b"e:data"] == b"{}"


async def test_nothing_is_promoted_before_its_time(store: Store) -> None:
    slot, calls = store.keys.slot("test/later"), SlotCalls(store, Limits())
    at = await store.time_ms() + 3_600_000
    await calls.publish(slot, {b"data": b"{}", b"id": b"one"}, event_id="one", at_ms=at)
    promotion = await calls.promote(slot)
    assert (promotion.moved, promotion.head_ms) == (0, at)
    assert await store.call("EXISTS", slot.stream) == 0
