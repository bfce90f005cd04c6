"""What a test sees of a run: the record that lies in the store, as one readable value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from joelclaw_bus.inspect.runs import RunDetail, find_run
from joelclaw_bus.observer import Fact, RunEnded
from joelclaw_bus.run_names import run_id
from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class Run:
    """`status`: completed, failed or skipped; or where it rests: queued, held, due, waiting; or running.

    `steps`: the journal, by step; `attempt` counts from 0; `errors`: what each failed attempt said; `due`: when it
    goes on. A run without steps that ended well leaves no record: of it there are only `status` and `error`.
    """

    id: str
    status: str
    attempt: int = 0
    result: Any = None
    error: str = ""
    steps: dict[str, Any] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    due: datetime | None = None


async def look_up(store: Store, facts: Sequence[Fact], function: str, event_id: str) -> Run | None:
    """A run by its record, or else by what was told of its end."""
    for given in (False, True):
        run = run_id(function, event_id, given=given)
        if detail := await find_run(store, run):
            return _run(detail)
        ends = [f for f in facts if isinstance(f, RunEnded) and f.run == run]
        if ends:
            return Run(run, ends[-1].status, error=ends[-1].error)
    return None


def _run(detail: RunDetail) -> Run:
    f = detail.facts
    due = None if f.due_ms is None else instant(f.due_ms)
    return Run(f.id, f.state, f.attempt, detail.result, f.error, detail.steps, detail.errors, due)


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
