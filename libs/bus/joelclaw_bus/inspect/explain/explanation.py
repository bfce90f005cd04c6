"""What an explanation is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """`why` and `todo`: a line each. `moves`: whether it goes on by itself, without anybody doing anything."""

    cause: str
    why: str
    todo: str
    moves: bool
