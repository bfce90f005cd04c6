"""Deciding a recorded incident again, from its audit alone: the same arguments must give the same decision.

What differs was decided by other code than this, or its record was altered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_router.failure import Decision
from joelclaw_router.policy import decide, order
from joelclaw_router.whatif.history import HistoryUnreadable, Judged, Line, read_judged


@dataclass(frozen=True, slots=True)
class Replayed:
    """One judgement, then and now. `differs`: the fields that are not the same, or why it can't be decided again."""

    at: int
    move: str
    recorded: dict[str, Any]
    again: dict[str, Any]
    differs: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.differs


def decided_again(j: Judged) -> Decision:
    """The policy's word on the recorded arguments; a person's order has its own page of it."""
    if j.ordered_by:
        return order(j.failure, j.incident, j.budgets, now=j.at, policy=j.policy, actor=j.ordered_by)
    return decide(
        j.failure,
        j.incident,
        j.budgets,
        now=j.at,
        policy=j.policy,
        dice=j.dice,
        advice=j.advice,
        around=j.around,
    )


def replay(lines: Sequence[Line]) -> list[Replayed]:
    """Every judgement of an incident, oldest first. What a model said is in the record; none is asked again."""
    found = []
    for line in lines:
        try:
            judged = read_judged(line)
        except HistoryUnreadable as error:
            at, move = line.get("at"), line.get("move")
            found.append(Replayed(at if isinstance(at, int) else 0, str(move), {}, {}, (str(error),)))
            continue
        if judged is None:
            continue
        again = decided_again(judged).to_json()
        recorded = dict(judged.decision)
        fields = sorted({*again, *recorded})
        differs = tuple(name for name in fields if again.get(name) != recorded.get(name))
        found.append(Replayed(judged.at, judged.move, recorded, again, differs))
    return found
