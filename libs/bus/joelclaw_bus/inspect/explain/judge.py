"""Why a run isn't moving: which room tells it. Pure."""

from __future__ import annotations

from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.inspect.explain import over, ready, resting, who
from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.situation import RunSituation
from joelclaw_bus.inspect.replies import number


def explain(s: RunSituation) -> Explanation:
    """By the package's table, in its order."""
    state = s.record.get("state", "")
    if state == "ended":
        return over.ended(s)
    if (number(s.record.get("v")) or 0) > RECORD_FORMAT:
        why = f"its record has format {s.record['v']}, and this version reads {RECORD_FORMAT}: a newer worker made it"
        return Explanation("newer", why, "start a worker of the newer version, or finish the rollout", False)
    if s.hand:
        return ready.in_hand(s, s.hand)
    if not s.record:
        return _without_record(s)
    if s.is_paused:
        return who.paused(s)
    match state:
        case "held":
            return resting.held(s)
        case "waiting":
            return resting.waiting(s)
        case "due":
            return resting.resting(s)
        case "queued":
            return ready.queued(s)
    return who.broken(s, f"its record says {state or 'no state'}")


def _without_record(s: RunSituation) -> Explanation:
    """It has not begun, or was buried, or needed no record and is over."""
    if s.delayed_ms is not None:
        return ready.delayed(s, s.delayed_ms)
    if s.letter and not s.undelivered:
        return over.buried(s, s.letter)
    if not s.function:
        return ready.unclaimed(s)
    if s.undelivered or (s.entry_there and not s.group):
        return ready.queued(s)
    return over.acknowledged(s)
