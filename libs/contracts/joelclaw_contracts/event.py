"""What every event is: a frozen model, camelCase on the wire, strict about types, deaf to what it doesn't know.

    raw bytes ── from_json ──► model ── to_json ──► the same bytes, canonical
    wire dict ── from_wire ──► model ── to_wire ──► the same dict

Canonical means: fields that nobody gave are not written (the reader has the same defaults), nor are nulls,
which say the same; inside free objects (`context`, `metadata`) everything is kept. Only wire names are read
from the wire; Python names work in constructors. A reader ignores unknown fields, and can list them with
`unknown_fields`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from . import strict_json
from .complaint import first_complaint
from .errors import PayloadInvalid
from .names import check_name
from .redact import redact

MAX_UNKNOWN = 100


class WireModel(BaseModel):
    """A part of an event: what nested models and events have in common."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,  # a field's docstring is its description in the JSON Schema
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict) or None not in given.values():
            return given
        # Producers in JavaScript write null for "not said". Where a value is required, null stays and is refused.
        needed = _required(cls)
        return {name: value for name, value in given.items() if value is not None or name in needed}

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready values: what was given, by wire name, without nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class EventModel(WireModel):
    """An event's payload. A subclass sets `event_name`, which is also its stream's key after the prefix."""

    event_name: ClassVar[str]

    carried: ClassVar[frozenset[str]] = frozenset()
    """Wire names that the suite may add to this event and this model does not read (see `events.routed`)."""

    told: ClassVar[bool] = False
    """Whether it leaves for people and for strangers: then no secret of what it carries is written."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        check_name(cls.event_name)

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Reads the `data` of a stream entry. Raises `PayloadInvalid`, whatever the bytes are."""
        return cls.from_json_with_wire(raw)[0]

    @classmethod
    def from_json_with_wire(cls, raw: bytes | str) -> tuple[Self, Mapping[str, Any]]:
        """The same, and the payload as it came: for `unknown_fields`, so that it is parsed once."""
        try:
            wire = strict_json.loads(raw)
        except strict_json.NotStrictJson as error:
            raise PayloadInvalid(cls.event_name, None, f"the payload {error}") from None
        return cls.from_wire(wire), wire

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Reads parsed JSON. Raises `PayloadInvalid` that names the field in camelCase."""
        if not isinstance(wire, Mapping):
            kind = "null" if wire is None else f"of type {type(wire).__name__}"
            raise PayloadInvalid(cls.event_name, None, f"the payload is {kind}; expected a JSON object")
        try:
            return cls.model_validate(dict(wire), by_alias=True, by_name=False)
        except ValidationError as error:
            field, problem = first_complaint(cls, error)
            raise PayloadInvalid(cls.event_name, field, problem) from None

    def to_wire(self) -> dict[str, Any]:
        wire = super().to_wire()
        return cast(dict[str, Any], redact(wire, strict_json.MAX_DEPTH)) if self.told else wire

    def to_json(self) -> bytes:
        """The payload as compact UTF-8, ready for the entry's `data`."""
        if self.told:
            return json.dumps(self.to_wire(), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        return self.model_dump_json(by_alias=True, exclude_unset=True, exclude_none=True).encode()

    @classmethod
    def unknown_fields(cls, wire: Mapping[str, Any]) -> list[str]:
        """The dotted camelCase paths in `wire` that no model reads, each once, at most 100.

        Lists add no index (`evidence.sevrity`), so that a metric by path stays small. Free objects and
        fields that the suite is known to carry along are not unknown.
        """
        own, found = _fields_of(cls), dict[str, None]()
        if cls.carried:
            wire = {k: v for k, v in wire.items() if k in own or k not in cls.carried}
        _collect_unknown(cls, wire, "", found)
        return list(found)


@cache
def _fields_of(model: type[WireModel]) -> dict[str, type[WireModel] | None]:
    """Wire name -> the nested model, if it has one."""
    return {info.alias or name: _model_in(info.annotation) for name, info in model.model_fields.items()}


@cache
def _required(model: type[WireModel]) -> frozenset[str | None]:
    """Asked at every reading, and the same for a class as long as it lives."""
    return frozenset(info.alias for info in model.model_fields.values() if info.is_required())


def _collect_unknown(model: type[WireModel], wire: Mapping[str, Any], at: str, found: dict[str, None]) -> None:
    fields = _fields_of(model)
    for key, value in wire.items():
        if len(found) >= MAX_UNKNOWN:
            return
        if key not in fields:
            found[at + key] = None
        elif inner := fields[key]:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Mapping):
                    _collect_unknown(inner, item, f"{at}{key}.", found)


def _model_in(annotation: Any) -> type[WireModel] | None:
    """The nested model in `Model`, `Model | None` or `tuple[Model, ...]`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
