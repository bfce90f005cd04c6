"""A run that could go on now: in somebody's hand, or still to be read. Pure."""

from __future__ import annotations

from joelclaw_bus.inspect.event_entries import order
from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.situation import Backlog, Hand, RunSituation
from joelclaw_bus.inspect.explain.who import broken, nobody, paused, start
from joelclaw_bus.inspect.explain.words import many, when
from joelclaw_bus.inspect.replies import number
from joelclaw_bus.inspect.spans import span
from joelclaw_bus.limits import Limits
from joelclaw_bus.suspects import ALONE_FROM, awaits_calm

LEASE_MS = 15_000
"""Of a worker whose heartbeats tell none."""
SOON_MS = 5_000
"""What is unread for longer, with nothing unread before it, waits for a worker that has no room."""


def in_hand(s: RunSituation, hand: Hand) -> Explanation:
    """Its entry was read, and has no end yet."""
    begins = number(s.record.get("begins")) or 0
    suspect = ALONE_FROM <= begins < Limits().begins
    holder = next((w for w in s.servers if w.worker == hand.consumer), None)
    lease = holder.lease_ms if holder and holder.lease_ms else max((w.lease_ms for w in s.servers), default=0)
    more = _steps(s) + (f"; begun {begins} times without an end" if begins else "")
    if begins >= Limits().begins:
        more += ", so the next begin buries it"
    elif suspect:
        more += ", so it may be a poison: it begins alone, when there is a place for it"
        more += " and in calm" if awaits_calm(begins, Limits().begins) else ""
    if hand.idle_ms <= (lease or LEASE_MS):
        since = span(max(0, s.now_ms - order(s.entry)[0]))
        does = f"held by {hand.consumer}, where it runs or waits" if suspect else f"being executed by {hand.consumer}"
        why = f"it is {does}, {since} after it became ready{more}"
        return Explanation("executing", why, "nothing: wait for it to end (or cancel it, if it is not wanted)", True)
    why = f"{hand.consumer} has it, and has been silent for {span(hand.idle_ms)}: its lease ran out{more}"
    if suspect:  # what is handed back looks the same
        why = f"{hand.consumer} had it last: its lease ran out, or it was handed back{more}"
    if s.is_paused:
        return paused(s, f"{why}; and ")
    if s.live:
        return Explanation("lost-lease", why, "nothing: a live worker takes it over within a lease", True)
    return Explanation("lost-lease", f"{why}, and {nobody(s)}", start(s), False)


def queued(s: RunSituation) -> Explanation:
    """Its entry waits to be read, or should."""
    if s.record and not s.entry_there:
        return broken(s, "its entry is not on its stream any more")
    unread = f"its event is unread {_since(s)}; " if not s.record else ""
    if s.is_paused:
        return paused(s, unread)
    if s.pause_unreadable:
        unread = f"the pause of {s.function} can't be read, and holds nothing; {unread}"
    if not s.live:
        return Explanation("no-worker", f"{unread or 'it is ready, and '}{nobody(s)}", start(s), False)
    if not s.group:
        why = f"{unread or 'it is ready, and '}{s.function} has no group on its stream"
        return Explanation("no-group", why, "its worker makes it anew within seconds; if not, look at its log", True)
    if not s.undelivered or s.backlog is None:
        return broken(s, "its entry was acknowledged without an end")
    return _behind(s, s.backlog)


def _behind(s: RunSituation, b: Backlog) -> Explanation:
    """Live workers have the function, and have not come to it."""
    busy = f"{many(len(s.live), 'worker')} of {s.function} {'has' if len(s.live) == 1 else 'have'} {b.in_hand} in hand"
    waits = b.before or s.now_ms - order(s.entry)[0] > SOON_MS
    if not waits:
        return Explanation("queued", f"it is ready, and next to be read; {busy}", "nothing: it is read at once", True)
    first = f", the first of them for {span(s.now_ms - order(b.first)[0])}" if b.first else ""
    before = f"{many(b.before, 'entry', more=b.more)} before it {'is' if b.before == 1 else 'are'} unread"
    why = f"it is ready {_since(s)}, and {before}; {busy}{first}"
    if b.first and b.idle_ms > (max(w.lease_ms for w in s.live) or LEASE_MS):
        why += f"; {b.consumer}, who has that one, is silent for {span(b.idle_ms)}"
    todo = f"look what keeps them: joelclaw bus explain {s.function}:{b.first}; " if b.first else ""
    return Explanation("behind", why, f"{todo}start more workers of it, if they only have too much to do", True)


def unclaimed(s: RunSituation) -> Explanation:
    """An event that nobody takes: neither a group nor a registration."""
    why = f"its event lies on {s.event} {_since(s)}, and no function ever registered for it"
    return Explanation(
        "no-function",
        why,
        "start the service that takes it; or the event's name is misspelt: joelclaw bus streams",
        False,
    )


def delayed(s: RunSituation, at_ms: int) -> Explanation:
    """Its event is not on its stream yet."""
    why = f"its event is delayed: it is sent {when(at_ms, s.now_ms)}"
    if at_ms < s.now_ms - SOON_MS:
        return Explanation("overdue", f"{why}, which is over: nobody promotes", start(s), bool(s.live))
    return Explanation("delayed", why, f"nothing, if that is meant; joelclaw bus due {s.event} lists what waits", True)


def _since(s: RunSituation) -> str:
    return f"for {span(max(0, s.now_ms - order(s.entry)[0]))}"


def _steps(s: RunSituation) -> str:
    done = [k[2:] for k in s.record if k.startswith("s:")]
    return f"; journaled so far: {', '.join(done[-3:])}" if done else ""
