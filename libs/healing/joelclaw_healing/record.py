"""Whether an incident's record is whole: every move is one line, counted from 1. Pure.

| flaw                              | means                                                               |
|-----------------------------------|---------------------------------------------------------------------|
| a line that can't be read         | it is none of ours, or was altered                                  |
| a count that is left out          | a line was taken away                                               |
| a count that comes twice, or back | a line was put in, or lines were swapped                            |
| a time that goes back             | the same, though the counts were mended                             |
| an end before the incident's own  | the last lines were taken away                                      |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

SKEW_MS = 60_000
"""A store's clock may be set back a little without anybody having touched the record."""


def flaws(lines: Sequence[Mapping[str, Any]], *, moves: int, kept: int) -> list[str]:
    """What is wrong with a record, oldest first. moves: how many the incident counts; kept: of a longer record the
    first lines were dropped, so that so many are left."""
    found, sound = list[str](), list[tuple[int, int]]()
    for number, line in enumerate(lines, start=1):
        seq, at = line.get("seq"), line.get("at")
        if isinstance(seq, int) and isinstance(at, int) and isinstance(line.get("move"), str):
            sound.append((seq, at))
        else:
            found.append(f"line {number} can't be read: {str(line.get('what', ''))[:80]!r}")
    first = max(1, moves - kept + 1)
    expected = first
    for seq, _ in sound:
        if seq > expected:
            found.append(f"{_moves(expected, seq - 1)} missing")
        elif seq < expected:
            found.append(f"move {seq} stands where move {expected} should: put in, or swapped")
            continue
        expected = seq + 1
    if expected <= moves:
        found.append(f"{_moves(expected, moves)} missing")
    elif expected > moves + 1:
        found.append(f"{_moves(moves + 1, expected - 1)} recorded, and the incident counts {moves} only")
    found += [
        f"move {seq} is recorded before move {last}, though it comes after it"
        for (last, before), (seq, at) in pairwise(sound)
        if at < before - SKEW_MS and seq > last
    ]
    return found


def _moves(first: int, last: int) -> str:
    return f"move {first} is" if first == last else f"moves {first} to {last} are"
