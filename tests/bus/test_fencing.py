"""The fence, script by script: who lost an entry can write nothing more of it, and a lost reply does no harm."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pytest

from joelclaw_bus import Limits, Store
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_calls import Begun, Dropped, Poisoned, Refused, RunCalls, WentOn
from joelclaw_bus.slot_calls import Jumped, NotClaimer, Page, SlotCalls
from tests.support.audit import audit
from tests.support.waiting import later

FN = "test/fn"


@dataclass
class Bench:
    """One function's group on one slot, driven by hand."""

    store: Store
    slot: Slot
    runs: RunCalls
    calls: SlotCalls

    async def read(self, consumer: str) -> Delivery:
        answer = await self.store.call(
            "XREADGROUP", "GROUP", FN, consumer, "COUNT", 1, "STREAMS", self.slot.stream, self.slot.ready(FN), ">", ">"
        )
        stream, entries = answer[0]
        ready = stream.decode() != self.slot.stream
        entry = entries[0][0].decode()
        run = entries[0][1][1].decode() if ready else f"{FN}:{entry}"
        return Delivery(self.slot, FN, consumer, entry, run, secrets.token_hex(4), ready)

    async def steal(self, d: Delivery, consumer: str) -> Delivery:
        """What a takeover does: the entry is the other consumer's, delivered once more."""
        await self.store.call("XCLAIM", d.source, FN, consumer, 0, d.entry)
        return Delivery(self.slot, FN, consumer, d.entry, d.run, secrets.token_hex(4), d.ready)

    async def begin(self, d: Delivery) -> Begun | Dropped | Poisoned | Refused:
        return await self.runs.begin(d, explicit_id="", record_wanted=False)

    async def park(self, d: Delivery, **how: int) -> int | WentOn | Refused:
        return await self.runs.park(d, state="due", channel="nudges", **how)  # type: ignore[arg-type]  # numbers only


@pytest.fixture
async def bench(store: Store) -> Bench:
    slot = store.keys.slot("test/events")
    calls = SlotCalls(store, Limits())
    await calls.ensure_group(slot, FN)
    await store.call("XADD", slot.stream, "*", "data", "{}")
    return Bench(store, slot, RunCalls(store, Limits()), calls)


async def test_who_lost_the_lease_can_write_nothing(bench: Bench) -> None:
    zombie = await bench.read("a")
    assert await bench.runs.step(zombie, "one", b"1") == b"1"
    owner = await bench.steal(zombie, "b")
    assert isinstance(await bench.begin(owner), Begun)
    assert await bench.runs.step(zombie, "two", b"2") == Refused("lease")
    assert await bench.park(zombie, delay_ms=1) == Refused("lease")
    assert await bench.runs.finish(zombie, status="completed") == Refused("lease")
    assert await bench.runs.finish(owner, status="completed") != Refused("lease")
    record = await bench.store.call("HMGET", bench.slot.run(owner.run), "state", "s:two", "by")
    assert record == [b"ended", None, owner.claim.encode()]


async def test_the_same_consumer_with_an_older_claim_is_fenced_too(bench: Bench) -> None:
    first = await bench.read("a")
    await bench.runs.step(first, "one", b"1")
    second = await bench.steal(first, "a")
    assert isinstance(await bench.begin(second), Begun)
    assert await bench.runs.step(first, "two", b"2") == Refused("claim")
    assert await bench.park(first, delay_ms=1) == Refused("claim")
    assert await bench.runs.finish(first, status="completed") == Refused("claim")


async def test_a_run_without_a_record_is_fenced_by_its_lease_alone(bench: Bench) -> None:
    zombie = await bench.read("a")
    owner = await bench.steal(zombie, "b")
    assert await bench.runs.finish(zombie, status="completed") == Refused("lease")
    assert isinstance(await bench.runs.finish(owner, status="completed"), int)
    assert await bench.runs.finish(zombie, status="completed") == Refused("acknowledged")


async def test_a_new_begin_gets_the_journal_of_the_old_one(bench: Bench) -> None:
    first = await bench.read("a")
    await bench.runs.step(first, "one", b'{"x":1}')
    begun = await bench.begin(await bench.steal(first, "b"))
    assert isinstance(begun, Begun)
    assert begun.record[b"s:one"] == b'{"x":1}'
    assert begun.begins == 1


async def test_a_step_recorded_twice_keeps_what_came_first(bench: Bench) -> None:
    d = await bench.read("a")
    item = OutboxItem("event:x", "event", "test/other", event_id="x", data="{}")
    assert await bench.runs.step(d, "one", b"1", item) == b"1"
    assert await bench.runs.step(d, "one", b"2", item) == b"1"
    assert await bench.store.call("ZCARD", bench.slot.outbox) == 1


async def test_an_item_that_is_decided_again_stays_as_it_was_written_first(bench: Bench) -> None:
    d = await bench.read("a")
    first = OutboxItem("event:x", "event", "test/other", event_id="x", data="{}")
    again = OutboxItem("event:x", "event", "test/other", event_id="x", data='{"n":2}')
    assert await bench.runs.step(d, "one", b"1", first) == b"1"
    await bench.store.call("ZADD", bench.slot.outbox, 0, "event:x")
    assert await bench.runs.step(d, "two", b"2", again) == b"2"
    assert await bench.store.call("HGET", bench.slot.outbox_items, "event:x") == first.encode()
    assert await bench.store.call("ZSCORE", bench.slot.outbox, "event:x") == b"0"


async def test_ending_and_parking_again_with_the_same_claim_answers_the_same(bench: Bench) -> None:
    d = await bench.read("a")
    await bench.runs.step(d, "one", b"1")
    due = await bench.park(d, delay_ms=0, attempts=1)
    assert isinstance(due, int)
    assert await bench.park(d, delay_ms=50_000, attempts=1) == due
    assert await bench.store.call("HGET", bench.slot.run(d.run), "attempt") == b"1"
    await bench.calls.promote(bench.slot)
    again = await bench.read("a")
    assert again.run == d.run
    assert isinstance(await bench.begin(again), Begun)
    assert isinstance(await bench.park(d, delay_ms=50_000, attempts=1), WentOn), "it was parked, whatever came of it"
    assert await bench.store.call("HGET", bench.slot.run(d.run), "attempt") == b"1"
    assert isinstance(await bench.runs.finish(again, status="completed"), int)
    assert isinstance(await bench.runs.finish(again, status="completed"), int)
    assert await bench.park(again, delay_ms=1) == Refused("gone"), "what this claim wrote was an end"
    assert await bench.runs.finish(d, status="completed") == Refused("gone")


async def test_a_due_index_that_is_earlier_than_the_record_wakes_nobody(bench: Bench) -> None:
    """An index that came back older than its records, say: what the record says counts, and nothing is early."""
    d = await bench.read("a")
    due = await bench.park(d, delay_ms=60_000)
    await bench.store.call("ZADD", bench.slot.due, 1, f"r:{d.run}")
    promotion = await bench.calls.promote(bench.slot)
    assert promotion.moved == 0
    assert await bench.store.call("XLEN", bench.slot.ready(FN)) == 0
    assert await bench.store.call("HMGET", bench.slot.run(d.run), "state", "due") == [b"due", str(due).encode()]
    assert promotion.head_ms == due, "its index is as its record says again"


async def test_a_run_that_is_woken_does_not_come_due_as_well(bench: Bench) -> None:
    """Its fallback went with it: else the promoter would look at it again, and call what it finds there late."""
    d = await bench.read("a")
    await bench.runs.park(d, state="held", channel="nudges", delay_ms=60_000)
    assert await bench.calls.wake(bench.slot, FN, d.run) == 1
    promotion = await bench.calls.promote(bench.slot)
    assert (promotion.moved, promotion.head_ms) == (0, None)
    assert await bench.store.call("XLEN", bench.slot.ready(FN)) == 1


async def test_a_run_that_is_woken_before_it_rests_is_made_ready_once(bench: Bench) -> None:
    d = await bench.read("a")
    assert isinstance(await bench.runs.begin(d, explicit_id="", record_wanted=True), Begun)
    assert await bench.calls.wake(bench.slot, FN, d.run) == 2
    assert await bench.store.call("XLEN", bench.slot.ready(FN)) == 0
    await bench.runs.park(d, state="held", channel="nudges", delay_ms=60_000)
    assert (await bench.calls.promote(bench.slot)).moved == 1
    assert await bench.store.call("XLEN", bench.slot.ready(FN)) == 1


async def test_a_parked_run_outlives_its_event(bench: Bench) -> None:
    d = await bench.read("a")
    await bench.park(d, delay_ms=0)
    await bench.store.call("XTRIM", bench.slot.stream, "MAXLEN", 0)
    await bench.calls.promote(bench.slot)
    begun = await bench.begin(await bench.read("b"))
    assert isinstance(begun, Begun)
    assert begun.record[b"e:data"] == b"{}"


async def test_begins_without_an_end_are_counted_from_the_second_delivery(bench: Bench) -> None:
    d = await bench.read("a")
    counts = []
    for _ in range(5):
        d = await bench.steal(d, "a")
        begun = await bench.begin(d)
        assert isinstance(begun, Begun)
        counts.append(begun.begins)
    assert counts == [1, 2, 3, 4, 5]
    d = await bench.steal(d, "a")
    poisoned = await bench.begin(d)
    assert isinstance(poisoned, Poisoned)
    assert poisoned.begun.begins == 6
    assert isinstance(await bench.runs.finish(d, status="failed", error="poisoned"), int)
    assert await bench.store.call("XLEN", bench.slot.dead) == 1


async def test_an_end_in_between_starts_the_count_anew(bench: Bench) -> None:
    d = await bench.steal(await bench.read("a"), "a")
    assert isinstance(await bench.begin(d), Begun)
    await bench.park(d, delay_ms=0)
    await bench.calls.promote(bench.slot)
    begun = await bench.begin(await bench.read("a"))
    assert isinstance(begun, Begun)
    assert begun.begins == 0


async def test_a_recorded_step_starts_the_count_anew(bench: Bench) -> None:
    d = await bench.steal(await bench.read("a"), "a")
    assert isinstance(await bench.begin(d), Begun)
    assert await bench.runs.step(d, "one", b"1") == b"1"
    begun = await bench.begin(await bench.steal(d, "a"))
    assert isinstance(begun, Begun)
    assert begun.begins == 1


async def test_a_second_entry_of_an_ended_run_is_acknowledged_and_not_run(bench: Bench) -> None:
    first = await bench.read("a")
    await bench.runs.step(first, "one", b"1")
    assert isinstance(await bench.runs.finish(first, status="completed"), int)
    await bench.store.call("XADD", bench.slot.stream, "*", "data", "{}")
    second = await bench.read("b")
    second.run = first.run
    assert await bench.begin(second) == Dropped("ended")
    assert (await bench.store.call("XPENDING", bench.slot.stream, FN))[0] == 0


async def test_a_newer_record_is_left_alone(bench: Bench) -> None:
    d = await bench.read("a")
    await bench.runs.step(d, "one", b"1")
    await bench.store.call("HSET", bench.slot.run(d.run), "v", 2)
    assert await bench.begin(await bench.steal(d, "b")) == Refused("newer")
    assert (await bench.store.call("XPENDING", bench.slot.stream, FN))[0] == 1


async def test_an_entry_deleted_while_pending_is_told(bench: Bench) -> None:
    d = await bench.read("a")
    await bench.store.call("XCLAIM", d.source, FN, "a", 0, d.entry, "IDLE", 60_000, "JUSTID")
    await bench.store.call("XDEL", bench.slot.stream, d.entry)
    page = await _takeover(bench, "b")
    assert isinstance(page, Page)
    assert page.deleted == (d.entry,)


async def test_one_claimer_a_group(bench: Bench) -> None:
    await bench.read("a")
    assert isinstance(await _takeover(bench, "b"), Page)
    assert isinstance(await _takeover(bench, "c"), NotClaimer)


async def test_a_takeover_that_arrives_late_takes_nothing(bench: Bench) -> None:
    await bench.read("a")
    now = await bench.store.time_ms()
    assert isinstance(await _takeover(bench, "b", lease_ms=1_000, at_ms=now - 400), Jumped)
    assert isinstance(await _takeover(bench, "b", lease_ms=1_000, at_ms=now + 60_000), Jumped)


async def _takeover(bench: Bench, consumer: str, lease_ms: int = 1_000, at_ms: int = 0) -> Page | NotClaimer | Jumped:
    return await bench.calls.takeover(
        bench.slot,
        bench.slot.stream,
        FN,
        consumer,
        lease_ms=lease_ms,
        cursor="0-0",
        count=10,
        at_ms=at_ms or await bench.store.time_ms(),
    )


async def test_renewal_keeps_the_count_and_names_what_is_lost(bench: Bench) -> None:
    from joelclaw_bus.script import load_script

    d = await bench.read("a")
    renew = load_script("joelclaw_bus", "renew")
    assert await bench.store.run(renew, [d.source], [FN, "a", d.entry]) == []
    rows = await bench.store.call("XPENDING", d.source, FN, "-", "+", 1)
    assert rows[0][3] == 1
    await bench.steal(d, "b")
    assert await bench.store.run(renew, [d.source], [FN, "a", d.entry]) == [d.entry.encode()]


async def test_an_entry_that_was_deleted_while_its_run_executes_does_not_keep_it_from_ending(bench: Bench) -> None:
    from joelclaw_bus.script import load_script

    d = await bench.read("a")
    await bench.runs.step(d, "one", b"1")
    await bench.store.call("XDEL", d.source, d.entry)
    assert await bench.store.run(load_script("joelclaw_bus", "renew"), [d.source], [FN, "a", d.entry]) == []
    assert await audit(bench.store, bench.slot) == []
    assert isinstance(await bench.runs.finish(d, status="completed"), int)


async def test_an_entry_that_was_deleted_while_its_worker_died_ends_as_lost(bench: Bench) -> None:
    d = await bench.read("a")
    await bench.runs.step(d, "one", b"1")
    await bench.store.call("XDEL", d.source, d.entry)
    await later(bench.store, 300)
    page = await _takeover(bench, "b", lease_ms=300)
    assert isinstance(page, Page)
    assert page.deleted == (d.entry,)
    (found,) = await audit(bench.store, bench.slot)
    assert (found.rule, found.names, found.remedy) == ("entry-lost", (d.run,), "lost")
