"""What is remembered of alerts, in the slot of health's book.

| key                   | type   | what                                                     | who clears it         |
|-----------------------|--------|----------------------------------------------------------|-----------------------|
| `alert:THREAD OUTLET` | string | `told:REPEAT` or `over:REPEAT`, the last thing heard     | expires after 90 days |
| `sending:ID OUTLET`   | string | a send was begun, and how it ended is not known          | its end, where a key  |
|                       |        |                                                          | tells; else 48 h      |
| `digest`              | hash   | event id -> {at, text}, JSON: what waits for the digest  | the digest            |
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from joelclaw_bus import Slot, Store, load_script
from joelclaw_contracts import HEALTH_SLOT
from joelclaw_health.alerting.letter import AlertLetter
from joelclaw_health.alerting.outlets import Outlet

KEEP_THREAD_MS = 90 * 86_400_000
KEEP_SENDING_MS = 2 * 86_400_000  # twice the bus's dedupe window: no run lives longer
KEPT_FOR_DIGEST = 500

Heard = tuple[Literal["told", "over"], int]


@dataclass(frozen=True, slots=True)
class Memory:
    """The typed door. StoreUnavailable, StoreRefused: the run is tried again."""

    store: Store

    @property
    def slot(self) -> Slot:
        return self.store.keys.slot(HEALTH_SLOT)

    async def heard(self, letter: AlertLetter, outlet: Outlet) -> Heard | None:
        """The last thing that this outlet heard of the thread."""
        raw = await self.store.call("GET", self._thread(letter, outlet))
        if not raw:
            return None
        word, _, repeat = raw.decode().partition(":")
        return ("told" if word == "told" else "over"), int(repeat)

    async def note(self, letter: AlertLetter, outlet: Outlet, heard: Heard | None) -> bool:
        """It heard this one; or, had it heard of no beginning, it shall hear of none. False: what was `heard` before
        is not the last thing any more, since another letter of the thread went there meanwhile."""
        word = "over" if letter.closes else "told"
        before = f"{heard[0]}:{heard[1]}" if heard else ""
        return await self._remember(self._thread(letter, outlet), before, f"{word}:{letter.repeat}", KEEP_THREAD_MS)

    async def begin(self, letter: AlertLetter, outlet: Outlet) -> bool:
        """Marks the send as begun; False if it was begun before, and how that ended nobody knows."""
        return await self._remember(self._sending(letter, outlet), "", "1", KEEP_SENDING_MS)

    async def was_begun(self, letter: AlertLetter, outlet: Outlet) -> bool:
        """Whether a send was begun whose end nobody noted: it may have arrived."""
        return await self.store.call("GET", self._sending(letter, outlet)) is not None

    async def ended(self, letter: AlertLetter, outlet: Outlet) -> None:
        """How the send ended is known, so its mark says nothing more."""
        await self.store.call("DEL", self._sending(letter, outlet))

    async def keep(self, letter: AlertLetter, at_ms: int) -> bool:
        """For the digest; the same letter once. False if it is full: then it is counted by nobody, so say so."""
        key = self.slot.key("digest")
        if int(await self.store.call("HLEN", key)) >= KEPT_FOR_DIGEST:
            return False
        text = json.dumps({"at": at_ms, "text": letter.text}, ensure_ascii=False)
        await self.store.write("HSET", key, letter.id, text)
        return True

    async def kept(self) -> dict[str, dict[str, Any]]:
        """What waits for the digest, by event id."""
        flat = await self.store.call("HGETALL", self.slot.key("digest"))
        return {k.decode(): json.loads(v) for k, v in zip(flat[::2], flat[1::2], strict=True)}

    async def forget(self, ids: list[str]) -> None:
        """What a digest has told."""
        if ids:
            await self.store.write("HDEL", self.slot.key("digest"), *ids)

    async def _remember(self, key: str, before: str, after: str, keep_ms: int) -> bool:
        script = load_script("joelclaw_health", "remember")
        return bool(await self.store.run(script, [key], [before, after, keep_ms]))

    def _sending(self, letter: AlertLetter, outlet: Outlet) -> str:
        return self.slot.key("sending", _short(letter.id, outlet.name))

    def _thread(self, letter: AlertLetter, outlet: Outlet) -> str:
        return self.slot.key("alert", _short(letter.thread, outlet.name))


def _short(*parts: str) -> str:
    """How it is spelt inside a key: hashed, since both can be any text."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
