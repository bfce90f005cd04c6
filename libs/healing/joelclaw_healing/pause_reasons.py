"""Pause reasons: a list, each with an owner and an end. One that covers a target stops its new acts, not a running one.

What is paused is judged afresh afterwards: nothing waits in a backlog. An entry that can't be read covers everything,
for ever: what a person wanted stopped must not go on because it was written badly.

| scope                  | covers                                      |
|------------------------|---------------------------------------------|
| `all`                  | every act                                   |
| `domain:backup`        | the domain                                  |
| `group:nas`            | what is in the group                        |
| `target:backup/redis`  | one target, by its canonical name           |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from joelclaw_bus.script import load_script
from joelclaw_bus.store import Store

KEEP_LOG = 200
MOST = 100
"""More reasons at once than anybody oversees: the next is refused."""
LONGEST_MS = 30 * 86_400_000
FOR_EVER = 2**53
_SCOPE = re.compile(r"all|(domain|group):[^\s:]\S*|target:[^\s/]+/\S.*")


class PauseRefused(ValueError):
    """A pause that can't be: why, and what to do."""


@dataclass(frozen=True, slots=True)
class PauseReason:
    """Who paused what, why, and from when to when (ms)."""

    id: str
    scope: str
    owner: str
    reason: str
    since_ms: int
    until_ms: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def text(self) -> str:
        return f"{self.id} ({self.scope}, {self.owner}): {self.reason}"


def check_scope(scope: str) -> str:
    """The scope, or PauseRefused. A pattern covers nothing that anybody meant exactly."""
    if not _SCOPE.fullmatch(scope) or "*" in scope:
        raise PauseRefused(f"{scope!r} is no scope; write all, domain:NAME, group:NAME or target:DOMAIN/NAME")
    return scope


def scopes_of(domain: str, target: str, group: str) -> tuple[str, ...]:
    """Every scope that covers this target."""
    return "all", f"domain:{domain}", f"group:{group}", f"target:{domain}/{target}"


def covering(reasons: Iterable[PauseReason], scopes: Iterable[str]) -> PauseReason | None:
    """The reason that lasts longest among those that cover one of the scopes."""
    wanted = frozenset(scopes)
    return max((r for r in reasons if r.scope in wanted), key=lambda r: (r.until_ms, r.id), default=None)


def reasons_of(raw: Mapping[str, str], now: int) -> tuple[PauseReason, ...]:
    """Those that last, oldest first."""
    found = (_reason(id, text) for id, text in raw.items())
    return tuple(sorted((r for r in found if r.until_ms > now), key=lambda r: (r.since_ms, r.id)))


async def add_pause(store: Store, key: str, reason: PauseReason) -> bool:
    """False if there are `MOST` already."""
    body = json.dumps(reason.to_json(), separators=(",", ":"))
    args: list[str | int] = ["pause", reason.id, body, reason.until_ms, KEEP_LOG, MOST]
    return bool(await store.run(load_script("joelclaw_healing", "pause"), [key, key + ":log"], args))


async def end_pause(store: Store, key: str, id: str, *, actor: str) -> bool:
    """False if there was none of this id."""
    body = json.dumps({"actor": actor}, separators=(",", ":"))
    args: list[str | int] = ["resume", id, body, 0, KEEP_LOG, MOST]
    return bool(await store.run(load_script("joelclaw_healing", "pause"), [key, key + ":log"], args))


def _reason(id: str, text: str) -> PauseReason:
    try:
        raw = json.loads(text)
        found = PauseReason(**{name: raw[name] for name in PauseReason.__slots__})
        if isinstance(found.until_ms, int) and isinstance(found.since_ms, int) and isinstance(found.scope, str):
            return found
    except (ValueError, TypeError, KeyError):
        pass  # told by what is returned
    return PauseReason(id, "all", "unknown", "this entry can't be read", 0, FOR_EVER)
