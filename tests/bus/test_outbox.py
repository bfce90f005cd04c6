"""What crosses slots: stored with the step that decided it, delivered by anyone, appended once."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from joelclaw_bus import (
    Event,
    Functions,
    Limits,
    OutboxItem,
    Publisher,
    SlotCalls,
    Step,
    Store,
    StoreSettings,
    event,
    item_of,
    open_store,
)
from joelclaw_bus import outbox as outbox_room
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.observer import OutboxDelivered, OutboxUndeliverable, Promoted, RunEnded, Stuck, Unstuck
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.posted import Posted
from joelclaw_bus.run_calls import Begun, RunCalls
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import later, until
from tests.support.workers import working


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"


class Sent(EventModel):
    event_name: ClassVar[str] = "test/sent"


def asking() -> Functions:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.send_event("send", Sent(), id="the one")

    return functions


async def a_dead_workers_item(store: Store, *, created_ms: int = 0) -> OutboxItem:
    """A worker that began a run, recorded a step with what it sends, and died before delivering it."""
    slot, calls = store.keys.slot("test/asked"), RunCalls(store, Limits())
    await SlotCalls(store, Limits()).ensure_group(slot, "test/ask")
    await Publisher(store).send(Asked(), id="one")
    ((_, ((entry, _),)),) = await store.call("XREADGROUP", "GROUP", "test/ask", "dead", "STREAMS", slot.stream, ">")
    dead = Delivery(slot, "test/ask", "dead", entry.decode(), "test/ask:one", "its claim", False)
    assert isinstance(await calls.begin(dead, explicit_id="one", record_wanted=False), Begun)
    item = item_of(Sent(), id="the one", source="test/ask", now_ms=created_ms or await store.time_ms())
    assert await calls.step(dead, "send", b'{"sent":"the one"}', item) == b'{"sent":"the one"}'
    assert await store.call("XLEN", "test/sent") == 0
    return item


async def outbox_of(store: Store, seen: Seen, limits: Limits = Limits()) -> Outbox:
    return Outbox(SlotCalls(store, limits), Publisher(store, limits=limits), seen)


async def test_what_a_dead_worker_wrote_and_did_not_deliver_arrives_once(store: Store) -> None:
    await a_dead_workers_item(store)
    async with working(store, asking(), lease_ms=600) as seen:
        await seen.wait(OutboxDelivered)
        await seen.wait(RunEnded)  # it is taken over, finds its step journaled, and ends
    assert await store.call("XLEN", "test/sent") == 1
    assert await store.call("EXISTS", store.keys.slot("test/asked").outbox) == 0


async def test_what_was_delivered_and_not_deleted_is_delivered_again_and_appended_once(store: Store) -> None:
    item = await a_dead_workers_item(store)
    await Publisher(store).send_item(item)
    async with working(store, asking(), lease_ms=600) as seen:
        await seen.wait(OutboxDelivered)
        await seen.wait(RunEnded)
    assert await store.call("XLEN", "test/sent") == 1


async def test_racing_deliverers_append_once(store: Store) -> None:
    await a_dead_workers_item(store)
    seen, functions = Seen(), asking()
    async with working(store, functions, seen=seen, lease_ms=600), working(store, functions, seen=seen, lease_ms=600):
        await seen.wait(OutboxDelivered)
        await seen.wait(RunEnded)
    assert await store.call("XLEN", "test/sent") == 1


async def test_a_taken_item_comes_again_until_it_is_reported_done(store: Store) -> None:
    item, slot, calls = await a_dead_workers_item(store), store.keys.slot("test/asked"), SlotCalls(store, Limits())
    assert (await calls.outbox_take(slot, 50)).items == []  # its writer has a head start
    await later(store, 1_000)
    assert (await calls.outbox_take(slot, 50)).items == [(item, 0)]
    assert (await calls.outbox_take(slot, 50)).items == []
    await later(store, 60)
    assert (await calls.outbox_take(slot, 50)).items == [(item, 0)]  # to be taken is no try
    assert await calls.outbox_try(slot, item.id) == 1
    await later(store, 60)
    assert (await calls.outbox_take(slot, 50)).items == [(item, 1)]
    await calls.outbox_done(slot, [item.id])
    assert await calls.outbox_try(slot, item.id) == 0
    await later(store, 60)
    assert (await calls.outbox_take(slot, 50)).items == []
    assert await store.call("EXISTS", slot.outbox_items) == 0


async def age(store: Store, slot: Slot) -> None:
    """Makes all that an outbox holds deliverable now."""
    await store.call("ZUNIONSTORE", slot.outbox, 1, slot.outbox, "WEIGHTS", 0)


@pytest.mark.parametrize(("tried", "sent"), [(0, 1), (1, 0)])
async def test_an_item_older_than_the_window_is_sent_only_if_it_was_never_tried(
    store: Store, tried: int, sent: int
) -> None:
    seen, limits, slot = Seen(), Limits(dedupe_ms=60_000), store.keys.slot("test/asked")
    item = await a_dead_workers_item(store, created_ms=await store.time_ms() - 60_001)
    for _ in range(tried):
        await SlotCalls(store, limits).outbox_try(slot, item.id)
    await age(store, slot)
    outbox = await outbox_of(store, seen, limits)
    await outbox.sweep(slot)
    outbox.posted.close()
    assert await store.call("XLEN", "test/sent") == sent
    assert [f.item for f in seen.all(OutboxUndeliverable)] == ([item.id] if tried else [])
    assert await store.call("EXISTS", slot.outbox) == 0


async def test_a_tried_item_within_the_window_is_sent(store: Store) -> None:
    seen, slot = Seen(), store.keys.slot("test/asked")
    item = await a_dead_workers_item(store)
    await SlotCalls(store, Limits()).outbox_try(slot, item.id)
    await age(store, slot)
    outbox = await outbox_of(store, seen)
    await outbox.sweep(slot)
    outbox.posted.close()
    assert await store.call("XLEN", "test/sent") == 1


async def test_an_item_that_can_never_arrive_is_reported_and_stops_nobody(store: Store) -> None:
    slot = store.keys.slot("test/asked")
    bad = OutboxItem("event:bad", "event", "no such {name}", event_id="x", data="{}", created_ms=1)
    blank = OutboxItem("event:blank", "event", "test/sent", event_id=" ", data="{}", created_ms=1)
    large = OutboxItem("event:large", "event", "test/sent", event_id="x", data="x" * 600_000, created_ms=1)
    for item in (bad, blank, large):
        await store.call("HSET", slot.outbox_items, item.id, item.encode())
        await store.call("ZADD", slot.outbox, 1, item.id)
    await a_dead_workers_item(store)
    async with working(store, asking(), lease_ms=600) as seen:
        await seen.wait(OutboxUndeliverable, 3)
        await seen.wait(OutboxDelivered)
        await seen.wait(RunEnded)
    assert await store.call("XLEN", "test/sent") == 1


async def test_an_item_that_cannot_be_carried_costs_itself_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says `most: true` ended every worker that came by, and each of those that were started for them."""

    async def defect(outbox: Outbox, item: OutboxItem) -> None:
        raise TypeError("a defect of ours")

    monkeypatch.setattr(Outbox, "_release", defect)
    slot = store.keys.slot("test/asked")
    sound = {"id": "sound", "kind": "release", "target": "test/ask", "run": "test/asked|test/ask:x", "most": 1}
    for name, item in (
        ("sound", sound),
        ("odd", sound | {"id": "odd", "most": True}),
        ("broken", sound | {"id": "\ud800"}),
        ("hidden", sound),
    ):
        await store.call("HSET", slot.outbox_items, name, json.dumps(item))
        await store.call("ZADD", slot.outbox, 1, name)
    await a_dead_workers_item(store)
    async with working(store, asking()) as seen:
        await seen.wait(Stuck, 4)
        await seen.wait(OutboxDelivered)
    told = {fact.what: fact.reason for fact in seen.all(Stuck)}
    assert told["outbox item odd"] == "no outbox item: its most is True"
    assert told["outbox item sound"] == "TypeError: a defect of ours"
    for name, id in (("broken", "\\ud800"), ("hidden", "sound")):
        assert told[f"outbox item {name}"] == f"it lies under another name than its own, '{id}'"
    assert sorted(await store.call("ZRANGE", slot.outbox, 0, -1)) == [b"broken", b"hidden", b"odd", b"sound"]


async def test_a_store_that_is_away_is_asked_once_for_all_that_goes_to_one_target() -> None:
    """Whoever stops would else wait a deadline for each, and what comes later would overtake what failed."""
    asked, gone = list[str](), list[str]()

    async def carried(slot: Slot, item: OutboxItem) -> bool:
        asked.append(item.id)
        if item.target == "test/away":
            raise StoreUnavailable("there", "no answer")
        return True

    async def delivered(slot: Slot, items: list[OutboxItem]) -> None:
        gone.extend(item.id for item in items)

    posted, slot = Posted(carried, delivered), Keys().slot("test/asked")
    for n in range(3):
        for target in ("test/away", "test/sent"):
            posted.post(slot, OutboxItem(f"{target}:{n}", "event", target))
    await posted.drain()
    posted.close()
    assert sorted(asked) == ["test/away:0", "test/sent:0", "test/sent:1", "test/sent:2"]
    assert gone == ["test/sent:0", "test/sent:1", "test/sent:2"]


async def test_an_item_of_a_newer_worker_is_read_or_left_to_it(store: Store) -> None:
    slot = store.keys.slot("test/asked")
    newer = {"id": "a", "kind": "event", "target": "test/sent", "event_id": "a", "data": "{}", "colour": "blue"}
    other = {"id": "b", "kind": "teleport", "target": "test/sent"}
    for item in (newer, other):
        await store.call("HSET", slot.outbox_items, item["id"], json.dumps(item))
        await store.call("ZADD", slot.outbox, 1, item["id"])
    async with working(store, asking()) as seen:
        await seen.wait(OutboxDelivered)

        async def sent() -> bool:
            return bool(await store.call("XLEN", "test/sent") == 1)

        await until(sent)
    assert await store.call("ZRANGE", slot.outbox, 0, -1) == [b"b"]


@pytest.mark.parametrize("of", ["on_failure", "on_invalid"])
async def test_what_a_failure_or_an_unreadable_event_sends_bears_its_time(
    store: Store, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """Without it, an item would never be too old to be sent a second time."""
    functions, delivered = Functions(), []

    @functions.function(
        "test/ask",
        on=[event(Asked)],
        retries=0,
        no_retries_because="docs/decisions/x.md",
        on_failure=lambda failure: [Sent(), Sent()],
    )
    async def ask(e: Event[Asked], step: Step) -> None:
        raise OSError("no")

    async def deliver(outbox: Outbox, slot: Slot, item: OutboxItem) -> None:
        delivered.append(item)
        await real(outbox, slot, item)

    real = Outbox.deliver
    monkeypatch.setattr(Outbox, "deliver", deliver)
    functions.on_invalid["test/asked"] = lambda data, error, event_id: [Sent(), Sent()]
    before = await store.time_ms()
    async with working(store, functions) as seen:
        await store.call("XADD", "test/asked", "*", "data", "{}" if of == "on_failure" else "bad")
        await seen.wait(OutboxDelivered, 2)
    assert await store.call("XLEN", "test/sent") == 2
    assert all(item.created_ms >= before - 50 for item in delivered)  # the worker's reckoning of the server's clock


async def refused_first(store: Store) -> Slot:
    """An outbox whose first item goes to a key that is no stream; the next one is in order."""
    slot = store.keys.slot("test/asked")
    await store.call("SET", "test/spoilt", "no stream")
    for item in (
        OutboxItem("event:a", "event", "test/spoilt", event_id="a", data="{}", created_ms=1),
        OutboxItem("event:b", "event", "test/sent", event_id="b", data="{}", created_ms=2),
    ):
        await store.call("HSET", slot.outbox_items, item.id, item.encode())
        await store.call("ZADD", slot.outbox, item.created_ms, item.id)
    return slot


async def test_a_refused_item_stops_none_behind_it_and_arrives_when_it_can(store: Store) -> None:
    seen, slot = Seen(), await refused_first(store)
    outbox = await outbox_of(store, seen, Limits(dedupe_ms=10**14))
    for _ in range(3):
        await outbox.sweep(slot)
        await age(store, slot)
    assert await store.call("XLEN", "test/sent") == 1
    assert [(f.slot, f.what) for f in seen.all(Stuck)] == [("test/asked", "outbox item event:a")]
    assert seen.all(Unstuck) == []
    await store.call("DEL", "test/spoilt")
    await outbox.sweep(slot)
    outbox.posted.close()
    assert await store.call("XLEN", "test/spoilt") == 1
    assert await store.call("EXISTS", slot.outbox) == 0
    assert seen.all(Unstuck) == [Unstuck("test/asked", "outbox item event:a")]


async def test_a_refused_item_that_another_worker_delivers_is_told_as_over_by_who_told_it(store: Store) -> None:
    seen, slot = Seen(), await refused_first(store)
    outbox, another = await outbox_of(store, seen, Limits(dedupe_ms=10**14)), await outbox_of(store, Seen())
    await outbox.sweep(slot)
    assert [f.what for f in seen.all(Stuck)] == ["outbox item event:a"]
    await store.call("DEL", "test/spoilt")
    await another.flush(slot, [OutboxItem("event:a", "event", "test/spoilt", event_id="a", data="{}")])
    await outbox.sweep(slot)
    outbox.posted.close()
    another.posted.close()
    assert seen.all(Unstuck) == [Unstuck("test/asked", "outbox item event:a")]


async def test_after_a_long_full_spell_an_item_comes_again_after_one_hold_and_was_not_tried(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried so often, it would wait for minutes; and past the dedupe window it would be given up, never sent."""
    monkeypatch.setattr(outbox_room, "HOLD_MS", 1_000)
    seen = Seen()
    async with open_store(StoreSettings(own_server.url)) as store:
        slot, item, outbox = (
            store.keys.slot("test/asked"),
            await a_dead_workers_item(store),
            await outbox_of(store, seen),
        )
        with own_server.client() as client:
            for _ in range(8):
                await age(store, slot)
                client.config_set("maxmemory", 1)
                with pytest.raises(StoreRefused, match="OOM"):
                    await outbox.sweep(slot)
                client.config_set("maxmemory", 0)
        assert int(await store.call("ZSCORE", slot.outbox, item.id)) - await store.time_ms() <= 1_000
        assert await store.call("HKEYS", slot.outbox_items) == [item.id.encode()]
        await age(store, slot)
        await outbox.sweep(slot)
        outbox.posted.close()
        assert await store.call("XLEN", "test/sent") == 1
        assert await store.call("EXISTS", slot.outbox) == 0
    assert seen.all(OutboxUndeliverable) == []


async def test_a_refused_item_waits_longer_after_each_try(store: Store) -> None:
    slot, calls, waits = await refused_first(store), SlotCalls(store, Limits()), []
    for _ in range(9):
        taken = await calls.outbox_take(slot, 1_000)
        await calls.outbox_try(slot, "event:a")
        waits.append(round((int(await store.call("ZSCORE", slot.outbox, "event:a")) - taken.now_ms) / 1000))
        await age(store, slot)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    await store.call("DEL", "test/spoilt")


@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_target_that_is_away_costs_only_its_own_items_a_try(
    store: Store, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    """With one node, all that is behind the first goes there too, and nobody tries it."""
    slot, tried = store.keys.slot("test/asked"), []
    for n, target in enumerate(["test/away", "test/away", "test/sent"]):
        item = OutboxItem(f"event:{n}", "event", target, event_id=str(n), data="{}", created_ms=n + 1)
        await store.call("HSET", slot.outbox_items, item.id, item.encode())
        await store.call("ZADD", slot.outbox, n + 1, item.id)
    outbox = await outbox_of(store, Seen(), Limits(dedupe_ms=10**14))
    send = Publisher.send_item

    async def send_item(publisher: Publisher, item: OutboxItem) -> None:
        tried.append(item.id)
        if item.target == "test/away":
            raise StoreUnavailable("its node", f"no answer, said of {item.id}")
        await send(publisher, item)

    monkeypatch.setattr(Publisher, "send_item", send_item)
    monkeypatch.setattr(Store, "node_of", lambda _, key: key if nodes == 2 else "")
    with pytest.raises(StoreUnavailable, match="said of event:0"):
        await outbox.sweep(slot)
    outbox.posted.close()
    assert tried == (["event:0", "event:2"] if nodes == 2 else ["event:0"])
    assert await store.call("HMGET", slot.outbox_items, "#event:0", "#event:1", "#event:2") == [b"1", None, None]
    assert await store.call("XLEN", "test/sent") == nodes - 1


async def test_a_refused_item_keeps_a_stopping_worker_from_nothing(store: Store) -> None:
    seen, slot = Seen(), await refused_first(store)
    outbox = await outbox_of(store, seen)
    for item, _ in (await SlotCalls(store, Limits()).outbox_take(slot, 1)).items:
        outbox.post(slot, item)
    await outbox.posted.drain()
    outbox.posted.close()
    assert await store.call("XLEN", "test/sent") == 1
    await store.call("DEL", "test/spoilt")


async def test_one_slot_that_is_refused_keeps_no_other_from_its_turn(store: Store) -> None:
    """Slots are swept by name: the spoilt ones come first."""
    slot = await refused_first(store)
    first = store.keys.slot("test/aaa")
    await store.call("HSET", store.keys.slots, first.name, 1, slot.name, 1)
    await store.call("SET", first.outbox, "no index")
    await store.call("SET", first.due, "no index")
    async with working(store, Functions()) as seen:
        await seen.wait(OutboxDelivered)
        await seen.wait(Stuck, 3)
        await store.call("DEL", "test/spoilt")
        await store.call("DEL", first.outbox)
        await store.call("DEL", first.due)
    assert {f.slot for f in seen.all(Stuck)} == {"test/aaa", "test/asked"}


async def test_a_backlog_in_one_slot_lets_the_others_have_their_turn(one_store: Store) -> None:
    for name in ("test/aaa", "test/bbb"):
        await one_store.call("HSET", one_store.keys.slots, name, 1)
        slot = one_store.keys.slot(name)
        await one_store.call("HSET", slot.due_items, "x", b'["data","{}"]')
        await one_store.call("ZADD", slot.due, 1, "e:x")
        for n in range(450 if name == "test/aaa" else 0):
            await one_store.call("HSET", slot.due_items, f"y{n}", b'["data","{}"]')
            await one_store.call("ZADD", slot.due, 1, f"e:y{n}")
    async with working(one_store, Functions()) as seen:
        await seen.wait(Promoted, 6)
    turns = [(f.slot, f.count) for f in seen.all(Promoted)]
    assert turns[:2] == [("test/aaa", 100), ("test/bbb", 1)]
    assert sum(count for slot, count in turns if slot == "test/aaa") == 451
