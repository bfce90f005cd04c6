"""What may not be, whatever failed: held against the ledger, the facts that were told, and the store.

| promise                                                       | held against                                    |
|---------------------------------------------------------------|-------------------------------------------------|
| each run ends once                                            | the ledger's accepted ends, by claim            |
| each step has one value                                       | every answer of `step`, and the record          |
| an act is repeated only if a crash came between it and record | the ledger's order                              |
| a handler begins again only after a rest or a crash           | the ledger                                      |
| nothing comes early                                           | when a run was due, and its next begin          |
| each event is on its stream once                              | the streams                                     |
| the bus met no fault of its own, and nothing needed mending   | the facts                                       |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from joelclaw_bus import Store
from joelclaw_bus.observer import AuditFound, OutboxUndeliverable, RunEnded, Stuck, WorkerFault, WriteRefused
from tests.support.seen import Seen
from tests.sweep.ledger import Acted, Called, Died, Ledger, Stopped
from tests.sweep.outlook import keys_of
from tests.sweep.scenario import Scenario

RUN_OF = {"begin": 5, "step": 7, "park": 4, "finish": 6, "cancel": 0, "cancel_unread": 0, "redrive": 0}
"""Where a script's arguments name the run."""
Life = tuple[str, int]
"""A run, and how often it had been opened again: each time it may end once more."""


def ledger(book: Ledger) -> list[str]:
    wrong = [f"{run} ended {len(claims)} times" for (run, _), claims in _ends(book).items() if len(claims) > 1]
    for (run, step), values in _values(book).items():
        if len(values) > 1:
            wrong.append(f"step {step} of {run} was answered with {sorted(values)}")
    return wrong + _repeats(book) + _early(book)


def _lives(book: Ledger) -> Iterator[tuple[Called, Life]]:
    """The accepted calls of runs' lives, in order."""
    lives = Counter[str]()
    for line in book.lines:
        if isinstance(line, Called) and line.kind in RUN_OF and line.answer[0] == 1:
            run = str(line.args[RUN_OF[line.kind]])
            lives[run] += line.kind == "redrive"
            yield line, (run, lives[run])


def _ends(book: Ledger) -> dict[Life, set[tuple[object, object]]]:
    ends: dict[Life, set[tuple[object, object]]] = {}
    for call, life in _lives(book):
        if call.kind == "finish":
            ends.setdefault(life, set()).add((call.args[5], call.args[7]))
        elif call.kind in ("cancel", "cancel_unread"):
            ends.setdefault(life, set()).add(("", "cancelled"))
    return ends


def _values(book: Ledger) -> dict[tuple[str, str], set[bytes]]:
    """What each step was answered with; a run that began anew from its start has new values."""
    values: dict[tuple[str, str], set[bytes]] = {}
    for call, (run, _) in _lives(book):
        if call.kind == "step":
            values.setdefault((run, str(call.args[8])), set()).add(bytes(call.answer[1]))
        elif call.kind == "redrive" and call.args[1] == "start":
            values = {what: seen for what, seen in values.items() if what[0] != run}
    return values


def _repeats(book: Ledger) -> list[str]:
    """Acts and handlers that began again though nothing had been lost."""
    wrong: list[str] = []
    done: set[tuple[str, str]] = set()  # recorded steps; an ended run is the step ''
    cancelled: set[tuple[str, str]] = set()
    excused: Counter[tuple[str, str]] = Counter()  # how often an act may begin again
    tried: set[tuple[str, str]] = set()
    for line in book.lines:
        match line:
            case Acted(run, step, _):
                what = (run, step)
                if what in done or (run, "") in done or what in cancelled:
                    wrong.append(f"{step or 'the handler'} of {run} began again after its record")
                elif what in tried and not excused[what]:
                    wrong.append(f"{step or 'the handler'} of {run} began again though nothing was lost")
                elif what in tried:
                    excused[what] -= 1
                tried.add(what)
            case Died() | Stopped():
                excused.update(tried)
            case Called(kind, _, args, answer) if kind in RUN_OF and answer[0] == 1:
                run = str(args[RUN_OF[kind]])
                if kind == "step":
                    done.add((run, str(args[8])))
                elif kind == "finish":
                    done.add((run, ""))
                elif kind in ("cancel", "cancel_unread"):
                    cancelled.add((run, ""))  # a handler at work may end its act: only its write is refused
                elif kind == "redrive":
                    done -= {what for what in done if what[0] == run and (not what[1] or args[1] == "start")}
                    excused.update(what for what in tried if what[0] == run)
                elif kind == "park":
                    excused[(run, "")] += 1
                    if args[11]:  # an attempt that failed: its unrecorded steps are tried anew
                        excused.update(what for what in tried if what[0] == run and what[1])
            case _:
                pass
    return wrong


def _early(book: Ledger) -> list[str]:
    wrong, due = [], dict[str, int]()
    for line in book.lines:
        if not isinstance(line, Called) or line.kind not in RUN_OF:
            continue
        run = str(line.args[RUN_OF[line.kind]])
        if line.kind == "park" and line.answer[0] == 1 and line.args[6] == "due":
            due[run] = int(line.answer[1])
        elif line.kind == "begin" and line.answer[0] == 1 and line.answer[1] < due.get(run, 0):
            wrong.append(f"{run} began {due[run] - line.answer[1]} ms early")
    return wrong


def facts(seen: Seen, book: Ledger, scenario: Scenario) -> list[str]:
    wrong = [str(f) for kind in (WorkerFault, OutboxUndeliverable, Stuck) for f in seen.all(kind)]
    if not scenario.spoilt:
        wrong += [f"needed mending: {f}" for f in seen.all(AuditFound)]
    told = Counter(f.run for f in seen.all(RunEnded))
    lives = Counter(run for run, _ in _ends(book))
    wrong += [f"the end of {run} was told {n} times" for run, n in told.items() if n > lives[run]]
    cancelled = {str(call.args[0]) for kind in ("cancel", "cancel_unread") for call in book.accepted(kind)}
    if not any(isinstance(line, Died | Stopped) for line in book.lines):  # a lost reply is no reason to stay silent
        refused = [f for f in seen.all(WriteRefused) if f.run not in cancelled]
        wrong += [f"refused to a worker that lives: {f}" for f in refused]
        skipped = {str(call.args[6]) for call in book.accepted("finish") if call.args[7] == "skipped"}
        wrong += [f"the end of {run} was told to nobody" for run in {*lives} - cancelled - skipped - {*told}]
    return wrong


async def store(store: Store, book: Ledger, scenario: Scenario) -> list[str]:
    ends = [(run.partition(":")[0], str(status)) for (run, _), claims in _ends(book).items() for _, status in claims]
    wrong = scenario.wrong_ends(Counter(ends))
    for name, many in scenario.events.items():
        rows = await store.call("XRANGE", store.keys.slot(name).stream, "-", "+")
        ids = Counter(_fields(row).get(b"id", row[0]) for row in rows)
        if len(ids) != many or any(n > 1 for n in ids.values()):
            wrong.append(f"{name} has the entries {dict(ids)}, and should have {many}")
    for name in {*scenario.events, *scenario.letters}:
        letters = await store.call("XLEN", store.keys.slot(name).dead)
        if letters != scenario.letters.get(name, 0):
            wrong.append(f"{name} has {letters} dead letters, and should have {scenario.letters.get(name, 0)}")
    for (run, step), values in _values(book).items():
        slot = next(c for c in book.accepted("step") if c.args[7] == run)
        kept = await store.call("HGET", slot.keys[-1], f"s:{step}")
        if kept is not None and {bytes(kept)} != values:
            wrong.append(f"{run} keeps {kept!r} for step {step}, and answered {sorted(values)}")
    return wrong + await _records(store, waits=bool(scenario.functions.awaited))


async def _records(store: Store, *, waits: bool) -> list[str]:
    """A run counts its steps, and their bytes, once each."""
    wrong = []
    for key in (await keys_of(store)).get("run", []):
        flat = await store.call("HGETALL", key)
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        steps = [name for name in record if name.startswith(b"s:")]
        if int(record.get(b"steps", b"0")) != len(steps):
            wrong.append(f"{key} counts {record[b'steps']!r} steps, and has {len(steps)}")
        if waits:
            continue  # what came for it is counted as well
        rests = [name for name in steps if record[name].startswith(b'{"until":')]
        size = sum(len(record[name]) for name in steps if name not in rests)
        if int(record.get(b"bytes", b"0")) != size:
            wrong.append(f"{key} counts {record[b'bytes']!r} bytes, and has {size}")
    return wrong


def _fields(row: Any) -> dict[bytes, bytes]:
    return dict(zip(row[1][::2], row[1][1::2], strict=True))
