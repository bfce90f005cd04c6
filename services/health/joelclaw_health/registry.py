"""Who should be there and who is: workers, services and functions as they registered themselves, in one round trip."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus import Store


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker's last heartbeat. Times by the store's clock, ms; `cycle_age`: seconds since its last read cycle."""

    worker: str
    at_ms: int
    every_ms: int
    cycle_age: float
    in_hand: int
    functions: frozenset[str]
    service: str = ""
    http: str = ""
    started_ms: int = 0
    config: str = ""
    """The hash of the configuration in force; '' where none is told."""
    refused: str = ""
    """Why a newer one is not."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A component that must be alive: a service, or a function of a worker that belongs to none."""

    name: str
    functions: frozenset[str]
    beats: tuple[Beat, ...]
    http: str = ""
    started_ms: int = 0


@dataclass(frozen=True, slots=True)
class Registry:
    now_ms: int
    beats: tuple[Beat, ...] = ()
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    slots: dict[str, int] = field(default_factory=dict)
    """Since when each is served, ms."""

    def expected(self) -> list[Expected]:
        """Services first, then the functions that no service has. What registered once stays expected."""
        served: set[str] = set()
        found = []
        for name, about in sorted(self.services.items()):
            own = frozenset(str(f) for f in about.get("functions") or ())
            served |= own
            beats = tuple(b for b in self.beats if b.service == name)
            started = max([_number(about.get("started")), *(b.started_ms for b in beats)])
            found.append(Expected(name, own, beats, str(about.get("http") or ""), started))
        for function in sorted(self.functions - served):
            beats = tuple(b for b in self.beats if function in b.functions)
            found.append(Expected(function, frozenset({function}), beats))
        return found


async def read_registry(store: Store) -> Registry:
    """StoreUnavailable, StoreRefused."""
    keys = store.keys
    replies = await store.calls(
        [("TIME",), ("HGETALL", keys.workers), ("HGETALL", keys.services), ("HKEYS", keys.functions),
         ("HGETALL", keys.slots)]
    )  # fmt: skip
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    clock, workers, services, functions, slots = replies
    return Registry(
        int(clock[0]) * 1000 + int(clock[1]) // 1000,
        tuple(_beat(name, about) for name, about in _objects(workers).items()),
        _objects(services),
        frozenset(f.decode() for f in functions),
        {name.decode(): int(at) for name, at in sorted(zip(slots[::2], slots[1::2], strict=True))},
    )


def _objects(flat: list[bytes]) -> dict[str, dict[str, Any]]:
    """A hash of JSON objects; a value that is none counts as an empty one: it is there, and says nothing."""
    found = {}
    for name, raw in zip(flat[::2], flat[1::2], strict=True):
        try:
            value = json.loads(raw)
        except ValueError:
            value = None
        found[name.decode("utf-8", "replace")] = value if isinstance(value, dict) else {}
    return found


def _beat(worker: str, about: dict[str, Any]) -> Beat:
    return Beat(
        worker,
        _number(about.get("at")),
        _number(about.get("everyMs")),
        float(_number(about.get("cycleAge"))),
        _number(about.get("inHand")),
        frozenset(str(f) for f in about.get("functions") or ()),
        str(about.get("service") or ""),
        str(about.get("http") or ""),
        _number(about.get("started")),
        str(about.get("config") or ""),
        str(about.get("configRefused") or ""),
    )


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
