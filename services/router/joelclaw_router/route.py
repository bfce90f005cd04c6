"""Where a retry may go: events that the suite knows, or that configuration names, with a payload that fits them.

All of it is checked before anything is scheduled: a retry that nobody could read would be an attempt spent on nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joelclaw_contracts import NameInvalid, PayloadInvalid, check_name, model_for, nearest_event
from joelclaw_router.failure import RouteTrouble
from joelclaw_router.rulebook import Rulebook

PAYLOAD_BYTES = 512 * 1024
"""What the bus carries; a larger event would be refused when it is due."""

Trouble = tuple[RouteTrouble, str]


def trouble_of(route: str, payload: Mapping[str, Any], rules: Rulebook) -> Trouble | None:
    """What keeps this payload from taking this route, for people; None if nothing does."""
    if not route:
        return RouteTrouble.MISSING, "the request names no event to retry with (targetEventName)"
    try:
        check_name(route)
    except NameInvalid as error:
        return RouteTrouble.NOT_ALLOWED, str(error)
    if not rules.permits(route):
        near = nearest_event(route)
        hint = f"did it mean {near}? " if near and rules.permits(near) else ""
        return (
            RouteTrouble.NOT_ALLOWED,
            f"{route} is no allowed route; {hint}routes.allowed can add it",
        )
    model = model_for(route)
    if model is not None:
        try:
            model.from_wire(payload)
        except PayloadInvalid as error:
            return RouteTrouble.PAYLOAD, f"the retry would not be readable: {error}"
    size = len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
    if size > PAYLOAD_BYTES:
        return RouteTrouble.PAYLOAD, f"the retry would have {size} bytes; {PAYLOAD_BYTES} are allowed"
    return None
