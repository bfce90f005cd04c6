"""What must be true when all is over: every event ended once, nothing waits, every instant ticked by its rule."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cronsim import CronSim

from joelclaw_bus.awaited import is_before
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.run_names import run_id
from joelclaw_contracts import normal_id
from tests.simulation.judge import Judge
from tests.simulation.network import Network
from tests.simulation.program import ALONE, ECHO, FEW, STREAMS, TICK, status_of

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

SURE_MS = 1
"""An event that is on its stream so long before a wait's end counts, whoever finds it when."""
NAP_MS = 70_000
"""So long after a disturbance a scheduler may still sleep by what it knew before."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that the store acknowledged; `entry` is '' while it waits to be due; `told`: when, in true time."""

    stream: str
    id: str
    entry: str
    words: tuple[str, ...]
    told: float


def unrest(network: Network) -> list[str]:
    """What is open, waits, or lies unread."""
    slots = [Keys().slot(name) for name in STREAMS]
    keys = [k for s in slots for k in (s.open, s.due, s.outbox)]
    keys += [Keys().function_slot(fn).outbox for fn in (FEW, ALONE)]
    found = [
        f"{key} has {count}"
        for key, count in zip(keys, _ask(network, [("ZCARD", k) for k in keys]), strict=True)
        if count
    ]
    for slot in slots:
        for stream, last, group in _groups(network, slot):
            if group["pending"] or is_before(group["last-delivered-id"].decode(), last.decode()):
                found.append(f"{stream} has {group['pending']} pending, and is read to {group['last-delivered-id']}")
    return found


def verdict(judge: Judge, network: Network, sent: list[Sent], unserved: list[tuple[int, int]], plan: Plan) -> None:
    """Every promise that is broken at the end, added to the judge's."""
    judge.broken += [
        *_lost(judge, sent, plan.kinds),
        *_twice(judge),
        *_waits(judge, sent),
        *_echoes(judge, network, sent, plan.kinds),
        *_ticks(judge, network, unserved, plan),
    ]


def _runs_of(event: Sent, kinds: frozenset[str]) -> Iterator[str]:
    """The runs that an event makes."""
    for fn in STREAMS[event.stream]:
        if fn in kinds:
            yield run_id(fn, event.id, given=True) if event.id else run_id(fn, event.entry)


def _lost(judge: Judge, sent: list[Sent], kinds: frozenset[str]) -> Iterator[str]:
    for event in sent:
        if event.stream == "sim/answer" or (not event.id and not event.entry):
            continue  # it makes no run; or it was given an id on the way, and a reader of this ledger can't know which
        for run in (Keys().slot(event.stream).run(r) for r in _runs_of(event, kinds)):
            ends = judge.ends.get(run, [])
            if not ends:
                yield f"lost: {run} has no end"
            elif ends[0][1] != status_of(list(event.words)):
                yield f"{run} ended as {ends[0][1]}: its words are {event.words}"


def _waits(judge: Judge, sent: list[Sent]) -> Iterator[str]:
    """Who waited for an answer that came in time has it; who has one, to him one was sent."""
    answers: dict[str, list[tuple[int, float]]] = {}
    for event in sent:
        if event.stream == "sim/answer":
            answers.setdefault(event.words[0], []).append((int(event.entry.partition("-")[0]), event.told))
    for (run, step), w in judge.waits.items():
        # Where the clock was set back, what came after the end may have an entry of before it.
        in_time = [
            at
            for at, told in answers.get(w.key, [])
            if w.began_ms and w.began_ms <= at <= w.until_ms - SURE_MS and told <= w.over
        ]
        if in_time and not w.came:
            yield f"lost: {run} did not hear of {w.key} in {step}: it came {w.until_ms - in_time[0]} ms before the end"


def _twice(judge: Judge) -> Iterator[str]:
    for run, ends in judge.ends.items():
        if len(ends) > 1:
            yield f"{run} has {len(ends)} ends: {ends}"


def _echoes(judge: Judge, network: Network, sent: list[Sent], kinds: frozenset[str]) -> Iterator[str]:
    """Every event that a run sent stands on the stream once, and made one run."""
    slot = Keys().slot("sim/echo")
    rows = _ask(network, [("XRANGE", slot.stream, "-", "+")])[0]
    fields = [dict(zip(f[::2], f[1::2], strict=True)) for _, f in rows]
    ids = Counter(f[b"id"].decode() for f in fields)
    for id, many in ids.items():
        if many > 1:
            yield f"{id} was sent {many} times"
        if not judge.ends.get(slot.run(run_id(ECHO, id, given=True))):
            yield f"lost: the run of {id} has no end"
    said = Counter(json.loads(f[b"data"])["saidBy"] for f in fields)
    for event in sent:
        if event.stream == "sim/answer" or (not event.id and not event.entry):
            continue
        sends = [n for n, word in enumerate(event.words) if word.startswith("send")]
        for run in _runs_of(event, kinds):
            key = f"{event.stream}|{run}"
            for n in sends:
                if not ids[normal_id(f"{key}:{n}-send")]:
                    yield f"lost: what {run} sent in its word {n}"
            if said[key] != len(sends):
                yield f"{key} sent {said[key]} events; it has {len(sends)} to send"


def _ticks(judge: Judge, network: Network, unserved: list[tuple[int, int]], plan: Plan) -> Iterator[str]:
    """Every instant once; which may be missing, the rule says. The instants are cronsim's own."""
    end = network.now_ms - NAP_MS
    for number, (expression, misfire, _) in enumerate(plan.crons):
        schedule = f"{TICK}{number}#0"
        ticked = Counter(judge.ticked[schedule])
        for nominal, many in ticked.items():
            if many > 1:
                yield f"{schedule} ticked {many} times for {nominal}"
        begin = judge.marks.get(schedule)
        if begin is None:
            continue
        instants = set(_instants(expression, begin, max(end, begin)))
        for nominal in sorted(instants - set(ticked)):
            excused = any(low - 1_000 <= nominal <= high + NAP_MS for low, high in unserved)
            if misfire == "all" or not excused:
                yield f"{schedule} ({misfire}) missed {nominal}"
        wrong = [n for n in ticked if n <= end and n not in instants]
        if wrong:
            yield f"{schedule} ticked for {wrong}, which are none of its instants"


def _instants(expression: str, after_ms: int, until_ms: int) -> Iterator[int]:
    for at in CronSim(expression, datetime.fromtimestamp(after_ms // 1000, UTC)):
        nominal = round(at.timestamp() * 1000)
        if nominal > until_ms:
            return
        yield nominal


def _groups(network: Network, slot: Slot) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """(stream, its last entry's id, group) of a slot's streams."""
    streams = [slot.stream, *(slot.ready(fn) for fn in STREAMS[slot.name])]
    for stream in streams:
        groups, info = _ask(network, [("XINFO", "GROUPS", stream), ("XINFO", "STREAM", stream)])
        if not isinstance(groups, list):
            continue
        last = dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"]
        for row in groups:
            yield stream, last, {k.decode(): v for k, v in zip(row[::2], row[1::2], strict=True)}


def _ask(network: Network, commands: list[Sequence[str]]) -> list[Any]:
    """A look of the harness's own, which no ledger sees."""
    network.server.set_us(network.now_us)
    return network.server.wire.calls(commands)
