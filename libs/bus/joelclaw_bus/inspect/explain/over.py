"""A run that has ended, or that was buried before it could begin. Pure."""

from __future__ import annotations

from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.situation import Letter, RunSituation
from joelclaw_bus.inspect.explain.words import error, when
from joelclaw_bus.inspect.replies import number


def ended(s: RunSituation) -> Explanation:
    """By its record."""
    status, at = s.record.get("status", "ended"), number(s.record.get("ended")) or 0
    why = f"it has ended: {status}, {_ago(at, s.now_ms)}"
    if said := s.record.get("error"):
        why += f": {error(said)}"
    if status != "failed":
        return Explanation("ended", why, f"nothing; joelclaw bus run {s.run} shows its result", True)
    cause = "poisoned" if s.record.get("error", "").startswith("poisoned:") else "ended"
    if not s.letter:
        return Explanation(cause, why, "its dead letter is gone: send the event again if it is still wanted", True)
    return Explanation(cause, f"{why}; dead letter {s.letter.id}", _go_on(s.letter), True)


def buried(s: RunSituation, letter: Letter) -> Explanation:
    """No record is left of it, and its letter is."""
    why = f"it was buried {_ago(letter.buried_ms, s.now_ms)}: {error(letter.error)}; dead letter {letter.id}"
    return Explanation("buried", why, _replay(letter), True)


def acknowledged(s: RunSituation) -> Explanation:
    """Its group has it behind it, and it has no record."""
    if not s.entry_there:
        what = "nothing of it is left: neither a record nor its event"
        return Explanation("ended", what, "joelclaw bus runs lists what is recorded", True)
    why = "it has ended: its event was acknowledged, and a run that needed no step leaves no record"
    return Explanation("ended", why, f"joelclaw otel search {s.function} tells what it left as evidence", True)


def _go_on(letter: Letter) -> str:
    return f"mend the cause, then joelclaw bus dead redrive {letter.id} (or replay, or drop {letter.id})"


def _replay(letter: Letter) -> str:
    return f"mend the cause, then joelclaw bus dead replay {letter.id} (or drop {letter.id})"


def _ago(at_ms: int, now_ms: int) -> str:
    moment, _, ago = when(at_ms, now_ms).partition(" (")
    return f"{ago.removesuffix(')')} ({moment})"
