"""One piece of evidence as the bytes that lie on `otel/event`: redacted, bounded, and valid by contract. Pure.

Whatever is given becomes a record: what doesn't fit is cut and marked as cut, and what the contract refuses is
replaced by a note of why, for evidence of an accident must not be lost because the accident was odd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from joelclaw_contracts import Level, OtelEvent, PayloadInvalid
from joelclaw_contracts.redact import redact, redact_text

ERROR_CHARS = 4_096
RECORD_BYTES = 16_384
NAME_CHARS = 200
START_CHARS = 2_048  # of metadata that is too large


def otel_record(
    *,
    id: str,
    timestamp: int,
    session_id: str,
    system_id: str,
    source: str,
    level: Level,
    component: str,
    action: str,
    success: bool,
    duration_ms: float | None = None,
    error: str | BaseException | None = None,
    metadata: Mapping[str, object] | None = None,
) -> bytes:
    """The JSON of an `OtelEvent`, at most about 16 KiB. `timestamp`: ms since 1970 UTC."""
    wire: dict[str, object] = {
        "id": id,
        "timestamp": timestamp,
        "sessionId": session_id,
        "systemId": system_id,
        "level": level,
        "source": _name(source),
        "component": _name(component),
        "action": _name(action),
        "success": success,
        "metadata": redact(metadata or {}),
    }
    if duration_ms is not None and math.isfinite(duration_ms):
        wire["duration_ms"] = max(0.0, float(duration_ms))
    if error is not None and (text := _error(error)).strip():
        wire["error"] = text
    try:
        return _bounded(OtelEvent.from_wire(wire).to_json(), wire)
    except PayloadInvalid as refusal:
        wire["metadata"] = {"refused": str(refusal)[:500]}
        wire.pop("duration_ms", None)
        return OtelEvent.from_wire(wire).to_json()


def _name(text: str) -> str:
    return str(redact(text))[:NAME_CHARS].strip() or "unknown"


def _error(error: str | BaseException) -> str:
    text = f"{type(error).__name__}: {redact(error)}" if isinstance(error, BaseException) else error
    text = redact_text(text[: ERROR_CHARS * 2])
    return text if len(text) <= ERROR_CHARS else f"{text[:ERROR_CHARS]}… (cut)"


def _bounded(data: bytes, wire: dict[str, object]) -> bytes:
    if len(data) <= RECORD_BYTES:
        return data
    wire["metadata"] = {"cut": True, "bytes": len(data), "start": json.dumps(wire["metadata"])[:START_CHARS]}
    return OtelEvent.from_wire(wire).to_json()
