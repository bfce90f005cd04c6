"""Many events at once: what a caller asks, and how it is cut into calls. Pure.

Those of one stream travel in their order, a hundred to a call or so many bytes, and each call is one step of the store:
all that it names is there, or none of it. A batch that is larger, or for several streams, is several steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from joelclaw_bus.slot_calls import Published, ToPublish
from joelclaw_contracts import EventModel

MOST = 100
"""Events of one call: the server does nothing else meanwhile, a millisecond or two."""
BYTES = 256 * 1024
"""One that is larger travels alone."""


@dataclass(frozen=True, slots=True)
class ToSend:
    """One event of a batch, as `Publisher.send` takes it."""

    event: EventModel
    id: str | None = None
    at_ms: int = 0
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """What goes to one stream in one call: `events` by their index in the batch."""

    name: str
    events: Mapping[int, ToPublish]


def portions(events: Iterable[tuple[str, ToPublish]]) -> Iterator[Portion]:
    """Stream by stream, each in the batch's order."""
    by_stream: dict[str, list[tuple[int, ToPublish]]] = {}
    for index, (name, event) in enumerate(events):
        by_stream.setdefault(name, []).append((index, event))
    for name, rows in by_stream.items():
        part, size = dict[int, ToPublish](), 0
        for index, event in rows:
            weight = sum(len(value) for value in event.fields.values())
            if part and (len(part) >= MOST or size + weight > BYTES):
                yield Portion(name, part)
                part, size = {}, 0
            part[index], size = event, size + weight
        yield Portion(name, part)


def in_order(done: Mapping[int, Published]) -> list[Published]:
    return [done[index] for index in range(len(done))]
