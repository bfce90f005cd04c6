"""A store that is away is everybody's trouble; one that refuses one thing is one loop's, and stops nothing else."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, SlotCalls, Step, Store, StoreSettings, event, open_store, promoter
from joelclaw_bus.audit.auditor import Auditor
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import BusError, NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import Promoted, RunEnded, StoreBack, StoreTrouble, Stuck, TakenOver, Unstuck
from joelclaw_bus.trouble import Spells, Trouble
from joelclaw_bus.worker import Worker
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import QUICK, working


class Told(EventModel):
    event_name: ClassVar[str] = "test/told"


class Bench:
    def __init__(self) -> None:
        self.seen, self.disturbed = Seen(), 0
        self.spells = Spells("here", self.seen, self.disturb)

    def disturb(self) -> None:
        self.disturbed += 1


AWAY = StoreUnavailable("here", "no answer")


@pytest.mark.parametrize("error", [AWAY, StoreRefused("here", "LOADING", "x"), StoreRefused("here", "READONLY", "x")])
async def test_a_store_that_is_away_disturbs_the_clock_and_is_told(error: BusError) -> None:
    bench = Bench()
    Trouble(bench.spells).saw(error)
    assert bench.disturbed == 1
    assert bench.seen.all(StoreTrouble)
    assert bench.spells.in_trouble


async def test_a_refusal_of_one_thing_disturbs_nobody_and_is_told_once_until_it_succeeds() -> None:
    bench = Bench()
    loop = Trouble(bench.spells)
    for _ in range(3):
        loop.saw(StoreRefused("here", "WRONGTYPE", "x"))
    assert not bench.disturbed
    assert not bench.spells.in_trouble
    assert len(bench.seen.all(Stuck)) == 1
    loop.over()
    loop.saw(StoreRefused("here", "WRONGTYPE", "x"))
    assert len(bench.seen.all(Stuck)) == 2


async def test_a_process_without_a_free_connection_has_asked_nobody_and_that_is_no_outage(one_server: Server) -> None:
    bench = Bench()
    loop = Trouble(bench.spells)
    async with open_store(StoreSettings(one_server.url, deadline=0.2, connections=1)) as store:
        pool = store.nodes._client.connection_pool  # type: ignore[attr-defined]  # one server's, held by hand
        held = await pool.get_connection()
        with pytest.raises(NoFreeConnection, match=r"StoreSettings\.connections") as refused:
            await store.call("PING")
        await pool.release(held)
        assert await store.call("PING") == b"PONG"
    loop.saw(refused.value)
    assert (bench.disturbed, bench.spells.in_trouble) == (0, False)
    assert [f.reason for f in bench.seen.all(Stuck)] == [str(refused.value)]
    loop.over()
    Trouble(bench.spells).saw(AWAY)
    loop.saw(refused.value)
    assert len(bench.seen.all(Stuck)) == 1, "in an outage it is a part of it"
    assert bench.spells.in_trouble, "nobody answered"


async def test_a_spell_is_over_when_the_loops_that_met_it_are_answered() -> None:
    bench = Bench()
    one, two, luckier = (Trouble(bench.spells) for _ in range(3))
    one.saw(AWAY)
    two.saw(AWAY)
    luckier.over()
    one.over()
    assert not bench.seen.all(StoreBack)
    two.saw(StoreRefused("here", "WRONGTYPE", "a refusal is an answer"))
    assert len(bench.seen.all(StoreTrouble)) == len(bench.seen.all(StoreBack)) == 1
    assert not bench.spells.in_trouble


async def test_an_outage_that_only_the_auditor_meets_makes_nobody_unready() -> None:
    bench = Bench()
    loop = Trouble(bench.spells, aside=True)
    loop.saw(AWAY)
    assert not bench.disturbed
    assert not bench.spells.in_trouble
    loop.saw(StoreRefused("here", "WRONGTYPE", "x"))
    assert bench.seen.all(Stuck), "what it is refused is told all the same"


async def test_the_auditor_of_a_worker_is_aside(one_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that always meets silence: the worker stays ready, and works."""
    met = 0

    async def silent(_self: Auditor) -> None:
        nonlocal met
        met += 1
        raise AWAY

    monkeypatch.setattr(Auditor, "round", silent)
    async with working(one_store, telling(), lease_ms=600) as seen:

        async def met_it() -> bool:
            return met > 1

        await until(met_it)
        await Publisher(one_store).send(Told())
        await seen.wait(RunEnded)
    assert not seen.all(StoreTrouble)


def telling() -> Functions:
    functions = Functions()

    @functions.function("test/tell", on=[event(Told)], retries=1)
    async def tell(e: Event[Told], step: Step) -> None:
        return None

    return functions


async def left_by_the_dead(store: Store) -> None:
    slot = store.keys.slot("test/told")
    await SlotCalls(store, Limits()).ensure_group(slot, "test/tell")
    await Publisher(store).send(Told())
    await store.call("XREADGROUP", "GROUP", "test/tell", "dead", "STREAMS", slot.stream, ">")


@pytest.fixture
def quiet_user(one_server: Server) -> Iterator[str]:
    """An address whose user may do everything but speak on channels."""
    with one_server.client() as client:
        client.execute_command("ACL", "SETUSER", "quiet", "on", ">secret", "~*", "+@all", "resetchannels")
        yield one_server.url.replace("://", "://quiet:secret@")
        client.execute_command("ACL", "DELUSER", "quiet")


async def test_without_the_right_to_the_channel_all_goes_on_but_the_nudges(one_store: Store, quiet_user: str) -> None:
    await left_by_the_dead(one_store)
    async with open_store(StoreSettings(quiet_user)) as store, working(store, telling(), lease_ms=600) as seen:
        await seen.wait(TakenOver)
        await seen.wait(RunEnded)
        await Publisher(store).send(Told(), at_ms=await store.time_ms() + 100)
        await seen.wait(Promoted)
        await seen.wait(RunEnded, 2)
    assert [f.what for f in seen.all(Stuck)] == ["hear nudges"]
    assert not seen.all(StoreTrouble)


async def test_one_group_that_is_refused_keeps_no_other_from_being_taken_over(one_store: Store) -> None:
    class Bad(EventModel):
        event_name: ClassVar[str] = "test/bad"

    functions = Functions()

    @functions.function("test/tell", on=[event(Bad), event(Told)], retries=1)
    async def tell(e: Event[EventModel], step: Step) -> None:
        return None

    await one_store.call("SET", "{test/bad}:ready:test/tell", "no stream")
    await left_by_the_dead(one_store)
    async with working(one_store, functions, lease_ms=600) as seen:
        await seen.wait(RunEnded)
        await one_store.call("DEL", "{test/bad}:ready:test/tell")
    assert not seen.all(StoreTrouble)


@pytest.mark.foreign_keys
async def test_what_cant_be_read_is_told_ends_nothing_and_is_told_as_over_when_it_is(
    one_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one_store.call("HSET", one_store.keys.pauses, "test/other", "{")
    await one_store.call("HSET", one_store.keys.slots, b"no {name}", 1, b"\xff", 1)
    await one_store.call("HSET", one_store.keys.workers, "a", "no json", "b", "[]", "c", "{}")
    slot = one_store.keys.slot("test/told")
    for n, raw in enumerate((b"no json", b"[1]", b'{"kind":"event"}', b'{"id":1,"kind":"event","target":"x"}')):
        await one_store.call("HSET", slot.outbox_items, str(n), raw)
        await one_store.call("ZADD", slot.outbox, n, str(n))

    async def heard() -> bool:
        return all([await one_store.call("PUBLISH", one_store.keys.nudges, m) for m in ("some thing", "x", b"\xff 1")])

    async with working(one_store, telling(), lease_ms=600) as seen:
        await until(heard)
        await Publisher(one_store).send(Told())
        await seen.wait(RunEnded)
        await seen.wait(Stuck, 2 + 3 + 4 + 1 + 1)
        await anyio.sleep(1.2)  # a sweep more
        told = [(f.slot, f.what) for f in seen.all(Stuck)]
        assert not seen.all(Unstuck)
        monkeypatch.setattr(promoter, "QUIET_MS", 0)
        await one_store.call("HDEL", one_store.keys.slots, b"no {name}", b"\xff")
        await one_store.call("HDEL", one_store.keys.workers, "a", "b", "c")
        await one_store.call("HDEL", one_store.keys.pauses, "test/other")
        await one_store.call("DEL", slot.outbox_items, slot.outbox)
        over = [(f.slot, f.what) for f in await seen.wait(Unstuck, len(told))]
    assert len(told) == len(set(told)) == 11
    assert sorted(over) == sorted(told)
    assert not seen.all(StoreTrouble)


async def test_who_no_longer_sweeps_what_nobody_subscribes_to_tells_its_troubles_as_over(one_store: Store) -> None:
    """Its own sweep would look at them no more; who won the election tells them anew."""
    slot = one_store.keys.slot("test/orphaned")

    def swept(fact: Stuck) -> bool:
        return fact.what != "audit"  # that is another's business

    await one_store.call("HSET", one_store.keys.slots, slot.name, 1, "no {name}", 1)
    await one_store.call("HSET", slot.outbox_items, "0", "no json")
    await one_store.call("ZADD", slot.outbox, 1, "0")
    await one_store.call("SET", slot.due, "no index")
    async with working(one_store, telling()) as seen:
        told = {(f.slot, f.what) for f in await seen.wait(Stuck, 3, swept)}
        await one_store.call("SET", one_store.keys.sweeper, "another", "PX", 60_000)
        over = {(f.slot, f.what) for f in await seen.wait(Unstuck, 3)}
        assert over == told
        await one_store.call("ZADD", slot.outbox, 1, "0")
        await one_store.call("DEL", one_store.keys.sweeper)
        again = {(f.slot, f.what) for f in (await seen.wait(Stuck, 6, swept))[3:]}
    assert again == told
    await one_store.call("DEL", slot.due, slot.outbox, slot.outbox_items)
    await one_store.call("HDEL", one_store.keys.slots, "no {name}")


async def test_a_worker_that_ends_unasked_says_so(one_store: Store) -> None:
    def astray() -> None:
        for task in asyncio.all_tasks():
            if "Promoter.run" in task.get_name():
                task.cancel()

    asyncio.get_running_loop().call_later(0.3, astray)
    with pytest.raises(RuntimeError, match="nobody stopped it"):
        await Worker(one_store, telling(), QUICK).run(stop=anyio.Event())


async def test_two_events_of_one_function_share_its_places(one_store: Store) -> None:
    class Other(EventModel):
        event_name: ClassVar[str] = "test/other"

    functions, inside, most = Functions(), 0, 0

    @functions.function("test/tell", on=[event(Told), event(Other)], retries=1)
    async def tell(e: Event[EventModel], step: Step) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.02)
        inside -= 1

    for _ in range(6):
        await Publisher(one_store).send(Told())
        await Publisher(one_store).send(Other())
    async with working(one_store, functions, parallel=2) as seen:
        await seen.wait(RunEnded, 12)
    assert most == 2


async def test_no_loop_starts_before_the_servers_clock_is_known(one_store: Store) -> None:
    asked: list[bool] = []

    class Other(ServerClock):
        """A process whose own clock is far off, until it has asked."""

        def now_ms(self) -> int:
            asked.append(math.isfinite(self.steady_for_ms()))  # counted from its first sync on
            return super().now_ms()

    stop = anyio.Event()
    worker = Worker(one_store, telling(), QUICK, clock=Other(one_store, tolerance_ms=500))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: worker.run(stop=stop))
        await anyio.sleep(0.3)
        stop.set()
    assert asked
    assert all(asked)
