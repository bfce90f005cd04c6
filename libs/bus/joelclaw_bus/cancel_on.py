"""What cancels the runs of a function, as it is declared: an event whose fields say the same as the run's own. Pure.

@functions.function("shop/charge", on=[event(OrderPlaced)], retries=3, cancel_on=[cancel_on(OrderCancelled, "order")])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.awaited import Awaited, Plain, wire_name
from joelclaw_bus.event import Event
from joelclaw_contracts import EventModel


@dataclass(frozen=True, slots=True)
class CancelOn:
    """A run ends as cancelled when an event of `model` comes whose `match` fields say the same as the run's event."""

    model: type[EventModel]
    match: tuple[str, ...]

    def awaited(self, e: Event[Any]) -> Awaited[EventModel] | None:
        """What cancels the run of `e`; None: a field of it is empty, so that nothing can say the same."""
        wanted = dict[str, Plain]()
        for path in self.match:
            value: Any = e.data
            for name in path.split("."):
                value = getattr(value, name, None)
            if value is None:
                return None
            wanted[path] = value
        return Awaited(self.model, wanted)


def cancel_on(model: type[EventModel], *match: str) -> CancelOn:
    """`match`: fields (dots lead into objects) whose values must be the same in both events; none: any such event."""
    return CancelOn(model, match)


def problem_of(cancels: Sequence[CancelOn], triggers: Sequence[type[EventModel]], ticks: bool) -> str:
    """What speaks against them; '' nothing."""
    if len({c.model.event_name for c in cancels}) < len(cancels):
        return "has two cancel_on for one event; a run is cancelled by one match of each"
    for c in cancels:
        if ticks and c.match:
            return f"has a cron trigger, whose ticks have no field {c.match[0]!r}; give it a function of its own"
        for model in (c.model, *triggers):
            for path in c.match:
                try:
                    wire_name(model, path)
                except ValueError as error:
                    return f"cancel_on={c.model.__name__} can't match {path!r}: {error}"
    return ""
