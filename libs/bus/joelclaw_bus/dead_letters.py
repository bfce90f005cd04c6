"""Acts on dead letters: put one back on its stream, mended if need be, or drop it. `inspect.dead` reads them."""

from __future__ import annotations

import time

from joelclaw_bus.errors import EventInvalid
from joelclaw_bus.inspect.dead import DeadLetter
from joelclaw_bus.limits import Limits
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Arg, Store


def replay_id(letter: DeadLetter) -> str:
    """The id of the replayed event: a new one, so that it is no duplicate; the same however often it is asked."""
    return f"replay-{letter.id}"


async def replay(store: Store, letter: DeadLetter, data: bytes, *, limits: Limits | None = None) -> str | None:
    """Append the event anew with `replayOf`, and take the letter away; its entry id. None: the letter is gone.

    Every function of the event gets it, as it gets any new event. The caller answers for `data`.
    """
    most = (limits or Limits()).event_bytes
    if len(data) > most:
        raise EventInvalid(letter.event, f"has {len(data)} bytes; {most} are allowed")
    slot = store.keys.slot(letter.event)
    fields: list[Arg] = ["data", data, "id", replay_id(letter), "ts", int(time.time() * 1000)]
    fields += ["source", "joelclaw", "replayOf", letter.event_id or letter.id]
    entry = await store.run(load_script("joelclaw_bus", "replay"), [slot.stream, slot.dead], [letter.id, *fields])
    return entry.decode() or None


async def drop(store: Store, letter: DeadLetter) -> bool:
    """Delete a letter; whether it was still there."""
    return bool(await store.call("XDEL", store.keys.slot(letter.event).dead, letter.id))
