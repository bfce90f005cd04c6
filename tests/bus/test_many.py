"""Many runs in one call: each is answered as if it had come alone, and what breaks in one hurts no neighbour."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from joelclaw_bus import Limits, Script, Store, StoreRefused, StoreUnavailable
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.many import HEAVY, MOST, Companies
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_calls import Begun, Dropped, LimitReached, Refused, RunCalls
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.store import Arg

FN = "test/fn"
SMALL = Limits(steps=2, run_bytes=3 * HEAVY * MOST)


@dataclass(eq=False)
class Listening(Store):
    """Notes how many runs' keys each script call had; `away`: how often it does not answer; `gate`: what
    every call waits for."""

    calls_of: dict[str, list[int]] = field(default_factory=dict)
    away: int = 0
    gate: anyio.Event | None = None
    defect: Exception | None = None

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        self.calls_of.setdefault(script.name, []).append(sum(":run:" in key for key in keys))
        if self.defect:
            raise self.defect
        if self.away:
            self.away -= 1
            raise StoreUnavailable(self.where, "as the test wished")
        if self.gate:
            with anyio.move_on_after(30):  # a trip is shielded: a test that fails must end
                await self.gate.wait()
        return await super().run(script, keys, args)


@dataclass
class Bench:
    store: Listening
    runs: RunCalls

    async def read(self, count: int, consumer: str = "a") -> list[Delivery]:
        slot = self.store.keys.slot("test/events")
        for n in range(count):
            await self.store.call("XADD", slot.stream, "*", "data", "{}", "id", f"e{n}")
        answer = await self.store.call("XREADGROUP", "GROUP", FN, consumer, "COUNT", count, "STREAMS", slot.stream, ">")
        entries = [entry.decode() for entry, _ in answer[0][1]]
        return [
            Delivery(slot, FN, consumer, entry, f"{FN}:e{n}", secrets.token_hex(4), False)
            for n, entry in enumerate(entries)
        ]

    async def begin(self, d: Delivery) -> Any:
        return await self.runs.begin(d, explicit_id=d.run.partition(":")[2], record_wanted=True)


@pytest.fixture
async def bench(store: Store) -> Bench:
    listening = Listening(store.settings, store.keys, store.address, store.nodes)
    await SlotCalls(store, SMALL).ensure_group(store.keys.slot("test/events"), FN)
    return Bench(listening, RunCalls(listening, SMALL, Companies(listening, SMALL)))


async def at_once(act: Callable[[Delivery], Awaitable[Any]], deliveries: Sequence[Delivery]) -> list[Any]:
    """The answers, or what was raised, of all asked at the same moment."""
    answers: list[Any] = [None] * len(deliveries)

    async def one(n: int) -> None:
        try:
            answers[n] = await act(deliveries[n])
        except (StoreRefused, StoreUnavailable) as error:
            answers[n] = error

    async with anyio.create_task_group() as tasks:
        for n in range(len(deliveries)):
            tasks.start_soon(one, n)
    return answers


async def state_of(store: Store, d: Delivery) -> Any:
    return await store.call("HGET", d.slot.run(d.run), "state")


async def test_those_that_begin_record_and_end_together_are_one_call_each(bench: Bench) -> None:
    all_of_them = await bench.read(20)
    for n, begun in enumerate(await at_once(bench.begin, all_of_them)):
        assert isinstance(begun, Begun)
        assert begun.record[b"run"] == f"{FN}:e{n}".encode()
    results = await at_once(lambda d: bench.runs.step(d, "one", d.run.encode()), all_of_them)
    assert results == [d.run.encode() for d in all_of_them]
    ends = await at_once(lambda d: bench.runs.finish(d, status="completed", result=d.entry.encode()), all_of_them)
    assert all(isinstance(end, int) for end in ends)
    assert bench.store.calls_of == {"begin": [20], "step": [20], "finish": [20]}
    for d in all_of_them:
        assert await bench.store.call("HGET", d.slot.run(d.run), "result") == d.entry.encode()
        assert await bench.store.call("HGET", d.slot.run(d.run), "s:one") == d.run.encode()


async def test_each_is_fenced_by_its_own_claim_and_lease(bench: Bench) -> None:
    good, stolen, older, twice, also_good = await bench.read(5)
    await at_once(bench.begin, [good, stolen, older, also_good])
    await bench.store.call("XCLAIM", stolen.source, FN, "thief", 0, stolen.entry)
    newer = Delivery(older.slot, FN, "a", older.entry, older.run, "newer", False)
    assert isinstance(await bench.begin(newer), Begun)
    same = Delivery(twice.slot, FN, "a", twice.entry, good.run, "same", False)  # a second entry of an open run
    assert (await at_once(bench.begin, [same]))[0] == Dropped("open")
    answers = await at_once(
        lambda d: bench.runs.finish(d, status="completed", keep=True), [good, stolen, older, also_good]
    )
    assert answers[1:3] == [Refused("lease"), Refused("claim")]
    assert all(isinstance(answer, int) for answer in (answers[0], answers[3]))
    states = [await state_of(bench.store, d) for d in (good, stolen, older, also_good)]
    assert states == [b"ended", b"queued", b"queued", b"ended"]
    assert bench.store.calls_of["finish"] == [4]


@pytest.mark.foreign_keys
async def test_a_run_whose_record_is_spoilt_is_refused_alone(bench: Bench) -> None:
    first, spoilt, last = both = await bench.read(3)
    await bench.store.call("SET", spoilt.slot.run(spoilt.run), "no hash")
    for act in (
        bench.begin,
        lambda d: bench.runs.step(d, "one", b"1"),
        lambda d: bench.runs.finish(d, status="completed"),
    ):
        answers = await at_once(act, both)
        assert isinstance(answers[1], StoreRefused)
        assert "WRONGTYPE" in str(answers[1])
        assert not any(isinstance(a, StoreRefused | Refused) for a in (answers[0], answers[2]))
    assert [await state_of(bench.store, d) for d in (first, last)] == [b"ended", b"ended"]
    pending = await bench.store.call("XPENDING", spoilt.source, FN, "-", "+", 10)
    assert [row[0].decode() for row in pending] == [spoilt.entry], "nobody let go of it"
    assert bench.store.calls_of == {"begin": [3], "step": [3], "finish": [3]}


async def test_a_limit_concerns_the_run_that_reached_it(bench: Bench) -> None:
    busy, _ = both = await bench.read(2)
    await at_once(bench.begin, both)
    for name in ("one", "two"):
        assert await bench.runs.step(busy, name, b"1") == b"1"
    answers = await at_once(lambda d: bench.runs.step(d, "three", b"3"), both)
    assert answers == [LimitReached("steps"), b"3"]
    assert await bench.store.call("HEXISTS", busy.slot.run(busy.run), "s:three") == 0


async def test_each_sends_its_own_items_and_voids_its_own_fields(bench: Bench) -> None:
    deliveries = await bench.read(3)
    await at_once(bench.begin, deliveries)

    def items(d: Delivery, many: int) -> list[OutboxItem]:
        return [OutboxItem(id=f"{d.run}:{n}", kind="event", target="test/next", data=d.run) for n in range(many)]

    for d in deliveries:
        await bench.store.call("HSET", d.slot.run(d.run), "a:wait:0", d.run, "a:wait:1", d.run)
    voids = {d.run: [f"a:wait:{i}" for i in range(n)] for n, d in enumerate(deliveries)}
    await at_once(lambda d: bench.runs.step(d, "wait", b"1", void=voids[d.run]), deliveries)
    for n, d in enumerate(deliveries):
        left = await bench.store.call("HMGET", d.slot.run(d.run), "a:wait:0", "a:wait:1")
        assert [kept is None for kept in left] == [n > 0, n > 1]
    wanted = {d.run: items(d, n) for n, d in enumerate(deliveries)}
    await at_once(lambda d: bench.runs.finish(d, status="completed", items=wanted[d.run]), deliveries)
    flat = await bench.store.call("HGETALL", deliveries[0].slot.outbox_items)
    kept = {key.decode(): OutboxItem.decode(body).data for key, body in zip(flat[::2], flat[1::2], strict=True)}
    assert kept == {item.id: item.data for some in wanted.values() for item in some}
    await bench.store.call("DEL", deliveries[0].slot.outbox, deliveries[0].slot.outbox_items)


async def test_a_store_that_is_away_is_everybodys_answer_and_each_may_ask_again(bench: Bench) -> None:
    deliveries = await bench.read(5)
    bench.store.away = 1
    assert [type(a) for a in await at_once(bench.begin, deliveries)] == [StoreUnavailable] * 5
    assert all(isinstance(a, Begun) for a in await at_once(bench.begin, deliveries))
    assert bench.store.calls_of == {"begin": [5, 5]}
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def test_one_call_has_a_limit_in_runs_and_in_bytes(bench: Bench) -> None:
    deliveries = await bench.read(MOST + 10)
    assert all(isinstance(a, Begun) for a in await at_once(bench.begin, deliveries))
    assert sorted(bench.store.calls_of["begin"]) == [10, MOST]
    large = b'"%s"' % (b"x" * HEAVY * (MOST // 4))
    answers = await at_once(lambda d: bench.runs.step(d, "one", large), deliveries[:6])
    assert answers == [large] * 6
    assert max(bench.store.calls_of["step"]) <= 3
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def test_one_that_sends_thousands_of_items_hurts_no_neighbour(bench: Bench) -> None:
    """Lua unpacks less than 8,000 words."""
    few, many, last = deliveries = await bench.read(3)
    await at_once(bench.begin, deliveries)
    items = [OutboxItem(id=str(n), kind="event", target="test/next", data="{}") for n in range(4_500)]
    ends = await at_once(
        lambda d: bench.runs.finish(d, status="completed", keep=True, items=items if d is many else ()), deliveries
    )
    assert all(isinstance(end, int) for end in ends)
    assert await bench.store.call("ZCARD", few.slot.outbox) == len(items)
    assert [await state_of(bench.store, d) for d in (few, many, last)] == [b"ended"] * 3
    assert await bench.runs.finish(many, status="completed", keep=True, items=items) > 0, "told again"
    await bench.store.call("DEL", few.slot.outbox, few.slot.outbox_items)


async def test_large_records_are_begun_a_few_at_a_time_and_each_once(bench: Bench) -> None:
    deliveries = await bench.read(8)
    await at_once(bench.begin, deliveries)
    for d in deliveries:
        await bench.store.call("HSET", d.slot.run(d.run), "s:large", b"x" * 400_000)
    begun = await at_once(bench.begin, deliveries)
    assert [len(b.record[b"s:large"]) for b in begun] == [400_000] * 8
    assert bench.store.calls_of["begin"] == [8, 8, 5, 2], "a call answers no more than a MiB, and one record"
    claims = [await bench.store.call("HGET", d.slot.run(d.run), "claim") for d in deliveries]
    assert claims == [d.claim.encode() for d in deliveries]
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def test_a_word_that_can_not_be_sent_is_told_to_who_said_it(bench: Bench) -> None:
    deliveries = await bench.read(4)
    await at_once(bench.begin, deliveries)
    told: list[Exception] = []

    async def step(d: Delivery) -> Any:
        try:
            return await bench.runs.step(d, "scan \udcff" if d is deliveries[2] else "scan", b"1")
        except UnicodeEncodeError as error:
            told.append(error)

    assert await at_once(step, deliveries) == [b"1", b"1", None, b"1"]
    assert len(told) == 1
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def test_a_defect_of_ours_is_told_as_itself_to_all_of_its_call_and_the_next_call_goes(bench: Bench) -> None:
    deliveries = await bench.read(3)
    bench.store.defect = KeyError("ours")

    async def begin(d: Delivery) -> Any:
        try:
            return await bench.begin(d)
        except KeyError as error:
            return error

    assert [str(error) for error in await at_once(begin, deliveries)] == ["'ours'"] * 3
    bench.store.defect = None
    assert all(isinstance(a, Begun) for a in await at_once(bench.begin, deliveries))
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def test_one_who_is_cancelled_while_waiting_asks_nothing_and_the_others_go_on(bench: Bench) -> None:
    first, given_up, last = deliveries = await bench.read(3)
    scope, begun = anyio.CancelScope(), list[str]()
    bench.store.gate = anyio.Event()

    async def begin(d: Delivery) -> None:
        await bench.begin(d)
        begun.append(d.run)

    async def cancelled() -> None:
        with scope:
            await begin(given_up)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin, first)
        await until(lambda: bench.store.calls_of == {"begin": [1]})
        tasks.start_soon(cancelled)
        tasks.start_soon(begin, last)
        await checkpoint()
        scope.cancel()
        await until(lambda: scope.cancelled_caught)
        bench.store.gate.set()
    assert sorted(begun) == sorted([first.run, last.run])
    assert await state_of(bench.store, given_up) is None
    await at_once(lambda d: bench.runs.finish(d, status="completed"), deliveries)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not holds():
            await checkpoint()
