"""Plays rows: everybody once a round, on one store, each time in a process of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.contestants import Contestant, NotMeasured
from bench.figures import Figure, figures_of
from bench.own_store import OwnStore
from bench.rows import Play, Row

Tell = Callable[[str], None]


def turns(row: Row, rounds: int, present: Mapping[str, Contestant]) -> list[tuple[str, list[Play]]]:
    """What is played in which order; a play before the rounds is called `first`."""
    named = [("first", row.first)] if row.first else []
    named += [(f"round {n + 1}", row.plays) for n in range(min(rounds, row.rounds))]
    return [(name, [play for play in plays if play.by in present]) for name, plays in named]


def play_row(row: Row, rounds: int, present: Mapping[str, Contestant], store: OwnStore, tell: Tell) -> Iterator[Figure]:
    """Its figures. Who fails is left out of the rest of the row, and has a figure that says why."""
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    failed: dict[str, str] = {}
    store.empty()
    for name, plays in turns(row, rounds, present):
        for play in plays:
            if play.who in failed:
                continue
            tell(f"{row.name}, {name}: {play.who}")
            try:
                answer = present[play.by].play(store.url, play.row, play.options)
            except NotMeasured as why:
                failed[play.who] = str(why)
                continue
            finally:
                if not row.first:  # else what lies there is what the rounds are about
                    store.empty()
            if name != "first":
                answers[play.who].append(answer)
    store.empty()
    for who in dict.fromkeys(play.who for play in row.plays if play.by in present):
        if who in failed:
            yield Figure(row.name, who, "", None, error=failed[who])
        else:
            yield from figures_of(row.name, who, answers[who])
