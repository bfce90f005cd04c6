"""What a doctor asks of the suite beside the bus: may it act, what waits for a person, who looks, what was lost.

| part      | asked of                    | a finding                                        | a warning               |
|-----------|-----------------------------|--------------------------------------------------|-------------------------|
| switch    | the kill switch             |                                                  | all acting is stopped   |
| incidents | the manual queue            | an incident waits for a person                   |                         |
| health    | what the health service saw | something fails, or nobody looks                 | no such service is here |
| losses    | the evidence of a day       | a stream or group was lost, with what it held    |                         |
| configuration | the heartbeats          | a worker refused the one it was told to read     | they run different ones |

What can't be read is not known, part by part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.errors import BusError
from joelclaw_bus.inspect.spans import clock, span
from joelclaw_cli.doctor import configuration
from joelclaw_contracts.redact import redact_text

if TYPE_CHECKING:
    from joelclaw_bus.store import Store
    from joelclaw_healing import Incident

SHOWN = 5
A_DAY_MS = 86_400_000
LOOKED_AT = 20_000
LOST = "bus.stream.lost"

Look = Callable[["Store"], Awaitable[list[Check]]]


async def examine(store: Store) -> list[Check]:
    """All parts, in the table's order. They read, and write nothing."""
    checks = list[Check]()
    for where, look in PARTS.items():
        try:
            checks += await look(store)
        except (BusError, ValueError, TypeError, KeyError) as error:  # refused, or written by another version
            what = f"it can't be read: {type(error).__name__}: {str(error)[:200]}"
            checks.append(Check("not known", where, what, "look at it with redis-cli, or allow the user what it needs"))
    return checks


async def _switch(store: Store) -> list[Check]:
    from joelclaw_healing import Ledger

    switch = await Ledger(store).switch()
    if switch is None:
        return [Check("ok", "kill switch", "off: the suite may act")]
    since = f"since {clock(switch.since_ms)} ({_ago(await store.time_ms(), switch.since_ms)})"
    what = f"all acting is stopped {since} by {switch.owner}, until it is started again: {switch.reason}"
    return [Check("warning", "kill switch", what, "joelclaw heal start, when the reason is over")]


async def _incidents(store: Store) -> list[Check]:
    from joelclaw_healing import Ledger

    ledger, now = Ledger(store), await store.time_ms()
    waiting, (_, open_) = await ledger.queue(), await ledger.overview(limit=1)
    if not waiting:
        return [Check("ok", "incidents", f"{open_} open; none waits for a person" if open_ else "none is open")]
    rows = [
        Check(
            "finding",
            f"{i.domain} {i.target}",
            f"{i.id}, opened {_ago(now, i.opened_ms)}, waits for a person: {_about(i)}",
            f"joelclaw heal show {i.id}; joelclaw heal dismiss {i.id} --reason '…', if it is over",
        )
        for i in waiting[:SHOWN]
    ]
    if more := len(waiting) - len(rows):
        rows.append(Check("finding", "incidents", f"{more} more wait for a person", "joelclaw heal list --queue"))
    return rows


async def _health(store: Store) -> list[Check]:
    from joelclaw_bus.inspect.workers import registered_functions
    from joelclaw_cli.health.status import FUNCTION, read, trouble_of

    seen = await read(store)
    if not seen.at_ms and FUNCTION not in await registered_functions(store):
        what = "no health service ever ran on this bus: nobody looks whether its parts are well"
        return [Check("warning", "health", what, "joelclaw up runs one")]
    trouble = trouble_of(seen)
    if trouble is None:
        return [Check("ok", "health", f"{len(seen.lines)} checks, the last {_ago(seen.now, seen.at_ms)}: all well")]
    known = trouble.code not in ("first_check", "not_known")
    return [Check("finding" if known else "not known", "health", trouble.message, trouble.fix)]


async def _losses(store: Store) -> list[Check]:
    """By the evidence that the services left: it was written anew after the loss, so it is there."""
    from joelclaw_bus.inspect.entries import newest_first

    now, looked, lost = await store.time_ms(), 0, dict[str, int]()
    async for entry in newest_first(store, "otel/event", since_ms=now - A_DAY_MS, most=LOOKED_AT, keep=lambda _: True):
        looked += 1
        if not isinstance(entry.data, dict) or entry.data.get("action") != LOST:
            continue
        about = entry.data.get("metadata")
        name = str(about.get("stream", "?")) if isinstance(about, dict) else "?"
        lost[name] = max(lost.get(name, 0), entry.ms)
    checks = list[Check]()
    if lost:
        names = ", ".join(sorted(lost)[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
        what = f"streams lost, or back with older data, {_ago(now, max(lost.values()))}: {names}"
        todo = f"joelclaw otel search {LOST} --hours 24; whoever sent what they held must send it again"
        checks.append(Check("finding", "losses", f"{what}; told for a day", todo))
    if looked >= LOOKED_AT:
        what = f"only the last {LOOKED_AT} pieces of evidence were looked at, which is less than a day"
        checks.append(Check("not known", "losses", what, f"joelclaw otel search {LOST} --hours 24"))
    return checks or [Check("ok", "losses", f"no stream was lost within a day, by {looked} pieces of evidence")]


def _about(incident: Incident) -> str:
    return redact_text(incident.problem or incident.failure_class)[:200]


def _ago(now: int, then: int) -> str:
    return f"{span(now - then)} ago"


PARTS: dict[str, Look] = {
    "kill switch": _switch,
    "incidents": _incidents,
    "health": _health,
    "losses": _losses,
    configuration.WHERE: configuration.examine,
}
