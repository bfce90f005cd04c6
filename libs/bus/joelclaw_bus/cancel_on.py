"""What cancels the runs of a function, as it is declared: an event whose fields say the same as the run's own. Pure.

@functions.function("shop/charge", on=[event(OrderPlaced)], retries=3, cancel_on=[cancel_on(OrderCancelled, "order")])
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from joelclaw_bus.awaited import Awaited, Plain
from joelclaw_bus.event import Event
from joelclaw_contracts import EventModel

PLAIN = frozenset(("str", "int", "bool"))


@dataclass(frozen=True, slots=True)
class CancelOn:
    """A run ends as cancelled when an event of `model` comes whose `match` fields say the same as the run's event."""

    model: type[EventModel]
    match: tuple[str, ...]

    def awaited(self, e: Event[Any]) -> Awaited[EventModel] | None:
        """What cancels the run of `e`; None: a field of it is empty, so that nothing can say the same."""
        wanted = dict[str, Plain]()
        for path in self.match:
            value = _value(e.data, path)
            if value is None:
                return None
            wanted[_on_the_wire(self.model, path)[0]] = value
        return Awaited(self.model, wanted)


def cancel_on(model: type[EventModel], *match: str) -> CancelOn:
    """`match`: fields (by either name; dots lead into objects) whose values must be the same in both events; none: any
    such event. What the other event's producer left at its default is not on the wire, and is the same as nothing."""
    return CancelOn(model, match)


def problem_of(cancels: Sequence[CancelOn], triggers: Sequence[type[EventModel]], ticks: bool) -> str:
    """What speaks against them; '' nothing."""
    if len({c.model.event_name for c in cancels}) < len(cancels):
        return "has two cancel_on for one event; a run is cancelled by one match of each"
    for c in cancels:
        if ticks and c.match:
            return f"has a cron trigger, whose ticks have no field {c.match[0]!r}; give it a function of its own"
        for path in c.match:
            kinds = PLAIN
            for model in (c.model, *triggers):
                try:
                    here = _on_the_wire(model, path)[1]
                except ValueError as error:
                    return f"cancel_on={c.model.__name__} can't match {path!r}: {error}"
                if not kinds & here:
                    words = f"{' or '.join(sorted(kinds))} is never the same as in {model.event_name}"
                    return f"cancel_on={c.model.__name__} can't match {path!r}: {words}"
                kinds &= here
    return ""


def _on_the_wire(model: type[BaseModel], path: str) -> tuple[str, frozenset[str]]:
    """A path as it is called on the wire, and which kinds of JSON value it may have there; ValueError when it leads
    nowhere, or to what has no one spelling."""
    first, dot, rest = path.partition(".")
    name = _field(model, first)
    info = model.model_fields[name]
    wire, members = info.alias or name, _members(info.annotation)
    if dot:
        nested = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
        if len(nested) != 1 or len(members) != 1:
            raise ValueError(f"{first!r} of {_called(model)} is no object whose fields are known")
        inner, kinds = _on_the_wire(nested[0], rest)
        return f"{wire}.{inner}", kinds
    each = [_kinds(member) for member in members]
    if not all(each):
        raise ValueError(f"{first!r} of {_called(model)} is no string, integer, bool, or enum of those")
    return wire, frozenset[str]().union(*each)


def _value(data: BaseModel, path: str) -> Any:
    """What an event says there, as JSON would."""
    *objects, last = path.split(".")
    at: Any = data
    for part in objects:
        at = getattr(at, _field(type(at), part))
        if at is None:
            return None
    name = _field(type(at), last)
    return at.model_dump(mode="json", by_alias=False, include={name})[name]


def _field(model: type[BaseModel], called: str) -> str:
    """A field by either of its names."""
    for name, info in model.model_fields.items():
        if called in (name, info.alias):
            return name
    known = ", ".join(sorted(info.alias or name for name, info in model.model_fields.items()))
    raise ValueError(f"{_called(model)} has no field {called!r}; it has {known}")


def _members(annotation: Any) -> list[Any]:
    """What a field may be beside None."""
    while hasattr(annotation, "__supertype__"):  # a NewType
        annotation = annotation.__supertype__
    match get_origin(annotation):
        case typing.Annotated:
            return _members(get_args(annotation)[0])
        case typing.Union | types.UnionType:
            return [member for one in get_args(annotation) for member in _members(one)]
        case _:
            return [] if annotation is type(None) else [annotation]


def _kinds(member: Any) -> frozenset[str]:
    """Which of PLAIN; none for what has several spellings in JSON (a float, a date, a UUID) or is no one value."""
    if get_origin(member) is typing.Literal:
        values = [value for value in get_args(member) if value is not None]
    elif isinstance(member, type) and issubclass(member, Enum):
        values = list(member)
    else:
        kind = next((kind for kind in (bool, int, str) if isinstance(member, type) and issubclass(member, kind)), None)
        return frozenset([kind.__name__] if kind else [])
    found = frozenset(type(value.value if isinstance(value, Enum) else value).__name__ for value in values)
    return found if found <= PLAIN else frozenset()


def _called(model: type[BaseModel]) -> str:
    return f"event {model.event_name}" if issubclass(model, EventModel) else model.__name__
