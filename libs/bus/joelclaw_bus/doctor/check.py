"""One line of a doctor's answer. Pure.

| state     | means                                                    | alone, the exit code is |
|-----------|----------------------------------------------------------|-------------------------|
| ok        | looked at, and well                                      | 0                       |
| warning   | works, and promises less than it could, or waits for you | 0                       |
| finding   | work is stuck or can be lost                             | 1                       |
| not known | could not be read                                        | 2                       |

A finding outweighs what is not known: 1. What is not known outweighs all that is well: 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "finding", "not known"]
WELL, FINDINGS, CANT_TELL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Check:
    """`what` was seen, `where`, and what to do about it ('' nothing)."""

    state: State
    where: str
    what: str
    todo: str = ""


def exit_code(checks: Iterable[Check]) -> int:
    """By the table above; of no checks at all nothing is known."""
    states = {check.state for check in checks}
    if "finding" in states:
        return FINDINGS
    return CANT_TELL if "not known" in states or not states else WELL


def ordered(checks: Iterable[Check]) -> list[Check]:
    """What matters first."""
    rank = ("finding", "not known", "warning", "ok")
    return sorted(checks, key=lambda check: rank.index(check.state))
