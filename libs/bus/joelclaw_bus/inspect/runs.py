"""Runs of functions: a list, and one run in full. A run without steps that ended well leaves no record."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import attempts, number, pairs, parsed, sound, text
from joelclaw_bus.store import Store

MOST = 5000
PAGE = 200
SHOWN = ("fn", "state", "status", "claim", "attempt", "created", "due", "error")
"""The fields of a record that RunFacts shows: a record's journal and event may be megabytes."""
ENDS = ("completed", "failed", "skipped", "cancelled", "ended")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. `state`: running, queued, held, due, waiting, or how it ended: completed, failed, skipped,
    cancelled."""

    id: str
    event: str
    function: str
    state: str
    attempt: int
    created_ms: int | None
    moved_ms: int
    due_ms: int | None
    error: str

    @property
    def ended(self) -> bool:
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run in full. `steps`: journaled results by name; `errors`: what each failed attempt said."""

    facts: RunFacts
    ended_ms: int | None
    begins: int
    result: Any
    steps: dict[str, Any]
    errors: dict[int, str]
    event: dict[str, Any]


async def list_runs(
    store: Store, *, function: str = "", state: str = "", event: str = "*", limit: int = 50
) -> list[RunFacts]:
    """The runs that moved last, newest first."""
    return (await page_of_runs(store, function=function, state=state, event=event, limit=limit))[0]


async def page_of_runs(
    store: Store, *, function: str = "", state: str = "", event: str = "*", limit: int = 50
) -> tuple[list[RunFacts], int]:
    """The same, and how many such runs are recorded; with a filter: among the last 5,000 of each index."""
    total = 0
    found: list[RunFacts] = []
    for name in await event_names(store, event):
        slot = store.keys.slot(name)
        most = MOST if function or state else limit  # a filter looks further back than it shows
        rows = await store.calls(("ZREVRANGE", index, 0, most - 1, "WITHSCORES") for index in (slot.open, slot.ended))
        total += sum(sound(n) for n in await store.calls([("ZCARD", slot.open), ("ZCARD", slot.ended)]))
        moved = {run: int(float(at)) for reply in rows for run, at in pairs(sound(reply)).items()}
        ids = [run for run in moved if not function or run.startswith(function + ":")]
        records = await store.calls(("HGETALL", slot.run(run)) for run in ids)
        found += [
            _facts(name, run, record, moved[run])
            for run, reply in zip(ids, records, strict=True)
            if (record := pairs(sound(reply)))
        ]
    found = [run for run in found if not state or run.state == state or (state == "ended" and run.ended)]
    found.sort(key=lambda run: run.moved_ms, reverse=True)
    return found[:limit], len(found) if function or state else total


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which open runs are meant: all of these hold. `until_ms`: those that last moved by then, ms since the epoch."""

    until_ms: int
    function: str = ""
    state: str = ""
    event: str = "*"

    def means(self, run: RunFacts) -> bool:
        return (
            not run.ended
            and (not self.function or run.function == self.function)
            and (not self.state or run.state == self.state)
        )


async def each_open_run(store: Store, meant: RunFilter) -> AsyncGenerator[RunFacts, None]:
    """Every open run that is meant, event by event, the one that has rested longest first. Only what has a record. Runs
    may end, and others begin, while it is read."""
    for name in await event_names(store, meant.event):
        slot = store.keys.slot(name)
        start, known = "-inf", set[str]()
        while True:
            page = ("LIMIT", 0, PAGE + len(known))
            rows = pairs(await store.call("ZRANGEBYSCORE", slot.open, start, meant.until_ms, "WITHSCORES", *page))
            moved = {run: int(float(at)) for run, at in rows.items() if run not in known}
            if not moved:
                break
            last = max(moved.values())
            known = {run for run, at in rows.items() if int(float(at)) == last}
            start = str(last)
            records = await store.calls(("HMGET", slot.run(run), *SHOWN) for run in moved)
            for (run, at), reply in zip(moved.items(), records, strict=True):
                record = {
                    field: text(value) for field, value in zip(SHOWN, sound(reply), strict=True) if value is not None
                }
                if record and meant.means(facts := _facts(name, run, record, at)):
                    yield facts


async def redrivable(store: Store, event: str, run: str) -> str:
    """How a run stands, for one who wants to open it again: `failed` when it can be; '' when nothing of it is left."""
    state, status, data = await store.call("HMGET", store.keys.slot(event).run(run), "state", "status", "e:data")
    if state is None or (status == b"failed" and data is None):
        return ""
    return text(status if state == b"ended" else state)


async def find_run(store: Store, run: str) -> RunDetail | None:
    """One run by its id (`FUNCTION:EVENT-ID`), whichever event started it."""
    names = await event_names(store)
    replies = await store.calls(("HGETALL", store.keys.slot(name).run(run)) for name in names)
    for name, reply in zip(names, replies, strict=True):
        if record := pairs(sound(reply)):
            return _detail(name, run, record)
    return None


def _facts(name: str, run: str, record: dict[str, str], moved_ms: int) -> RunFacts:
    state = record.get("state", "")
    if state == "ended":
        state = record.get("status", state)
    elif state == "queued" and record.get("claim"):
        state = "running"
    return RunFacts(
        id=run,
        event=name,
        function=record.get("fn", run.partition(":")[0]),
        state=state,
        attempt=number(record.get("attempt")) or 0,
        created_ms=number(record.get("created")),
        moved_ms=moved_ms,
        due_ms=number(record.get("due")) if state in ("due", "held", "waiting") else None,
        error=record.get("error", ""),
    )


def _detail(name: str, run: str, record: dict[str, str]) -> RunDetail:
    ended = number(record.get("ended"))
    return RunDetail(
        facts=_facts(name, run, record, ended or number(record.get("created")) or 0),
        ended_ms=ended,
        begins=number(record.get("begins")) or 0,
        result=parsed(record["result"]) if record.get("result") else None,
        steps={k[2:]: parsed(v) for k, v in record.items() if k.startswith("s:")},
        errors=attempts(record),
        event={k[2:]: parsed(v) if k == "e:data" else v for k, v in record.items() if k.startswith("e:")},
    )
