"""Alerts as they come: every new entry of `gateway/send.message` is shown on the terminal of `joelclaw up`."""

from __future__ import annotations

import json
from typing import Any

import anyio

from joelclaw_bus.errors import BusError
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_cli.up.feed import Feed

EVENT = "gateway/send.message"
BLOCK = 5.0


async def show_alerts(settings: StoreSettings, feed: Feed) -> None:
    """Until cancelled. The store's absence is told by those whose work it stops; here it is only waited out."""
    last = ""
    while True:
        try:
            async with open_store(settings) as store:
                last = last or await _newest(store)
                async with store.reader(BLOCK) as reader:
                    while True:
                        key = store.keys.slot(EVENT).stream
                        reply = await reader.call(
                            "XREAD", "COUNT", 100, "BLOCK", int(BLOCK * 1000), "STREAMS", key, last
                        )
                        for entry, pairs in reply[0][1] if reply else ():
                            last = entry.decode()
                            feed.alert(_text(pairs), source="alert")
        except BusError:
            await anyio.sleep(1.0)


async def _newest(store: Store) -> str:
    entries = await store.call("XREVRANGE", store.keys.slot(EVENT).stream, "+", "-", "COUNT", 1)
    return entries[0][0].decode() if entries else "0-0"


def _text(pairs: list[bytes]) -> str:
    """`channel: text`; anything that is no alert of ours is shown as it came."""
    data = dict(zip(pairs[::2], pairs[1::2], strict=False)).get(b"data", b"").decode("utf-8", "replace")
    try:
        message: Any = json.loads(data)
        return f"{message['channel']}: {message['text']}"
    except (ValueError, KeyError, TypeError):
        return data[:500]
