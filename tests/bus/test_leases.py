"""Leases, script by script: renewed, taken over by one, and what is lost with an entry is told."""

from __future__ import annotations

from joelclaw_bus.slot_calls import Jumped, NotClaimer, Page
from tests.support.audit import audit
from tests.support.bench import FN, Bench
from tests.support.waiting import later


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
