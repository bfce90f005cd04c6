"""What the `joelclaw` command asks of us (entry point group `joelclaw.providers`): plain functions, JSON-able answers.

The command imports no service; it finds this module by its entry point. Nothing here reads the store or the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joelclaw_router.settings import read_rulebook
from joelclaw_router.whatif.history import History, HistoryUnreadable, history_of
from joelclaw_router.whatif.replay import replay as decide_again
from joelclaw_router.whatif.simulate import Spent, recorded
from joelclaw_router.whatif.simulate import simulate as play

Model = dict[str, Any]


def replay(lines: Sequence[Mapping[str, Any]]) -> list[Model]:
    """Each recorded judgement decided again: {at, move, recorded, again, differs, same}."""
    return [{**asdict(row), "same": row.same} for row in decide_again(lines)]


def simulate(environ: Mapping[str, str], incidents: Sequence[Mapping[str, Any]], config: str) -> Model:
    """Recorded incidents under the present configuration and under the one in the file `config`.

    incidents: {id, lines, closed_ms, resolved}. Answers {incidents: [{id, domain, target, recorded, present, changed}],
    unreadable: [{id, why}], faithful: how many the present configuration retells as they were, present_hash,
    changed_hash}. ConfigError when the file can't be taken.
    """
    here = Path.home()
    present, changed = read_rulebook(environ, here), read_rulebook({**environ, "JOELCLAW_CONFIG": config}, here)
    histories, unreadable = _histories(incidents)
    before, after = Spent(), Spent()
    rows: list[Model] = []
    for history in sorted(histories, key=lambda h: h.opened_ms):
        then, now = recorded(history), play(history, present, before)
        row = {"id": history.id, "domain": history.domain, "target": history.target, "opened_ms": history.opened_ms}
        courses = {"recorded": then, "present": now, "changed": play(history, changed, after, present=present)}
        rows.append(row | {name: asdict(course) for name, course in courses.items()})
    return {
        "incidents": rows,
        "unreadable": unreadable,
        "faithful": sum(1 for r in rows if _acts(r["recorded"]) == _acts(r["present"])),
        "present_hash": present.config_hash,
        "changed_hash": changed.config_hash,
    }


def _histories(incidents: Sequence[Mapping[str, Any]]) -> tuple[list[History], list[Model]]:
    found, unreadable = list[History](), list[Model]()
    for one in incidents:
        try:
            history = history_of(one["id"], one["lines"], closed_ms=one["closed_ms"], resolved=one["resolved"])
        except HistoryUnreadable as error:
            unreadable.append({"id": one["id"], "why": str(error)})
            continue
        if history is None:
            unreadable.append({"id": one["id"], "why": "no judgement of it is recorded"})
        else:
            found.append(history)
    return found, unreadable


def _acts(course: Mapping[str, Any]) -> tuple[int, int, int]:
    return course["retries"], course["pauses"], course["pages"]
