"""What a judgement consists of: named figures, each with its limit, and the ids of those that broke it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """`least`: the limit is a floor. `sinners`: one line each, with the ids by which the ledger can be searched."""

    name: str
    value: float
    limit: float
    least: bool = False
    unit: str = ""
    sinners: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit


def none_of(name: str, sinners: Iterable[str]) -> Figure:
    """A figure that must be 0."""
    found = list(sinners)
    return Figure(name, len(found), 0, sinners=found)


def at_least(name: str, value: float, limit: float, unit: str = "") -> Figure:
    return Figure(name, value, limit, least=True, unit=unit)
