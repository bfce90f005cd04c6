"""Events that cancel a run: its waits for them stand before its handler is called, and end with the run.

They are waits like a handler's own (see `waits`), under a step that no handler can have. What they find is not noted
for the run but ends it, whatever it does: `cancel.lua` refuses its writes from then on. Each begin registers them anew
and looks back, to where its event came: so whatever becomes of a wait on the way, no begin of a cancelled run acts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joelclaw_bus.awaited import Awaited, Spec
from joelclaw_bus.cancel_on import CancelOn
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.event import Event
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_calls import Refused
from joelclaw_bus.run_names import CANCEL
from joelclaw_bus.slot_calls import OutboxCalls
from joelclaw_bus.trouble import is_away
from joelclaw_bus.waiting import Waiting
from joelclaw_contracts import EventModel

DAY_MS = 86_400_000
LONGEST_MS = 366 * DAY_MS
"""So long the awaited slot remembers such a wait, should nobody take it away, since its run's last begin."""


@dataclass(slots=True)
class Cancels:
    """Those of one begin. `waiting`: this begin's view of what its run waits for; `names`: the events whose waits
    stand, as its record says, whatever its function declares by now."""

    on: Sequence[CancelOn]
    event: Event[Any]
    waiting: Waiting
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        try:
            noted = json.loads(self.waiting.record.get(b"cancels", b"[]"))
        except ValueError:  # anyone may have written it: what can't be read names nothing
            noted = []
        self.names = [name for name in noted if isinstance(name, str)] if isinstance(noted, list) else []

    async def stand(self) -> bool:
        """Have the waits registered, and those taken away that an older build declared; False: the run is not ours any
        more, since one of these events had come already or its lease is lost. ValueError: a field's value can't be
        matched."""
        w, d = self.waiting, self.waiting.delivery
        items = self._items()
        names = [item.target for item in items]
        # The end has an id of its own for what it sends: one of these may still be on its way by then.
        over = [
            replace(item, id=f"{item.id}:{item.target}")
            for n, item in enumerate(self.unwaits())
            if n >= len(names) or names[n] != item.target
        ]
        if not items and not over:
            return True
        noted = await w.waits.wait_calls.guard(d, names, [*items, *over])
        if isinstance(noted, Refused):
            return False
        self.names = names
        items += over
        for item in items:
            try:
                if item.kind == "unwait":
                    await w.waits.call_off(item)
                if item.kind == "unwait" or await w.waits.register(item, of_ours=True):
                    await OutboxCalls(w.waits.calls.store, w.waits.calls.limits).outbox_done(d.slot, [item.id])
            except (StoreUnavailable, StoreRefused) as error:
                if isinstance(error, StoreRefused) and not is_away(error):
                    raise
                continue  # that event's node is away: the item stays, and whoever sweeps the outbox registers it
        claim, state = await w.waits.calls.store.call("HMGET", d.slot.run(d.run), "claim", "state")
        if state == b"ended":  # what ended it may have called them off before they stood
            for item in self.unwaits():
                await w.waits.call_off(item)
        return bool(claim == d.claim.encode())

    def unwaits(self) -> list[OutboxItem]:
        """What an end of the run sends to take them away."""
        key = f"{self.waiting.delivery.slot.name}|{self.waiting.delivery.run}:{CANCEL}"
        return [
            OutboxItem(id=f"unwait:{key}:{n}", kind="unwait", target=name, event_id=f"{key}:{n}")
            for n, name in enumerate(self.names)
        ]

    def _items(self) -> list[OutboxItem]:
        awaited: list[Awaited[EventModel]] = [a for c in self.on if (a := c.awaited(self.event))]
        since = tuple(self.waiting.since(a, None) for a in awaited)
        spec = Spec(False, tuple(a.event for a in awaited), tuple(dict(a.match) for a in awaited), since)
        return self.waiting.registrations(CANCEL, awaited, spec, self.waiting.clock() + LONGEST_MS)
