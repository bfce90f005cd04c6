"""What judgement needs to see, read in one script: all of one moment, and one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.errors import BusError
from joelclaw_bus.script import load_script
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
    store: Store,
    keys: LedgerKeys,
    current: str,
    incident: str,
    move: str,
    charges: Sequence[Charge],
    place: Place | None,
) -> Look:
    """The incident of this id, or ('') the one that the key `current` names. StoreUnavailable, StoreRefused: then
    nobody may act."""
    domain, target, group = (place.domain, place.target, place.group) if place else ("none", "none", "none")
    reply = await store.run(
        load_script("joelclaw_healing", "look"),
        [
            *(current, keys.done(move or "none"), keys.switch, keys.pauses, keys.storms, keys.failing(group)),
            *(keys.outages(domain, target), keys.current(STORM, group), *(keys.budget(c) for c in charges)),
        ],
        [
            *(incident, f"{domain}/{target}", place.window_ms if place else "", MOST_OUTAGES),
            *(c.window_ms for c in charges),
        ],
    )
    now, id, row, earlier, switch, pauses, storms, spent, failing, outages, storm = reply
    return Look(
        now=now,
        incident=incident_of(row),
        current=text_of(id),
        earlier=json.loads(earlier) if earlier else None,
        switch=KillSwitch.from_fields(hash_of(switch)),
        spent=tuple(spent),
        pauses=reasons_of(hash_of(pauses), now),
        storms={text_of(storms[i]): int(float(storms[i + 1])) for i in range(0, len(storms), 2)},
        failing=failing,
        outages=tuple(int(float(score)) for score in outages[1::2]),
        storm=text_of(storm),
    )


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
