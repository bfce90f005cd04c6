"""The book: what health remembers, in one slot, written one judged round at a time.

Keys, all under `{healing/health}:` (a deployment prefix inside the braces):

| key                 | type   | what                                              | who clears it        |
|---------------------|--------|---------------------------------------------------|----------------------|
| `checks`            | hash   | `COMPONENT CONDITION` -> HealthCheck, JSON        | the round that retires it |
| `firsts`            | hash   | what is backed up -> since when it is, ms         | never (a few)        |
| `round`             | string | the last round, HealthRound, JSON                 | never (one)          |
| `seq`               | string | how many rounds were written                      | never (one)          |
| `done:ROUND`        | string | a round that was written, and its outcome         | expires after 48 h   |
| `alert:…`, `sending:…`, `digest` |  | alerts (see `alerting/memory`)         |                      |
| `outbox`, `…:items` |        | letters on their way (the bus delivers them)      | delivery             |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_bus import OutboxItem, Slot, Store, load_script
from joelclaw_contracts import HEALTH_SLOT, HealthCheck, HealthRound
from joelclaw_healing import Letter

KEEP_DONE_MS = 172_800_000  # twice the bus's dedupe window


def _nobody(slot: Slot, item: OutboxItem) -> None:
    """Without a worker: the next sweep of somebody's worker delivers."""
    del slot, item


@dataclass(frozen=True, slots=True)
class Page:
    """What is remembered. A round judged on it is written only if `seq` still stands."""

    seq: str
    checks: dict[str, HealthCheck]
    now: int


@dataclass(frozen=True, slots=True)
class Book:
    """The one typed door. `post` hands a stored letter to the worker's outbox, for delivery at once."""

    store: Store
    post: Callable[[Slot, OutboxItem], None] = _nobody

    @property
    def slot(self) -> Slot:
        return self.store.keys.slot(HEALTH_SLOT)

    async def read(self) -> Page:
        """All of it, in one round trip. StoreUnavailable, StoreRefused."""
        rows, seq, clock = await self.store.calls(
            [("HGETALL", self.slot.key("checks")), ("GET", self.slot.key("seq")), ("TIME",)]
        )
        for reply in (rows, seq, clock):
            if isinstance(reply, Exception):
                raise reply
        checks = {k.decode(): HealthCheck.model_validate_json(v) for k, v in zip(rows[::2], rows[1::2], strict=True)}
        return Page((seq or b"0").decode(), checks, int(clock[0]) * 1000 + int(clock[1]) // 1000)

    async def last_round(self) -> HealthRound | None:
        """None if none ever ended. StoreUnavailable, StoreRefused."""
        raw = await self.store.call("GET", self.slot.key("round"))
        return HealthRound.model_validate_json(raw) if raw else None

    async def firsts(self, names: Collection[str], now: int) -> dict[str, int]:
        """Since when each is known, ms; what is asked for the first time is known from `now` on, for good.

        A store that takes no writes costs no look: then it is `now`, and the next look remembers. StoreUnavailable,
        StoreRefused.
        """
        key = self.slot.key("firsts")
        rows = await self.store.call("HGETALL", key)
        known = {k.decode(): int(v) for k, v in zip(rows[::2], rows[1::2], strict=True)}
        new = [name for name in names if name not in known]
        if new:
            await self.store.calls([("HSETNX", key, name, now) for name in new])
        return {name: known.get(name, now) for name in names}

    async def write(
        self,
        page: Page,
        name: str,
        *,
        checks: Sequence[HealthCheck],
        gone: Sequence[str],
        round: HealthRound,
        letters: Sequence[Letter],
        outcome: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        """Writes the round `name`; its outcome, or that of the first time. None: judge again, the book has moved."""
        items = [letter.item(traceparent="", created_ms=page.now) for letter in letters]
        body = {
            "seq": page.seq,
            "checks": {f"{c.component} {c.condition}": _dumps(c.to_wire()) for c in checks},
            "gone": list(gone),
            "round": _dumps(round.to_wire()),
            "letters": [{"id": item.id, "item": item.encode().decode()} for item in items],
            "outcome": _dumps(outcome),
            "keep": KEEP_DONE_MS,
        }
        keys = [self.slot.key(k) for k in ("checks", "round", "seq")]
        keys += [self.slot.key("done", name), self.slot.outbox, self.slot.outbox_items]
        answer = await self.store.run(load_script("joelclaw_health", "turn"), keys, [_dumps(body)])
        if answer == 0:
            return None
        if answer[0] == b"made":
            for item in items:
                self.post(self.slot, item)
        told: dict[str, Any] = json.loads(answer[1])
        return told


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
