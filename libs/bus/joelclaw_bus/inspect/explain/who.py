"""Who could move a run, and what to do where nobody can. Pure."""

from __future__ import annotations

from joelclaw_bus.inspect.explain.explanation import Explanation
from joelclaw_bus.inspect.explain.situation import RunSituation
from joelclaw_bus.inspect.explain.words import when
from joelclaw_bus.inspect.spans import span


def nobody(s: RunSituation) -> str:
    """Who had the function last: a worker that fell silent, else the service."""
    if s.servers:
        silent = s.servers[0]
        return (
            f"no live worker has {s.function}: {silent.worker} is silent for {span(silent.age_ms)} "
            "(frozen, dead, or cut off from the store)"
        )
    had = f"; {s.last_service[0]} last had it, {span(s.last_service[1])} ago" if s.last_service else ""
    return f"no live worker has {s.function}{had}"


def start(s: RunSituation) -> str:
    """What to do where nobody has the function."""
    if s.last_service:
        again = f"look at {s.servers[0].worker} (a frozen process goes on with kill -CONT), or " if s.servers else ""
        return f"{again}start {s.last_service[0]}"
    if s.registration or s.servers:
        return f"start the service that has {s.function}"
    return f"nothing ever registered {s.function}: is its name spelt as in the code?"


def paused(s: RunSituation, before: str = "") -> Explanation:
    """`before`: what else is to be said of it, as the beginning of the line."""
    pause = s.pause
    assert pause is not None
    ends = f"until {when(pause.until_ms, s.now_ms)}" if pause.until_ms else "without an end"
    why = f"{before}{s.function} is paused by {pause.owner} {ends}: {pause.reason}"
    todo = f"joelclaw bus resume {s.function}, when the reason is over"
    return Explanation("paused", why, todo, bool(pause.until_ms))


def broken(s: RunSituation, what: str) -> Explanation:
    """What would move it is not in the store."""
    if s.live:
        todo = "nothing: the auditor repairs it within a round (its `chores` seconds)"
        return Explanation("broken", what, todo, True)
    return Explanation("broken", f"{what}; and {nobody(s)}", f"{start(s)}: its auditor repairs it", False)


def promote(s: RunSituation) -> str:
    """What to do where nobody wakes what is due."""
    return "look at its workers' logs (bus.stuck): the store refuses them something" if s.live else start(s)
