"""Why a run isn't moving, and what to do: one line each, from what the store says. Pure.

| cause      | the run                                                                  |
|------------|--------------------------------------------------------------------------|
| ended      | has ended: how and when                                                  |
| poisoned   | was buried, or will be: it began too often without an end                |
| newer      | has a record of a format that only newer workers read                    |
| executing  | is being executed now                                                    |
| lost-lease | is in the hands of a worker that has been silent for longer than a lease |
| paused     | its function is paused                                                   |
| limit      | waits for a permit                                                       |
| waits      | waits for an event                                                       |
| sleeps     | sleeps in a step                                                         |
| backoff    | waits for its next attempt                                               |
| overdue    | should have been woken                                                   |
| no-worker  | could go on, and no worker that lives has its function                   |
| no-group   | could go on, and nobody reads its stream                                 |
| queued     | is about to be read                                                      |
| broken     | what would move it is not in the store; the auditor repairs that         |
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.inspect.explain_facts import RunSituation, Server, wait_of
from joelclaw_bus.inspect.replies import attempts, number
from joelclaw_bus.inspect.spans import clock, span
from joelclaw_bus.inspect.workers import LIVE_MS
from joelclaw_bus.limits import Limits

LATE_MS = 3_000
"""A due run that is later than this is overdue: sweeps come every second."""
LONGEST_VALUE = 80
LEASE_MS = 15_000
"""Of a worker whose heartbeats tell none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`why` and `todo`: a line each. `moves`: whether it goes on by itself, without anybody doing anything."""

    cause: str
    why: str
    todo: str
    moves: bool


def explain(s: RunSituation) -> Explanation:
    """By the table above, in its order."""
    state = s.record.get("state", "")
    if state == "ended":
        return _ended(s)
    if (number(s.record.get("v")) or 0) > RECORD_FORMAT:
        why = f"its record has format {s.record['v']}, and this version reads {RECORD_FORMAT}: a newer worker made it"
        return Explanation("newer", why, "start a worker of the newer version, or finish the rollout", False)
    if s.hand:
        return _in_hand(s)
    if not s.record:
        return _without_record(s)
    if s.pause and s.pause.holds(s.now_ms):
        return _paused(s)
    match state:
        case "held":
            return _held(s)
        case "waiting":
            return _waiting(s)
        case "due":
            return _due(s)
        case "queued":
            return _queued(s)
    return _broken(s, f"its record says {state or 'no state'}")


def _ended(s: RunSituation) -> Explanation:
    status, at = s.record.get("status", "ended"), number(s.record.get("ended")) or 0
    why = f"it has ended: {status}, {span(s.now_ms - at)} ago ({clock(at)})"
    if error := s.record.get("error"):
        why += f": {error}"
    if status != "failed":
        return Explanation("ended", why, f"nothing; joelclaw bus run {s.run} shows its result", True)
    cause = "poisoned" if s.record.get("error", "").startswith("poisoned:") else "ended"
    if not s.letter:
        return Explanation(cause, why, "its dead letter is gone: send the event again if it is still wanted", True)
    letter = f"mend the cause, then joelclaw bus dead replay {s.letter} (or drop {s.letter})"
    return Explanation(cause, f"{why}; dead letter {s.letter}", letter, True)


def _in_hand(s: RunSituation) -> Explanation:
    hand, begins = s.hand, number(s.record.get("begins")) or 0
    assert hand is not None
    holder = next((w for w in s.servers if w.worker == hand.consumer), None)
    lease = holder.lease_ms if holder and holder.lease_ms else max((w.lease_ms for w in s.servers), default=0)
    often = f"; begun {begins} times without an end" if begins else ""
    if begins >= Limits().begins:
        often += ", so the next begin buries it"
    steps = _steps(s)
    if hand.idle_ms <= (lease or LEASE_MS):
        since = span(max(0, s.now_ms - int(s.entry.partition("-")[0])))
        why = f"it is being executed by {hand.consumer}, {since} after it became ready{steps}{often}"
        return Explanation("executing", why, "nothing: wait for it to end (or cancel it, if it is not wanted)", True)
    why = f"{hand.consumer} has it, and has been silent for {span(hand.idle_ms)}: its lease ran out{steps}{often}"
    if s.pause and s.pause.holds(s.now_ms):
        paused = _paused(s)
        return Explanation("paused", f"{why}; and {paused.why}", paused.todo, paused.moves)
    if _live(s):
        return Explanation("lost-lease", why, "nothing: a live worker takes it over within a lease", True)
    return Explanation("lost-lease", f"{why}, and {_nobody(s)}", _start(s), False)


def _without_record(s: RunSituation) -> Explanation:
    """No record: it has not begun, or needed none and is over."""
    if s.undelivered:
        return _queued(s)
    if not s.entry_there:
        why = "nothing of it is left: neither a record nor its event"
        return Explanation("ended", why, "joelclaw bus runs lists what is recorded", True)
    why = "it has ended: its event was acknowledged, and a run that needed no step leaves no record"
    return Explanation("ended", why, f"joelclaw otel search {s.function} tells what it left as evidence", True)


def _paused(s: RunSituation) -> Explanation:
    pause = s.pause
    assert pause is not None
    ends = (
        f"until {clock(pause.until_ms)} (in {span(pause.until_ms - s.now_ms)})" if pause.until_ms else "without an end"
    )
    why = f"{s.function} is paused by {pause.owner} {ends}: {pause.reason}"
    return Explanation(
        "paused", why, f"joelclaw bus resume {s.function}, when the reason is over", bool(pause.until_ms)
    )


def _held(s: RunSituation) -> Explanation:
    if s.line is None:
        what = f"it waits for a permit of {s.function}, and asks again {_when(s)}"
        return Explanation("limit", what, "joelclaw bus runs --state due shows what else is open", True)
    line, key = s.line, f" for {s.line.key!r}" if s.line.key else ""
    limit = f"the limit of {line.most or 'so many'} at once of {s.function}{key} is reached"
    rank = f"; {line.rank} wait before it" if line.rank is not None else "; it is not lined up"
    if not line.holders:
        return Explanation("limit", f"its permit{key} is free{rank}; it asks again {_when(s)}", "nothing", True)
    names = [h.partition("|")[2] for h in line.holders]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    why = f"{limit}: held by {', '.join(names[:2])}{more}{rank}; it asks again {_when(s)}"
    return Explanation(
        "limit", why, f"wait for the holder, or look why it stays: joelclaw bus explain {names[0]}", True
    )


def _waiting(s: RunSituation) -> Explanation:
    spec = wait_of(s.record)
    if spec is None:
        return _broken(s, "it waits, and its record does not say for what")
    step = s.record.get("wait", "")
    wanted = [
        f"{event}{_match(match)}"
        for n, (event, match) in enumerate(zip(spec.get("events", ()), spec.get("matches", ()), strict=False))
        if f"a:{step}:{n}" not in s.record
    ]
    joint = " and " if spec.get("all") else " or "
    why = f"it waits in step {step!r} for {joint.join(wanted)} until {_when(s)}"
    if s.missing_waits:
        why += f"; {', '.join(s.missing_waits)} does not know that it waits: it is on its way there, or was lost"
    if _late(s):
        return Explanation("overdue", f"{why}, which is over", _promote(s), bool(_live(s)))
    event = (spec.get("events") or ("EVENT",))[0]
    return Explanation("waits", why, f"send it (joelclaw bus send {event}), or let the time-out end it", True)


def _due(s: RunSituation) -> Explanation:
    due, attempt = s.record.get("due", ""), number(s.record.get("attempt")) or 0
    if s.due_score is None or str(s.due_score) != due:
        return _broken(s, "nothing in the due index would wake it at its time")
    sleep = next((k[2:] for k, v in s.record.items() if k.startswith("s:") and _until(v) == due), "")
    if sleep:
        cause, why = "sleeps", f"it sleeps in step {sleep!r} until {_when(s)}"
    elif attempt:
        most = number(str(s.registration.get("retries", "")))
        of = f" of {most + 1}" if most is not None else ""
        said = attempts(s.record)
        last = said.get(attempt) or s.record.get("error", "")
        cause, why = "backoff", f"attempt {attempt + 1}{of} begins {_when(s)}; the last error: {last}"
    else:
        cause, why = "sleeps", f"it met a store that refused, and goes on {_when(s)}"
    if _late(s):
        return Explanation("overdue", f"{why}, which is over: nobody promotes", _promote(s), bool(_live(s)))
    if not _live(s):
        return Explanation(cause, f"{why}; and {_nobody(s)}", _start(s), False)
    return Explanation(cause, why, "nothing: it goes on by itself", True)


def _queued(s: RunSituation) -> Explanation:
    if s.record and not s.entry_there:
        return _broken(s, "its entry is not on its stream any more")
    if s.pause and s.pause.holds(s.now_ms):
        return _paused(s)
    if not _live(s):
        return Explanation("no-worker", f"it is ready, and {_nobody(s)}", _start(s), False)
    if not s.group:
        why = f"it is ready, and {s.function} has no group on its stream"
        return Explanation("no-group", why, "its worker makes it anew within seconds; if not, look at its log", True)
    if not s.undelivered:
        return _broken(s, "its entry was acknowledged without an end")
    unread = f"{s.ahead} entries are unread" if s.ahead is not None else "it is unread"
    busy = sum(w.in_hand for w in _live(s))
    why = f"it is ready: {unread}, and {len(_live(s))} worker(s) of {s.function} have {busy} in hand"
    return Explanation("queued", why, "nothing, if it is read soon; else start more workers, or look at theirs", True)


def _broken(s: RunSituation, what: str) -> Explanation:
    if _live(s):
        return Explanation(
            "broken", what, "nothing: the auditor repairs it within a round (its `chores` seconds)", True
        )
    return Explanation("broken", f"{what}; and {_nobody(s)}", f"{_start(s)}: its auditor repairs it", False)


def _live(s: RunSituation) -> list[Server]:
    return [w for w in s.servers if w.age_ms <= max(LIVE_MS, 2 * w.lease_ms)]


def _nobody(s: RunSituation) -> str:
    had = f"; {s.last_service[0]} last had it, {span(s.last_service[1])} ago" if s.last_service else ""
    return f"no live worker has {s.function}{had}"


def _start(s: RunSituation) -> str:
    if s.last_service:
        return f"start {s.last_service[0]}"
    if s.registration:
        return f"start the service that has {s.function}"
    return f"nothing ever registered {s.function}: is its name spelt as in the code?"


def _promote(s: RunSituation) -> str:
    return "look at its workers' logs (bus.stuck): the store refuses them something" if _live(s) else _start(s)


def _late(s: RunSituation) -> bool:
    return s.now_ms - (number(s.record.get("due")) or s.now_ms) > LATE_MS


def _when(s: RunSituation) -> str:
    due = number(s.record.get("due")) or 0
    return (
        f"{clock(due)} (in {span(due - s.now_ms)})" if due > s.now_ms else f"{clock(due)} ({span(s.now_ms - due)} ago)"
    )


def _match(match: object) -> str:
    if not isinstance(match, dict) or not match:
        return ""
    return " with " + ", ".join(f"{_harmless(k)}={_harmless(v)}" for k, v in match.items())


def _harmless(value: object) -> str:
    """A value that a stranger may have chosen: on one line, moving no cursor, and no longer than a line can bear."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)[:LONGEST_VALUE])
    return text if len(str(value)) <= LONGEST_VALUE else f"{text}…"


def _steps(s: RunSituation) -> str:
    done = [k[2:] for k in s.record if k.startswith("s:")]
    return f"; journaled so far: {', '.join(done[-3:])}" if done else ""


def _until(raw: str) -> str:
    try:
        return str(json.loads(raw)["until"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
