"""What the store says about one run: its record, its entry, who could move it, and what holds it. Read, not judged."""

from __future__ import annotations

from typing import Any

from joelclaw_bus.inspect.event_entries import is_entry
from joelclaw_bus.inspect.explain.queue import read_queue
from joelclaw_bus.inspect.explain.situation import Letter, Line, RunSituation, Server, json_object, wait_of
from joelclaw_bus.inspect.find import LETTERS, Found
from joelclaw_bus.inspect.replies import ms_of, number, pairs, sound, text
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.pauses import read_pauses
from joelclaw_bus.slot_calls.permits import read_claim
from joelclaw_bus.store import Store
from joelclaw_contracts import NameInvalid

HOLDERS = 10


async def read_situation(store: Store, one: Found) -> RunSituation:
    """All facts of one run. StoreUnavailable, StoreRefused."""
    slot, run = one.slot, one.run
    function = run.partition(":")[0]
    record, due, now = (
        pairs(await store.call("HGETALL", slot.run(run))),
        await store.call("ZSCORE", slot.due, f"r:{run}"),
        await store.time_ms(),
    )
    function = record.get("fn", function)
    at = record.get("at") or ("" if record else f"s{one.entry or run.partition(':')[2]}")
    source = slot.ready(function) if at.startswith("r") else slot.stream
    entry = at[1:] if is_entry(at[1:]) else ""
    queue = await read_queue(store, source, function, entry)
    servers, last = await _servers(store, function, now)
    pauses, unreadable = await read_pauses(store)
    return RunSituation(
        run=run,
        event=slot.name,
        function=function,
        now_ms=now,
        record=record,
        event_id=one.event_id,
        entry=entry,
        entry_there=queue.there,
        group=queue.group,
        undelivered=queue.undelivered,
        backlog=queue.backlog,
        hand=queue.hand,
        due_score=_score(due),
        delayed_ms=_score(await store.call("ZSCORE", slot.due, f"e:{one.event_id}")) if one.event_id else None,
        servers=servers,
        last_service=last,
        registration=json_object(await store.call("HGET", store.keys.functions, function)),
        pause=pauses.get(function),
        pause_unreadable=function in unreadable,
        line=await _line(store, record, f"{slot.name}|{run}"),
        letter=await _letter(store, one),
        missing_waits=await _missing(store, record, f"{slot.name}|{run}"),
    )


async def _letter(store: Store, one: Found) -> Letter | None:
    """The latest letter of the run or of its event's entry, among the last 500 of its stream."""
    for letter, flat in await store.call("XREVRANGE", one.slot.dead, "+", "-", "COUNT", LETTERS):
        fields = pairs(flat or [])
        of_entry = fields.get("kind") == "entry" and one.entry != "" and fields.get("e:entry") == one.entry
        if (one.run != "" and fields.get("run") == one.run) or of_entry:
            at = number(fields.get("buried")) or ms_of(text(letter))
            return Letter(text(letter), fields.get("error", ""), at)
    return None


async def _servers(store: Store, function: str, now: int) -> tuple[tuple[Server, ...], tuple[str, int] | None]:
    """The workers that have the function, freshest first; and which service last had it, with its age, ms."""
    found = []
    for worker, raw in pairs(await store.call("HGETALL", store.keys.workers)).items():
        row = json_object(raw)
        if function in (row.get("functions") or ()):
            age, lease = now - _int(row.get("at")), 3 * _int(row.get("everyMs"))
            found.append(Server(worker, age, lease, _int(row.get("inHand"))))
    services = []
    for service, raw in pairs(await store.call("HGETALL", store.keys.services)).items():
        row = json_object(raw)
        if function in (row.get("functions") or ()):
            services.append((service, now - _int(row.get("at"))))
    return tuple(sorted(found, key=lambda s: s.age_ms)), min(services, key=lambda s: s[1], default=None)


async def _line(store: Store, record: dict[str, str], member: str) -> Line | None:
    """The permit of a held run, as its record names it."""
    if record.get("state") != "held" or not record.get("permit"):
        return None
    try:
        item = OutboxItem.decode(record["permit"].encode())
        slot = store.keys.function_slot(item.target)
    except ValueError:
        return None
    holders, rank = await store.calls(
        [
            ("ZRANGE", slot.permits(item.permit), 0, HOLDERS - 1),
            ("ZRANK", slot.waiters(item.permit), member),
        ]
    )
    names = tuple(text(h) for h in sound(holders))
    stopping = await _stopping(store, slot.claims(item.permit), names) if names else ("", "", 0)
    return Line(item.permit, item.most, names, sound(rank), *stopping)


async def _stopping(store: Store, claims: str, holders: tuple[str, ...]) -> tuple[str, str, int]:
    """The first holder whose run has ended while its handler counts as at work: run, status, until when, ms."""
    (taken,) = await store.calls([("HMGET", claims, *holders)])
    for holder, raw in zip(holders, sound(taken), strict=True):
        until = read_claim(raw)[1]
        name, _, run = holder.partition("|")
        if until and (record := await _end_of(store, name, run)):
            return run, record, until
    return "", "", 0


async def _end_of(store: Store, slot: str, run: str) -> str:
    """How a run ended; '' while it is open, or when nobody knows."""
    try:
        state, status = await store.call("HMGET", store.keys.slot(slot).run(run), "state", "status")
    except NameInvalid:  # a stranger's holder
        return ""
    return text(status or b"ended") if state == b"ended" else ""


async def _missing(store: Store, record: dict[str, str], member: str) -> tuple[str, ...]:
    """The awaited events whose slot does not know that this run waits for them."""
    step = record.get("wait", "")
    spec = wait_of(record)
    if record.get("state") != "waiting" or spec is None:
        return ()
    open_ones = [(event, n) for n, event in enumerate(spec.get("events", ())) if f"a:{step}:{n}" not in record]
    asked = [("HEXISTS", store.keys.slot(event).wait_items, f"{member}:{step}:{n}") for event, n in open_ones]
    known = await store.calls(asked) if asked else []
    return tuple(event for (event, _), there in zip(open_ones, known, strict=True) if not sound(there))


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _score(raw: Any) -> int | None:
    return int(float(raw)) if raw is not None else None
