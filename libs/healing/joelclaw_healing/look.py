"""What judgement needs to see, read in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.errors import BusError
from joelclaw_bus.store import Store
from joelclaw_healing.incident import Incident
from joelclaw_healing.ledger_keys import LedgerKeys
from joelclaw_healing.move import Charge
from joelclaw_healing.pause_reasons import PauseReason, reasons_of
from joelclaw_healing.switch import KillSwitch

MOST_OUTAGES = 100
"""So many of the newest are read."""
STORM = "storm"
"""The domain of the incidents that stand for the common cause of many; their target is the group."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target and its group, and how far back failures count as together, ms: what a look sees around an incident."""

    domain: str
    target: str
    group: str
    window_ms: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """A move made on it holds only if it is still so.

    now: the store's clock, ms. earlier: the outcome if the move was made before. current: the id that the target's
    `current` names (its incident can be gone). spent: units used per charge asked for, in that order. pauses: reasons
    that last. storms: groups in a storm, and until when. Of the place asked for: failing, how many other targets of its
    group failed lately; outages, when it failed after it had been well, oldest first; storm, the incident of its
    group's storm while it is open. blind: why the healer mistrusts its eyes; who looks knows it, the ledger doesn't.
    """

    now: int
    incident: Incident | None = None
    current: str = ""
    earlier: dict[str, Any] | None = None
    switch: KillSwitch | None = None
    spent: tuple[int, ...] = ()
    pauses: tuple[PauseReason, ...] = ()
    storms: Mapping[str, int] = field(default_factory=dict)
    failing: int = 0
    outages: tuple[int, ...] = ()
    storm: str = ""
    blind: str = ""


async def look(
    store: Store, keys: LedgerKeys, incident: str, move: str, charges: Sequence[Charge], place: Place | None
) -> Look:
    """StoreUnavailable, StoreRefused: then nobody may act."""
    now = await store.time_ms()
    since = now - (place.window_ms if place else 0) + 1
    commands: list[tuple[str | int, ...]] = [
        ("HGETALL", keys.incident(incident or "none")),
        ("GET", keys.done(move or "none")),
        ("HGETALL", keys.switch),
        ("HGETALL", keys.pauses),
        ("ZRANGE", keys.storms, now + 1, "+inf", "BYSCORE", "WITHSCORES"),
        *(("ZCOUNT", keys.budget(c), now - c.window_ms + 1, "+inf") for c in charges),
    ]
    if place is not None:
        commands += [
            ("ZCOUNT", keys.failing(place.group), since, "+inf"),
            ("ZSCORE", keys.failing(place.group), f"{place.domain}/{place.target}"),
            ("ZRANGE", keys.outages(place.domain, place.target), -MOST_OUTAGES, -1, "WITHSCORES"),
            ("GET", keys.current(STORM, place.group)),
        ]
    replies = [sound(reply) for reply in await store.calls(commands)]
    failing, outages, storm = 0, tuple[int, ...](), ""
    if place is not None:
        *replies, count, mine, rows, named = replies
        failing = int(count) - int(mine is not None and float(mine) >= since)
        outages = tuple(int(float(score)) for score in rows[1::2])
        storm = await _open_storm(store, keys, text_of(named))
    row, earlier, switch, pauses, storms, *spent = replies
    return Look(
        now=now,
        incident=incident_of(row),
        current=incident,
        earlier=json.loads(earlier) if earlier else None,
        switch=KillSwitch.from_fields(hash_of(switch)),
        spent=tuple(int(n) for n in spent),
        pauses=reasons_of(hash_of(pauses), now),
        storms={text_of(storms[i]): int(float(storms[i + 1])) for i in range(0, len(storms), 2)},
        failing=failing,
        outages=outages,
        storm=storm,
    )


async def _open_storm(store: Store, keys: LedgerKeys, incident: str) -> str:
    """The storm's incident while it is not closed; asked only where there lately was one."""
    if not incident:
        return ""
    return incident if await store.call("HGET", keys.incident(incident), "state") not in (None, b"closed") else ""


def text_of(raw: Any) -> str:
    return raw.decode("utf-8", "surrogateescape") if raw else ""


def sound(reply: Any) -> Any:
    """A pipeline's reply, or its refusal raised: an unreadable store must not look like an empty one."""
    if isinstance(reply, BusError):
        raise reply
    return reply


def hash_of(row: Sequence[bytes]) -> dict[str, str]:
    return {text_of(row[i]): text_of(row[i + 1]) for i in range(0, len(row), 2)}


def incident_of(row: Any) -> Incident | None:
    fields = hash_of(sound(row))
    return Incident.from_fields(fields) if fields.get("id") else None
