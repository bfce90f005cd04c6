"""The kinds of field that events are made of: strict, bounded, and the same on the wire for everyone.

Bounds are wide: foreign systems already send these events and the bus refuses more than 512 KiB anyway.
They stop what would hurt a reader (an id of a megabyte in a key, a list of a million lines in an alert).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from . import strict_json

MAX_SAFE_INT = 2**53 - 1  # what JavaScript, which also speaks these events, can count to
MAX_ITEMS = 1000

Name = Annotated[str, StringConstraints(strict=True, pattern=r"\S", max_length=1000)]
"""A short string that is not blank: an id, a component, an owner. Spaces around it are kept."""

Text = Annotated[str, StringConstraints(strict=True, pattern=r"\S", max_length=262_144)]
"""Prose that is not blank: a summary, an error, a message."""

FreeText = Annotated[str, StringConstraints(strict=True, max_length=262_144)]
"""Prose that may be empty."""

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INT)]
"""A whole number from 0. Not "3", not true, not 1.5, not 3.0."""

PositiveCount = Annotated[int, Field(strict=True, ge=1, le=MAX_SAFE_INT)]
"""A whole number from 1."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false. Not "yes", not 1."""

Duration = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
"""A number from 0 in the unit that the field names."""

Confidence = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
"""How sure the decider was: 0 to 1."""

Strings = Annotated[tuple[FreeText, ...], Field(max_length=MAX_ITEMS)]
"""A list of strings; the order is the producer's."""


def _instant(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _not_an_instant("is not an ISO 8601 time") from None
    if not isinstance(value, datetime):
        raise _not_an_instant("is not a string")
    if value.utcoffset() is None:
        raise _not_an_instant("has no UTC offset, so that it names no instant")
    try:
        value.astimezone(UTC)
    except OverflowError:  # 0001-01-01T00:00+14:00 is before the first day that Python knows
        raise _not_an_instant("is outside the years 1 to 9999") from None
    return value


def _not_an_instant(problem: str) -> PydanticCustomError:
    expected = "expected ISO 8601 with offset, like 2026-02-25T03:00:00Z"
    return PydanticCustomError("instant", "{problem}; {expected}", {"problem": problem, "expected": expected})


def _iso(value: datetime) -> str:
    # Milliseconds where they suffice, as JavaScript writes them.
    text = value.isoformat(timespec="auto" if value.microsecond % 1000 or not value.microsecond else "milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment: ISO 8601 *with* offset on the wire (a naive time is an error), an aware datetime in Python.

Written back with its own offset, UTC as `Z`, and a fraction only if there is one."""


def _json_object(value: Any) -> Any:
    if not isinstance(value, dict):
        return value  # pydantic's own "not a dictionary" follows
    try:
        return strict_json.check(value)
    except strict_json.NotStrictJson as error:
        raise PydanticCustomError("json", "{problem}", {"problem": error.problem}) from None


JsonObject = Annotated[dict[str, Any], BeforeValidator(_json_object), WithJsonSchema({"type": "object"})]
"""A JSON object whose content is its producer's affair: any keys, nulls kept, at most 64 deep."""
