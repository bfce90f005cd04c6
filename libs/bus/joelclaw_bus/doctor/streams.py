"""What one event's stream and its companions say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.inspect.spans import span
from joelclaw_bus.inspect.workers import LIVE_MS
from joelclaw_bus.keys import WAITS_GROUP
from joelclaw_bus.limits import Limits

LATE_MS = 3_000
STUCK_MS = 30_000
GENERATIONS = 24


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """oldest_ms: of the oldest entry that it has not acknowledged, None when it has all; quiet_ms: since one of its
    consumers last asked for work, None when there is none. A stranger's group is read by no worker of ours."""

    name: str
    lag: int | None
    pending: int
    oldest_ms: int | None
    quiet_ms: int | None = None

    @property
    def is_read(self) -> bool:
        return self.quiet_ms is not None and self.quiet_ms <= LIVE_MS


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """`ids`: (generation's start, ms), oldest first; overdue, stuck: how many, and since when the first; wanted: the
    functions that registered for this event."""

    name: str
    now_ms: int
    groups: tuple[GroupSeen, ...]
    ids: tuple[int, ...]
    overdue: int
    due_head_ms: int | None
    stuck: int
    outbox_head_ms: int | None
    dead: int
    wanted: frozenset[str] = frozenset()
    length: int = 0


def judge_stream(s: StreamSeen, served: frozenset[str], limits: Limits = Limits()) -> list[Check]:
    """`served`: the functions (and what they wait for) that live workers have."""
    return [*_groups(s, served, limits), *_waiting(s)]


def judge_windows(streams: Iterable[StreamSeen], limits: Limits = Limits()) -> list[Check]:
    """For how long an id is known on each stream: which of the two bounds binds."""
    kept = [s for s in streams if s.ids]
    crowded = [s for s in kept if len(s.ids) > GENERATIONS and s.now_ms - s.ids[0] < limits.dedupe_ms]
    if not kept:
        return [Check("ok", "dedupe", "no stream holds ids yet")]
    well = f"{len(kept) - len(crowded)} stream(s) with ids: time binds, not their number (two million)"
    ok = f"an id is known for {limits.dedupe_ms / 3_600_000:g} h on {well}"
    return [Check("ok", "dedupe", ok), *(_crowded(s) for s in crowded)]


def _groups(s: StreamSeen, served: frozenset[str], limits: Limits) -> Iterator[Check]:
    for g in s.groups:
        behind = f"{g.lag if g.lag is not None else 'an unknown number of'} unread, {g.pending} pending"
        blocks = g.oldest_ms is not None and s.now_ms - g.oldest_ms > limits.events_ms
        since = f"; it blocks trimming since {span(s.now_ms - (g.oldest_ms or 0) - limits.events_ms)}" if blocks else ""
        if g.name not in served and not g.is_read and (g.lag != 0 or g.pending):
            gone = f"start its service; if it is gone for good: XGROUP DESTROY {s.name} {g.name}"
            who = "runs that wait for it" if g.name == WAITS_GROUP else g.name
            yield Check("finding", s.name, f"nobody reads it for {who}: {behind}{since}", gone)
        elif blocks:
            yield Check("finding", s.name, f"{g.name} lags far: {behind}{since}", "start more workers of it")
    missing = s.wanted - {g.name for g in s.groups}
    for function in sorted(missing if s.length else ()):
        todo = "its worker makes it when it starts, at its mark; what is gone is told as bus.stream.lost"
        yield Check("finding" if function not in served else "warning", s.name, f"{function} has no group here", todo)


def _crowded(s: StreamSeen) -> Check:
    what = f"an id is known for {span(s.now_ms - s.ids[0])} only: two million ids come before the window ends"
    return Check("warning", s.name, what, "send fewer ids on one stream (partition it), or repeat sooner")


def _waiting(s: StreamSeen) -> Iterator[Check]:
    if s.overdue:
        late = span(s.now_ms - (s.due_head_ms or s.now_ms))
        todo = "any worker promotes them: is one alive, and does the store take its writes?"
        yield Check("finding", s.name, f"{s.overdue} timers are overdue, the first by {late}", todo)
    if s.stuck:
        late = span(s.now_ms - (s.outbox_head_ms or s.now_ms))
        todo = "joelclaw otel search bus.stuck tells why; a worker of this version must be alive"
        yield Check(
            "finding", s.name, f"{s.stuck} items in its outbox are not delivered, the first is {late} late", todo
        )
    if s.dead:
        yield Check("warning", s.name, f"{s.dead} dead letters wait for a person", "joelclaw bus dead list")
