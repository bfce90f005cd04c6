"""The stream entry around a payload: what anyone with XADD can write, and what the bus reads.

    field        required  what                                     if it is wrong
    data         yes       the payload; raw bytes here              the event's model refuses it
    id           no        idempotency key; over 128 bytes hashed   refused
    ts           no        when it was made, ms since 1970 UTC      refused
    source       no        who made it                              refused if no UTF-8
    traceparent  no        W3C trace context                        dropped
    v            no        version of the payload; absent is 1      refused

A bad `traceparent` is dropped, as W3C asks of receivers: an event must not be lost for its trace. Fields
that are not in the table are ignored. An absent `id` stays None: the bus then takes the entry's own id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import EnvelopeInvalid
from .names import normal_id

MAX_TS = 8_640_000_000_000_000  # the last millisecond that a JavaScript Date can hold
MAX_SOURCE_BYTES = 1000

_DIGITS = re.compile(rb"[0-9]{1,16}")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One stream entry. The constructor normalises `id` and raises `EnvelopeInvalid` for every wrong field."""

    data: bytes
    id: str | None = None
    ts: int | None = None
    source: str | None = None
    traceparent: str | None = None
    v: int | None = None

    def __post_init__(self) -> None:
        if self.id is not None:
            object.__setattr__(self, "id", normal_id(self.id))
        if self.ts is not None and not 0 <= self.ts <= MAX_TS:
            raise EnvelopeInvalid("ts", f"is {self.ts}; expected milliseconds since 1970 UTC")
        if self.source is not None and len(_encode("source", self.source)) > MAX_SOURCE_BYTES:
            raise EnvelopeInvalid("source", f"is longer than {MAX_SOURCE_BYTES} bytes")
        if self.traceparent is not None and not is_traceparent(self.traceparent):
            raise EnvelopeInvalid("traceparent", "is no W3C trace context; leave it out or mend it")
        if self.v is not None and not 1 <= self.v <= 1_000_000:
            raise EnvelopeInvalid("v", f"is {self.v}; expected the payload's version, from 1")

    def to_fields(self) -> dict[bytes, bytes]:
        """The fields for XADD; absent ones are not written."""
        texts = {
            b"id": self.id,
            b"ts": self.ts,
            b"source": self.source,
            b"traceparent": self.traceparent,
            b"v": self.v,
        }
        return {
            b"data": self.data,
            **{name: str(value).encode() for name, value in texts.items() if value is not None},
        }

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Envelope:
        """Reads an entry that anyone may have written; raises `EnvelopeInvalid` that names the field."""
        if b"data" not in fields:
            raise EnvelopeInvalid("data", "is missing; expected the payload as a JSON object")
        return cls(
            data=fields[b"data"],
            id=_decode("id", fields),
            ts=_whole("ts", fields),
            source=_decode("source", fields),
            traceparent=_trace(fields),
            v=_whole("v", fields),
        )


def is_traceparent(text: str) -> bool:
    """Whether `text` is a W3C traceparent that may be continued (later versions may have more parts)."""
    if len(text) > 512 or not (found := _TRACEPARENT.fullmatch(text)):
        return False
    version, trace, span, more = found.groups()
    return version != "ff" and bool(trace.strip("0")) and bool(span.strip("0")) and (version > "00" or not more)


def _encode(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise EnvelopeInvalid(name, "holds half a surrogate pair, which is no Unicode text") from None


def _decode(name: str, fields: Mapping[bytes, bytes]) -> str | None:
    raw = fields.get(name.encode())
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise EnvelopeInvalid(name, "is not UTF-8") from None


def _whole(name: str, fields: Mapping[bytes, bytes]) -> int | None:
    raw = fields.get(name.encode())
    if raw is None:
        return None
    # Not int(): it also takes "1_0", " 7" and the digits of every script.
    if not _DIGITS.fullmatch(raw):
        raise EnvelopeInvalid(name, f"is {raw[:20]!r}; expected decimal digits")
    return int(raw)


def _trace(fields: Mapping[bytes, bytes]) -> str | None:
    raw = fields.get(b"traceparent")
    if not raw:
        return None
    text = raw.decode("ascii", "replace")
    return text if is_traceparent(text) else None
