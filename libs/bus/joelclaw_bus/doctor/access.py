"""Whether the store lets everybody in: whoever connects without a password is then as trusted as the suite itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.inspect.replies import text
from joelclaw_bus.store import Store

OPEN = (
    "anyone who reaches it may do everything: its default user needs no password,"
    " so any program can forge or delete what the suite believes"
)
TODO = "where others reach it, give producers and services users of their own: docs/security.md"


async def judge_access(store: Store) -> list[Check]:
    """A warning, or nothing: also where it may not be asked, since whoever may not is no default user that may all."""
    try:
        reply = await store.call("ACL", "GETUSER", "default")
    except StoreRefused:
        return []
    return [Check("warning", store.where, OPEN, TODO)] if is_open(reply) else []


def is_open(reply: Mapping[Any, Any] | Sequence[Any] | None) -> bool:
    """By the answer of ACL GETUSER, as pairs or as a map. What is restricted in any way is not open."""
    if not reply:
        return False
    rows = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=False)
    user = {text(name): value for name, value in rows}
    flags = {text(flag) for flag in user.get("flags") or ()}
    return {"on", "nopass"} <= flags and text(user.get("commands")) == "+@all" and text(user.get("keys")) == "~*"
