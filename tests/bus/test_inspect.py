"""The read room, on a plain server and on a one-node cluster: what it says is so, and rubbish breaks nothing."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import Publisher, Store
from joelclaw_bus.inspect.dead import find_dead, list_dead
from joelclaw_bus.inspect.entries import ends, follow, latest, newest_first
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.streams import stream_facts


async def add(store: Store, name: str, n: int, entry: str = "*") -> None:
    await store.call("XADD", name, entry, "data", f'{{"n":{n}}}')


@pytest.mark.foreign_keys
async def test_companions_and_other_keys_are_no_events(store: Store) -> None:
    await add(store, "a/b", 1)
    await store.call("XADD", store.keys.slot("a/b").dead, "*", "kind", "entry")
    await store.call("XADD", store.keys.slot("a/b").ready("f"), "*", "run", "x")
    await store.call("XADD", "no name at all", "*", "data", "{}")
    await store.call("SET", "a/string", "x")
    assert await event_names(store) == ["a/b"]
    assert await event_names(store, "b*") == []


async def test_the_latest_of_many_streams_come_in_the_order_of_time(store: Store) -> None:
    for n in range(6):
        await add(store, f"s/{n % 3}", n, f"{1000 + n}-0")
    assert [e.data["n"] for e in await latest(store, "s/*", limit=4)] == [2, 3, 4, 5]
    assert [e.data["n"] for e in await latest(store, "*", since_ms=1004)] == [4, 5]
    assert [e.data["n"] for e in await latest(store, "*", without={"s/0", "s/1"})] == [2, 5]


async def test_pages_miss_nothing_and_repeat_nothing(store: Store) -> None:
    for n in range(1203):
        await add(store, "s", n, f"1000-{n + 1}")
    found = [e.data["n"] async for e in newest_first(store, "s", keep=lambda _: True)]
    assert found == list(range(1202, -1, -1))


async def test_following_sees_each_new_entry_once_also_of_streams_that_appear_later(store: Store) -> None:
    await add(store, "s/old", 0)
    after, got = await ends(store, "s/*"), list[int]()

    async def write() -> None:
        for n in range(1, 5):
            await add(store, f"s/{n % 2}", n)
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        with anyio.fail_after(20):
            async for batch in follow(store, "s/*", after=after, block=0.3):
                got += [e.data["n"] for e in batch]
                if len(got) >= 4:
                    break
    assert sorted(got) == [1, 2, 3, 4]


async def test_a_registered_stream_without_entries_is_listed_with_nothing_in_it(store: Store) -> None:
    at = await store.time_ms() + 60_000
    await Publisher(store).send_raw("s/later", b"{}", at_ms=at)
    (facts,) = await stream_facts(store)
    assert (facts.name, facts.length, facts.last_ms, facts.due, facts.groups) == ("s/later", 0, None, 1, ())


async def test_a_letters_id_that_can_be_none_is_simply_not_found(store: Store) -> None:
    await add(store, "s", 1)
    for letter in ("", "x", "1-", "1-0\r\nFLUSHALL", "-"):
        assert await find_dead(store, letter) == []


@pytest.mark.parametrize(
    "raw",
    [b"[" * 20_000, b'{"a":' * 20_000, b"[" * 20_000 + b"]" * 20_000, b'{"a":NaN}', b'{"a":1,"a":2}', b"9" * 5000],
)
async def test_one_entry_of_rubbish_blinds_nobody(store: Store, raw: bytes) -> None:
    await store.call("XADD", "s", "*", "data", raw, "ts", "²", "id", "x")
    await store.call("XADD", store.keys.slot("s").dead, "*", "kind", "entry", "e:data", raw, "x:²", "no attempt")
    await add(store, "s", 1)
    first, second = await latest(store, "s")
    assert isinstance(first.data, str)
    assert len(first.data) < 2100
    assert first.data.startswith(raw[:9].decode())
    assert second.data == {"n": 1}
    (letter,) = await list_dead(store)
    assert (letter.data, letter.errors) == (first.data, {})
