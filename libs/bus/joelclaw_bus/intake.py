"""Reading an entry that anyone may have written: its envelope, its size, its payload; or why it can't be read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from joelclaw_bus.event import Event, Tick
from joelclaw_bus.functions import Function
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.store import Arg
from joelclaw_bus.wording import line_of
from joelclaw_contracts import ContractError, Envelope, EventModel, normal_id

MOST_FIELDS = 64
"""A record and a dead letter carry an entry's fields; a script can hand on some thousand values at most."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`letter`: the dead letter's fields and values; `data`: the payload as far as it is kept."""

    error: str
    event_id: str
    data: bytes
    letter: list[Arg]


class Read(NamedTuple):
    """`explicit_id`: '' when the producer gave none; `wire`: the payload as it came."""

    event: Event[EventModel]
    explicit_id: str
    wire: Mapping[str, Any]


def read(fn: Function, slot: Slot, entry: str, fields: Mapping[bytes, bytes], limits: Limits) -> Read | Unreadable:
    """What triggers a function, or why a handler may not see it."""
    return read_as(model_of(fn, slot), slot, entry, fields, limits)


def read_as(
    model: type[EventModel], slot: Slot, entry: str, fields: Mapping[bytes, bytes], limits: Limits
) -> Read | Unreadable:
    """The same for whoever names the model."""
    size = sum(len(k) + len(v) for k, v in fields.items())
    try:
        if size > limits.event_bytes + 4096:  # the envelope's own fields are not the payload's
            raise TooLarge(f"the entry has {size} bytes; {limits.event_bytes} are allowed")
        if len(fields) > MOST_FIELDS:
            raise TooLarge(f"the entry has {len(fields)} fields; {MOST_FIELDS} are allowed")
        envelope = Envelope.from_fields(fields)
        data, wire = model.from_json_with_wire(envelope.data)
    except (ContractError, TooLarge) as error:
        return _unreadable(str(error), entry, fields, limits)
    except Exception as error:  # a model's own validator is the service's code: its fault must not stop the entry
        return _unreadable(f"{slot.name}: its model failed: {line_of(error)}", entry, fields, limits)
    event = Event(
        name=slot.name,
        id=envelope.id or entry,
        entry=entry,
        ts_ms=envelope.ts if envelope.ts is not None else int(entry.partition("-")[0]),
        source=envelope.source or "",
        traceparent=envelope.traceparent or "",
        data=data,
    )
    return Read(event, envelope.id or "", wire)


def model_of(fn: Function, slot: Slot) -> type[EventModel]:
    trigger = fn.trigger_of(slot.name)
    return trigger.model if trigger else Tick


class TooLarge(ValueError):
    """An entry over the size limits."""


def _unreadable(error: str, entry: str, fields: Mapping[bytes, bytes], limits: Limits) -> Unreadable:
    data = fields.get(b"data", b"")
    try:
        event_id = normal_id(fields[b"id"].decode()) if fields.get(b"id") else entry
    except (UnicodeDecodeError, ContractError):
        event_id = entry
    letter: list[Arg] = ["kind", "entry", "error", error, "e:entry", entry]
    kept = limits.letter_bytes
    for name, value in sorted(fields.items(), key=lambda field: field[0] != b"data")[:MOST_FIELDS]:
        letter += [b"e:" + name[:64], value[:kept]]
        if len(value) > kept:
            letter += [b"cut:" + name[:64], f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}"]
    return Unreadable(error, event_id, data[:kept], letter)
