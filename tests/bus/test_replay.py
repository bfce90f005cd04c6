"""Dead letters put back: under an id of their own, and once."""

from __future__ import annotations

from joelclaw_bus import Store
from joelclaw_bus.dead_letters import replay
from joelclaw_bus.inspect.dead import find_dead

FIELDS = ("kind", "run", "function", "test/ask", "run", "test/ask:one", "error", "it broke")
BODY = ("e:entry", "1-1", "e:id", "one", "e:data", "{}")


async def test_a_letter_is_put_back_once(store: Store) -> None:
    slot = store.keys.slot("test/asked")
    await store.call("HSET", store.keys.slots, slot.name, 1)
    raw = await store.call("XADD", slot.dead, "*", *FIELDS, *BODY)
    (letter,) = await find_dead(store, raw.decode())
    assert await replay(store, letter, b"{}") is not None
    assert await replay(store, letter, b"{}") is None
    ((_, flat),) = await store.call("XRANGE", slot.stream, "-", "+")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    assert fields[b"id"] == f"replay-{raw.decode()}".encode()
    assert fields[b"replayOf"] == b"one"
    assert await store.call("XLEN", slot.dead) == 0
