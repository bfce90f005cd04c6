"""A run that rests: held by a limit, waiting for an event, asleep, or between two attempts. Pure."""

from __future__ import annotations

import json

from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.situation import RunSituation, wait_of
from joelclaw_bus.inspect.explain.who import broken, nobody, promote, start
from joelclaw_bus.inspect.explain.words import due, error, match, when
from joelclaw_bus.inspect.replies import attempts, number
from joelclaw_bus.run_names import DEBOUNCE, LIMITED, QUIET, TURN

LATE_MS = 3_000
"""A due run that is later than this is overdue: sweeps come every second."""


def held(s: RunSituation) -> Explanation:
    """It waits for a permit."""
    return _alive(s, _held(s))


def _alive(s: RunSituation, said: Explanation) -> Explanation:
    """The same, unless nobody lives who could let it go on."""
    if s.live or not said.moves:
        return said
    return Explanation(said.cause, f"{said.why}; and {nobody(s)}", start(s), False)


def _held(s: RunSituation) -> Explanation:
    if s.line is None:
        what = f"it waits for a permit of {s.function}, and asks again {due(s)}"
        return Explanation("limit", what, "joelclaw bus runs --state due shows what else is open", True)
    line, key = s.line, f" for {s.line.key!r}" if s.line.key else ""
    limit = f"the limit of {line.most or 'so many'} at once of {s.function}{key} is reached"
    rank = f"; {line.rank} wait before it" if line.rank is not None else "; it is not lined up"
    if not line.holders:
        return Explanation("limit", f"its permit{key} is free{rank}; it asks again {due(s)}", "nothing", True)
    if line.stopping:
        why = f"it waits for the handler of {line.status} run {line.stopping} to stop"
        if line.at_work_ms > s.now_ms:
            why += f", or, if its worker has died, until {when(line.at_work_ms, s.now_ms)}"
        why += f"{rank}; it asks again {due(s)}"
        return Explanation(
            "limit", why, "nothing: it goes on by itself; a handler that hangs ends with its worker", True
        )
    names = [h.partition("|")[2] for h in line.holders]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    why = f"{limit}: held by {', '.join(names[:2])}{more}{rank}; it asks again {due(s)}"
    return Explanation(
        "limit", why, f"wait for the holder, or look why it stays: joelclaw bus explain {names[0]}", True
    )


def waiting(s: RunSituation) -> Explanation:
    """It waits for an event."""
    spec = wait_of(s.record)
    if spec is None:
        return broken(s, "it waits, and its record does not say for what")
    step = s.record.get("wait", "")
    asked = [
        f"{event}{match(wanted)}"
        for n, (event, wanted) in enumerate(zip(spec.get("events", ()), spec.get("matches", ()), strict=False))
        if f"a:{step}:{n}" not in s.record
    ]
    joint = " and " if spec.get("all") else " or "
    why = f"it waits in step {step!r} for {joint.join(asked)} until {due(s)}"
    if s.missing_waits:
        why += f"; {', '.join(s.missing_waits)} does not know that it waits: it is on its way there, or was lost"
    if late(s):
        return Explanation("overdue", f"{why}, which is over", promote(s), bool(s.live))
    event = (spec.get("events") or ("EVENT",))[0]
    said = Explanation("waits", why, f"send it (joelclaw bus send {event}), or let the time-out end it", True)
    return _alive(s, said)


def resting(s: RunSituation) -> Explanation:
    """It sleeps, or waits for its next attempt."""
    at, attempt = s.record.get("due", ""), number(s.record.get("attempt")) or 0
    if s.due_score is None or str(s.due_score) != at:
        return broken(s, "nothing in the due index would wake it at its time")
    sleep = next((k[2:] for k, v in s.record.items() if k.startswith("s:") and _until(v) == at), "")
    if f"s:{LIMITED}" in s.record and f"s:{TURN}" not in s.record:
        cause, why = "limit", f"so many of {s.function} have started as its rate limit allows: its turn is {due(s)}"
    elif f"s:{DEBOUNCE}" in s.record and f"s:{QUIET}" not in s.record:
        cause, why = "debounce", f"it starts {due(s)}, unless a later event of its key comes: then that one's run does"
    elif sleep:
        cause, why = "sleeps", f"it sleeps in step {sleep!r} until {due(s)}"
    elif attempt:
        most = number(str(s.registration.get("retries", "")))
        of = f" of {most + 1}" if most is not None else ""
        said = attempts(s.record)
        last = said.get(attempt) or s.record.get("error", "")
        cause, why = "backoff", f"attempt {attempt + 1}{of} begins {due(s)}; the last error: {error(last)}"
    else:
        cause, why = "sleeps", f"it met a store that refused, and goes on {due(s)}"
    if late(s):
        return Explanation("overdue", f"{why}, which is over: nobody promotes", promote(s), bool(s.live))
    return _alive(s, Explanation(cause, why, "nothing: it goes on by itself", True))


def late(s: RunSituation) -> bool:
    """Whether it should have been woken."""
    return s.now_ms - (number(s.record.get("due")) or s.now_ms) > LATE_MS


def _until(raw: str) -> str:
    try:
        return str(json.loads(raw)["until"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
