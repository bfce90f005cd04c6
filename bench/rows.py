"""What `make bench` measures: a table of rows, each with who plays what in it, at three sizes.

Within a row everybody plays once a round, one after the other, so that a noisy minute of the machine meets all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from bench.contestants import PEERS

Options = dict[str, float]
DUE_PEERS = [name for name in PEERS if name != "taskiq"]  # its due jobs come from another process, on an interval


class Size(Enum):
    """`LEAST` proves that every row can be played and loses nothing: its speeds say little."""

    FULL = 0
    QUICK = 1
    LEAST = 2


@dataclass(frozen=True)
class Play:
    """One contestant's part in a row: which of its program's rows it plays, with which options."""

    who: str
    row: str
    options: Options
    by: str = "bus"
    """Whose program it is."""


@dataclass(frozen=True)
class Row:
    """`first`: played once by each before the rounds, and left in the store for them. `rounds`: at most so many."""

    name: str
    plays: list[Play]
    first: list[Play] = field(default_factory=list)
    rounds: int = 3


def rows(size: Size, million: bool = False) -> list[Row]:
    def n(full: float, quick: float, least: float) -> float:
        return (full, quick, least)[size.value]

    def everyone(row: str, peers: Iterable[str], options: Options, theirs: Options | None = None) -> list[Play]:
        return [Play("bus", row, options), *(Play(p, row, {**options, **(theirs or {})}, by=p) for p in peers)]

    def alone(row: str, **options: float) -> Play:
        return Play("bus", row, options)

    due = {"count": n(400, 200, 20), "seconds": n(4, 3, 1)}
    others = {"count": n(100_000, 20_000, 200)}
    bytes_of = {"count": 1_000_000 if million else n(100_000, 20_000, 300)}
    published = {"count": n(10_000, 4_000, 300)}
    lanes = {"count": n(30_000, 10_000, 400)}
    drained = {"count": n(20_000, 8_000, 300)}
    return [
        Row(
            "drained",
            [
                Play("raw", "raw", drained),
                *everyone("drained", PEERS, drained, {"count": n(4_000, 2_000, 200)}),
            ],
        ),
        Row("steps", [alone("steps", count=n(6_000, 2_000, 100), parallel=32)]),
        Row("idle", everyone("idle", PEERS, {"count": n(400, 200, 30)})),
        Row("due", everyone("due", DUE_PEERS, due), first=everyone("pending", DUE_PEERS, others)),
        Row("instant", everyone("instant", DUE_PEERS, {"count": n(5_000, 2_000, 100), "seconds": n(9, 6, 2)})),
        Row("storm", [alone("storm", count=n(200_000, 40_000, 500))], rounds=1),
        Row("bytes", [Play("due event", "due_bytes", bytes_of), Play("parked run", "run_bytes", bytes_of)], rounds=1),
        Row("interrupted", everyone("interrupted", PEERS, {"count": n(20, 10, 3), "lease": n(5, 3, 2)}), rounds=1),
        Row(
            "publish",
            [
                Play("raw XADD", "raw_xadd", published),
                Play("one by one", "one_by_one", published),
                Play("by 64", "by_64", drained),
                Play("batches", "batches", drained),
            ],
        ),
        Row("suite", [alone("suite", seconds=n(20, 10, 1))], rounds=1),
        Row("lanes", [Play(f"{k} worker{'s' * (k > 1)}", "lanes", {**lanes, "lanes": k}) for k in (1, 2)]),
    ]


NAMES = [row.name for row in rows(Size.FULL)]
