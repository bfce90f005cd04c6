"""One line a figure; after a miss the ids that it concerns, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import MOST_NAMED, Figure


def lines_of(figures: Sequence[Figure]) -> list[str]:
    """`figure  value  limit  ok|MISS`, and below a miss whom it concerns."""
    width = max(len(f.name) for f in figures)
    told = []
    for figure in figures:
        sign = "≥" if figure.least else "≤"
        value, limit = (f"{n:g}{' ' + figure.unit if figure.unit else ''}" for n in (figure.value, figure.limit))
        told.append(f"{figure.name:<{width}}  {value:>9}  {sign} {limit:<9} {'ok' if figure.ok else 'MISS'}")
        if not figure.ok:
            told += [f"    {sinner}" for sinner in figure.sinners[:MOST_NAMED]]
            if len(figure.sinners) > MOST_NAMED:
                told.append(f"    and {len(figure.sinners) - MOST_NAMED} more")
    return told


def where_to_look(directory: Path, seed: int) -> list[str]:
    return [
        f"the ledger is {directory / 'ledger'}: search it for the ids above (grep ID ledger | sort)",
        f"the workers' words are in {directory}/worker-*.log, the store's in {directory / 'store' / 'server.log'}",
        f"SEED={seed} draws the same faults again; moments between them differ from run to run",
    ]
