"""The fence, script by script: who lost an entry can write nothing more of it, and a lost reply does no harm."""

from __future__ import annotations

from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_calls import Begun, Dropped, Poisoned, Refused, WentOn
from tests.support.bench import FN, Bench


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
    for _ in range(2):  # whoever was to bury it may die too: of another poison, say
        d = await bench.steal(d, "a")
        poisoned = await bench.begin(d)
        assert isinstance(poisoned, Poisoned)
        assert poisoned.begun.begins == 6
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
