"""What a run waits for: an event, and what its data must say.

A match names fields and the plain values they must have. It lies in the store as a *form* (the fields, sorted) and a
*key* (a hash of the form and the values), so that an event is matched with one look-up for each form in use, however
many wait. `lua/lib/match.lua` makes the same key of an event's data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, TypeVar

from joelclaw_contracts import EventModel

M = TypeVar("M", bound=EventModel)
E = TypeVar("E")
Plain = str | int | bool
LARGEST = 2**53
"""Integers beyond it are not the same number in every reader of JSON."""


@dataclass(frozen=True, slots=True)
class Awaited(Generic[M]):
    """An event of `model` whose data has these values. `match`: a field (by either name; dots lead into objects) -> its
    value, a string, an integer or a bool; empty: any event of that name. `but`: entry ids that don't count."""

    model: type[M]
    match: Mapping[str, Plain] = field(default_factory=dict)
    but: tuple[str, ...] = ()

    @property
    def event(self) -> str:
        return self.model.event_name

    def form_and_key(self) -> tuple[str, str]:
        """ValueError names the field or the value that can't be matched."""
        wanted = dict(sorted((wire_name(self.model, path), value) for path, value in self.match.items()))
        form = json.dumps(list(wanted), separators=(",", ":"))
        parts = [form.encode()]
        for path, value in wanted.items():
            text = _text(path, value).encode()
            parts.append(b"%d:%s" % (len(text), text))
        return form, hashlib.sha1(b"\n".join(parts), usedforsecurity=False).hexdigest()

    @property
    def hint(self) -> str:
        """The longest of the values as JSON plainly writes it: most entries that lack it need no closer look."""
        return max((_text("", value)[1:] for value in self.match.values()), key=len, default="")


@dataclass(frozen=True, slots=True)
class Arrived(Generic[E]):
    """Which of several awaited events came first, by its place in the list, and the event."""

    index: int
    event: E


@dataclass(frozen=True, slots=True)
class Wait:
    """One awaited event of one run, as the awaited slot keeps it. `number`: which of the run's awaited events, from 0;
    `slot`: the run's own; `since` and `ends_ms`: the first entry id that counts, and when nobody waits any more;
    `hint`, `but`: see Awaited."""

    slot: str
    run: str
    function: str
    step: str
    number: int
    event: str
    form: str
    key: str
    since: str
    ends_ms: int
    hint: str = ""
    but: tuple[str, ...] = ()

    @property
    def run_key(self) -> str:
        return f"{self.slot}|{self.run}"

    @property
    def id(self) -> str:
        return f"{self.run_key}:{self.step}:{self.number}"

    def encode(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, raw: str | bytes) -> Wait:
        """ValueError when it is none; fields that a newer worker added are left out."""
        try:
            read: dict[str, Any] = json.loads(raw)
            wait = cls(**{name: value for name, value in read.items() if name in cls.__dataclass_fields__})
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no wait: {error}") from None
        for name, value in asdict(wait).items():
            if not isinstance(value, {"number": int, "ends_ms": int, "but": list | tuple}.get(name, str)):
                raise ValueError(f"no wait: its {name} is {value!r}")
        return replace(wait, but=tuple(wait.but))


@dataclass(frozen=True, slots=True)
class Spec:
    """What a run's record says of its wait; the time it ends is put before it by the script."""

    all: bool
    events: tuple[str, ...]
    matches: tuple[Mapping[str, Plain], ...]
    since: tuple[str, ...]
    but: tuple[tuple[str, ...], ...] = ()

    def heard(self, number: int) -> tuple[str, ...]:
        """The entries that don't count for the event with this number."""
        return self.but[number] if self.but else ()

    def encode(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, raw: bytes) -> tuple[int, Spec]:
        """(when it ends, ms; what it waits for)."""
        ends, _, text = raw.partition(b" ")
        read = json.loads(text)
        but = tuple(tuple(entries) for entries in read.get("but", ()))  # a record of before has none
        events, matches, since = (tuple(read[name]) for name in ("events", "matches", "since"))
        return int(ends), cls(read["all"], events, matches, since, but)


def encode_arrival(entry: str, fields: Mapping[bytes, bytes]) -> bytes:
    """An entry as JSON, whatever bytes its fields hold. Its id comes first: scripts read it there."""
    kept = {_str(name): _str(value) for name, value in fields.items()}
    return json.dumps({"entry": entry, "fields": kept}, separators=(",", ":")).encode()


def decode_arrival(read: Mapping[str, Any]) -> tuple[str, dict[bytes, bytes]]:
    return read["entry"], {_bytes(name): _bytes(value) for name, value in read["fields"].items()}


def first_entry_of(ms: float) -> str:
    """The first entry id of a millisecond."""
    return f"{max(0, int(ms))}-0"


def entry_after(entry: str) -> str:
    ms, _, number = entry.partition("-")
    return f"{ms}-{int(number or 0) + 1}"


def is_before(entry: str, other: str) -> bool:
    ms, _, number = entry.partition("-")
    other_ms, _, other_number = other.partition("-")
    return (int(ms), int(number or 0)) < (int(other_ms), int(other_number or 0))


def wire_name(model: type[EventModel], path: str) -> str:
    """A match's path with its first field as it is called on the wire."""
    first, dot, rest = path.partition(".")
    for name, info in model.model_fields.items():
        if first in (name, info.alias):
            return (info.alias or name) + dot + rest
    known = ", ".join(sorted(info.alias or name for name, info in model.model_fields.items()))
    raise ValueError(f"event {model.event_name} has no field {first!r}; it has {known}")


def _text(path: str, value: object) -> str:
    match value:
        case bool():
            return f"b{str(value).lower()}"
        case str():
            return f"s{value}"
        case int() if abs(value) <= LARGEST:
            return f"n{value}"
        case _:
            raise ValueError(f"{path} can't be matched with {value!r}; give a string, a bool or a small integer")


def _str(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
