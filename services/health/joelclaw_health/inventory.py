"""What there is to check: jobs for the probes and lines for the coverage table, both from the same facts.

A component that registers is checked from then on; one that `health.retired` names is not, and is listed as such. What
is not configured has a line and no job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from joelclaw_bus import Store
from joelclaw_contracts import CoverageRow, HealthMode
from joelclaw_health import deadman
from joelclaw_health.coverage import KINDS, row
from joelclaw_health.judge import BLINDNESS, MANY, SELF
from joelclaw_health.probes import (
    artefact,
    canary,
    configuration,
    data_path,
    destination,
    heartbeats,
    http,
    runtime,
    waiting,
)
from joelclaw_health.registry import Expected, Registry
from joelclaw_health.sample import Sample, key_of
from joelclaw_health.settings import Settings

NO_DESTINATION = "not configured: backup.destination names no place"
NO_PROVIDER = "not configured: the backup service is not installed here, so its list of backups can't be read"
NO_BACKUPS = "not configured: no backup service has run on this bus yet"
NONE_YET = "none yet: a verified one is due within one period of the first start of what makes it"
NO_RUNTIME = "not configured: runtime names nothing"
NO_URL = "not configured: runtime.url names no address; the remediator looks at its process alone"
TOO_FEW = "not configured: too few components to tell blindness from failure"
NO_HEARTBEAT = "not configured: health.heartbeatUrl names no address, so nobody outside would miss this suite"
NO_CANARY = (
    "not configured: health.canaries names no place, so being cut off is told by all probes failing at once alone"
)
HEARTBEAT_INSTEAD = "not configured: health.canaries names no place, so health.heartbeatUrl stands for them"
NO_CONFIG = "not configured: no worker tells which configuration it runs"
NO_HTTP = "not configured: its workers name no address"
_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """One look, which answers for these conditions of its component ('': of several, in one go)."""

    component: str
    conditions: tuple[str, ...]
    look: Callable[[], Awaitable[Sequence[Sample]]]

    def is_wanted(self, component: str, mode: HealthMode) -> bool:
        parts = {KINDS[c].part for c in self.conditions}
        theirs = not component or self.component in ("", component)
        return theirs and (mode == "full" or mode in parts)


def jobs(
    registry: Registry,
    store: Store,
    s: Settings,
    limit: anyio.CapacityLimiter,
    known: Container[str] = (),
    outside: Callable[[int], Sequence[Sample]] | None = None,
    firsts: Mapping[str, int] = _NONE,
) -> list[Job]:
    """Everything that can be looked at now. `limit`: the probes' connections at once; `known`: keys of the checks that
    had a verdict, and were not only unknown; `outside`: what the dead-man's switch last met;
    `firsts`: since when each is backed up."""
    now, expected = registry.now_ms, [e for e in registry.expected() if e.name not in s.retired]

    async def beats(e: Expected) -> Sequence[Sample]:
        return heartbeats.heartbeats([e], now=now, silent_ms=s.silent_ms)

    async def ready(e: Expected) -> Sequence[Sample]:
        return await http.http(e, now=now, silent_ms=s.silent_ms, timeout=s.timeout, limit=limit)

    async def waits() -> Sequence[Sample]:
        return await waiting.waiting(store, expected, tuple(registry.slots), now=now, waiting_ms=s.waiting_ms)

    async def reach(d: destination.Destination) -> Sequence[Sample]:
        return [await destination.destination(d, now=now, timeout=s.timeout, free_mb=s.free_mb)]

    async def copied(shelf: artefact.Shelf) -> Sequence[Sample]:
        born = max((e.started_ms for e in expected if shelf.function in e.functions), default=0)
        return await artefact.artefact(
            shelf,
            now=now,
            since=registry.slots[artefact.SINCE] if _is_the_bus(shelf) else firsts.get(shelf.component, now),
            born=born,
            known=key_of(shelf.component, artefact.CONDITION) in known,
            timeout=2 * s.timeout,  # it starts slowly: all of the backup service is loaded
        )

    async def answers(url: str) -> Sequence[Sample]:
        return [await runtime.runtime(url, now=now, timeout=s.runtime.probe_timeout_ms / 1000)]

    async def configured() -> Sequence[Sample]:
        return [configuration.configuration(registry.beats, now=now, silent_ms=s.silent_ms)]

    async def missed() -> Sequence[Sample]:
        return outside(now) if outside else []

    async def way_out() -> Sequence[Sample]:
        return [await canary.canary(s.canaries, now=now, timeout=s.timeout)]

    shelves = _shelves(registry, s)
    url = "" if runtime.COMPONENT in s.retired else s.runtime.url
    path = partial(data_path.data_path, store, now=now, timeout=s.timeout)
    return [
        Job(data_path.COMPONENT, (data_path.DATA_PATH, data_path.PERSISTENCE), path),
        *(Job(e.name, (heartbeats.CONDITION,), partial(beats, e)) for e in expected),
        *(Job(e.name, (http.CONDITION,), partial(ready, e)) for e in expected if has_http(e)),
        Job("", (waiting.CONDITION,), waits),
        *(Job(d.name, (destination.CONDITION,), partial(reach, d)) for d in s.destinations if d.name not in s.retired),
        *(Job(b.component, (artefact.CONDITION,), partial(copied, b)) for b in shelves if b.component not in s.retired),
        *([Job(configuration.COMPONENT, (configuration.CONDITION,), configured)] if tells_config(registry) else []),
        *([Job(deadman.COMPONENT, (deadman.CONDITION,), missed)] if s.heartbeat_url else []),
        *([Job(canary.COMPONENT, (canary.CONDITION,), way_out)] if s.canaries else []),
        *([Job(runtime.COMPONENT, (runtime.CONDITION,), partial(answers, url))] if url else []),
    ]


def coverage(registry: Registry, s: Settings, known: Container[str] = ()) -> list[CoverageRow]:
    """The whole table: component, check, remediation, owner. `known`: keys of the checks that are remembered."""
    line = partial(row, functions=registry.functions, owner=s.who.owner or "nobody is named")
    rows = [line(data_path.COMPONENT, c) for c in (data_path.DATA_PATH, data_path.PERSISTENCE)]
    for e in registry.expected():
        rows += [line(e.name, heartbeats.CONDITION), line(e.name, waiting.CONDITION)]
        rows.append(line(e.name, http.CONDITION, configured=has_http(e), note="" if has_http(e) else NO_HTTP))
    rows += [line(d.name, destination.CONDITION, note=d.note) for d in s.destinations]
    if not s.destinations:
        rows.append(line("destination", destination.CONDITION, configured=False, note=NO_DESTINATION))
    for shelf in s.shelves:
        there = key_of(shelf.component, artefact.CONDITION) in known
        note = "" if there else NONE_YET if artefact.SINCE in registry.slots else NO_BACKUPS
        if not _is_made(shelf, registry):
            there, note = False, f"not configured: no backup service here has {shelf.function}"
        rows.append(line(shelf.component, artefact.CONDITION, configured=there, note=note))
    if not s.shelves:
        rows.append(line("backup", artefact.CONDITION, configured=False, note=NO_PROVIDER))
    note = "" if s.runtime.url else NO_URL if s.runtime.configured else NO_RUNTIME
    rows.append(line(runtime.COMPONENT, runtime.CONDITION, configured=not note, note=note))
    told = tells_config(registry)
    rows.append(line(configuration.COMPONENT, configuration.CONDITION, configured=told, note="" if told else NO_CONFIG))
    off = "" if s.heartbeat_url else NO_HEARTBEAT
    rows.append(line(deadman.COMPONENT, deadman.CONDITION, configured=not off, note=off))
    off = "" if s.canaries else HEARTBEAT_INSTEAD if s.heartbeat_url else NO_CANARY
    rows.append(line(canary.COMPONENT, canary.CONDITION, configured=not off, note=off))
    many = 1 + len(registry.expected()) + len(s.destinations) >= MANY
    rows.append(line(SELF, BLINDNESS, configured=many, note="" if many else TOO_FEW))
    return [_retired(r) if r.component in s.retired else r for r in rows]


def backed_up(registry: Registry, s: Settings) -> list[str]:
    """What is backed up only where it is configured, which may be long after the service first ran."""
    return [shelf.component for shelf in _shelves(registry, s) if not _is_the_bus(shelf)]


def _shelves(registry: Registry, s: Settings) -> list[artefact.Shelf]:
    return [b for b in s.shelves if artefact.SINCE in registry.slots and _is_made(b, registry)]


def _is_made(shelf: artefact.Shelf, registry: Registry) -> bool:
    """Whether somebody makes these backups. The bus's own data are backed up wherever the service ran at all."""
    return _is_the_bus(shelf) or shelf.function in registry.functions


def _is_the_bus(shelf: artefact.Shelf) -> bool:
    return shelf.target == "redis"


def has_http(e: Expected) -> bool:
    return bool(e.http or any(b.http for b in e.beats))


def tells_config(registry: Registry) -> bool:
    return any(b.config for b in registry.beats)


def _retired(line: CoverageRow) -> CoverageRow:
    return line.model_copy(update={"configured": False, "note": "switched off: health.retired names it"})
