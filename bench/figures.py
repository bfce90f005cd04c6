"""What was measured: figures by row, who and what, and the lines of JSON that they are kept in.

The first line is about the machine; each further one is a figure: its value is the median of its rounds. A row that
failed has a line with `error` instead.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

COUNTS = ("count", "lost", "doubled", "repeated")


@dataclass(frozen=True)
class Figure:
    """`lost`, `doubled`, `repeated`: runs, of all rounds together, of `count` each."""

    row: str
    who: str
    what: str
    value: float | None
    rounds: list[float] = field(default_factory=list)
    count: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    more: dict[str, float] = field(default_factory=dict)
    error: str = ""

    def broken(self) -> str:
        """What was promised and not kept."""
        counts = {"lost": self.lost, "doubled": self.doubled, "steps repeated": self.repeated}
        return ", ".join(f"{n} {what}" for what, n in counts.items() if n)


@dataclass
class Report:
    machine: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)

    def value(self, row: str, who: str, what: str) -> float | None:
        found = (f.value for f in self.figures if (f.row, f.who, f.what) == (row, who, what))
        return next(found, None)

    def of(self, row: str) -> list[Figure]:
        return [f for f in self.figures if f.row == row]

    def lines(self) -> Iterable[str]:
        yield json.dumps({"machine": self.machine})
        for figure in self.figures:
            yield json.dumps({k: v for k, v in asdict(figure).items() if v not in ("", [], {})})


def read(lines: Iterable[str]) -> Report:
    first, *others = (json.loads(line) for line in lines)
    return Report(first["machine"], [Figure(**line) for line in others])


def figures_of(row: str, who: str, answers: list[dict[str, Any]]) -> list[Figure]:
    """One contestant's rounds as figures, one for each thing measured."""
    sums = {key: sum(a.get(key, 0) for a in answers) for key in COUNTS[1:]}
    more: dict[str, float] = next((a[k] for a in answers for k in a if isinstance(a[k], dict)), {})
    made = []
    for what in answers[0]:
        if what in COUNTS or isinstance(answers[0][what], dict):
            continue
        seen = [a[what] for a in answers if a[what] is not None]
        value = statistics.median(seen) if seen else None
        rounded = [round(figure, 3) for figure in seen]
        error = "" if seen else "not all of it ran in time"
        value = None if value is None else round(value, 3)
        made.append(Figure(row, who, what, value, rounded, answers[0].get("count", 0), **sums, more=more, error=error))
    return made
