"""All that bears on one run, as the store says it. Facts only: no word of why."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.inspect.workers import LIVE_MS
from joelclaw_bus.pauses import Pause


@dataclass(frozen=True, slots=True)
class Hand:
    """Who has the run's entry: idle_ms since the lease was renewed, `deliveries` how often it was delivered."""

    consumer: str
    idle_ms: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Server:
    """One worker that has the function: age_ms of its heartbeat, lease_ms as its heartbeats tell it."""

    worker: str
    age_ms: int
    lease_ms: int
    in_hand: int

    @property
    def live(self) -> bool:
        return self.age_ms <= max(LIVE_MS, 2 * self.lease_ms)


@dataclass(frozen=True, slots=True)
class Line:
    """The permit that a run waits for: who has it, how many wait before this one (None: it is not lined up); and the
    run that has ended, but for its handler (''), which counts as at work until then."""

    key: str
    most: int
    holders: tuple[str, ...]
    rank: int | None
    stopping: str = ""
    status: str = ""
    at_work_ms: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What its group has before an unread entry: `before` entries unread (`more`: at least so many), `in_hand` that
    are read and have no end yet; the oldest in hand ('': none), with its consumer and how long that is silent."""

    before: int
    more: bool
    in_hand: int
    first: str = ""
    consumer: str = ""
    idle_ms: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """The dead letter that the run, or its event's entry, left."""

    id: str
    error: str
    buried_ms: int


@dataclass(frozen=True, slots=True)
class RunSituation:
    """One run and all that bears on it. Times are the server's, ms. run, function: '' where nobody takes the event.
    entry_there, undelivered: of the entry it is queued by; group: whether its group is there; delayed_ms: when its
    event will be sent; event_id: as its producer gave it."""

    run: str
    event: str
    function: str
    now_ms: int
    record: dict[str, str]
    event_id: str = ""
    entry: str = ""
    entry_there: bool = False
    group: bool = False
    undelivered: bool = False
    backlog: Backlog | None = None
    hand: Hand | None = None
    due_score: int | None = None
    delayed_ms: int | None = None
    servers: tuple[Server, ...] = ()
    last_service: tuple[str, int] | None = None
    registration: dict[str, Any] = field(default_factory=dict)
    pause: Pause | None = None
    pause_unreadable: bool = False
    line: Line | None = None
    letter: Letter | None = None
    missing_waits: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.run or f"{self.event} {self.event_id or self.entry}"

    @property
    def live(self) -> list[Server]:
        return [worker for worker in self.servers if worker.live]

    @property
    def is_paused(self) -> bool:
        return self.pause is not None and self.pause.holds(self.now_ms)


def wait_of(record: dict[str, str]) -> dict[str, Any] | None:
    """What a waiting run's record says it waits for; None when it says nothing that can be read."""
    _, _, raw = record.get(f"w:{record.get('wait', '')}", "").partition(" ")
    return json_object(raw) or None


def json_object(raw: Any) -> dict[str, Any]:
    """A JSON object; {} for all else: anyone may write where it lay."""
    try:
        read = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
