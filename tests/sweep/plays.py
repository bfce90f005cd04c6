"""Many plays at once, and what a scenario calls."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import anyio

from joelclaw_bus.many import SHAPES
from tests.sweep.faults import Point
from tests.sweep.play import Play, Stage, told
from tests.sweep.scenario import Scenario

AT_ONCE = 12
CLOCK = "INFO+TIME+ROLE"
"""Plays that share the event loop: most of one is waiting."""


async def play_all(plays: Sequence[Play]) -> None:
    room = anyio.CapacityLimiter(AT_ONCE)

    async def one(play: Play) -> None:
        async with room:
            try:
                await play.run()
            except Exception as error:  # a defect that the judge has no word for: it is told as well, by its fault
                play.complaints.append("fell over: " + "".join(traceback.format_exception(error)))

    async with anyio.create_task_group() as tasks:
        for play in plays:
            tasks.start_soon(one, play)


def may_fall_away(point: Point) -> bool:
    """Runs of one moment share a call, and which runs those are differs from play to play: the second call of such a
    script may be one with the first. Nor does a run ask for a node's clock that one beside it has just asked for."""
    return point.nth > 1 and (point.kind in SHAPES or point.kind == CLOCK)


def certain(trace: Sequence[Point]) -> set[Point]:
    """The calls that every play of a scenario makes."""
    return {point for point in trace if not may_fall_away(point)}


async def trace_of(stage: Stage, kind: type[Scenario]) -> list[Point]:
    """The calls of a scenario in which nothing fails; played until two in a row made the same."""
    before: list[Point] = []
    for _ in range(6):
        play = Play(stage, kind)
        await play.run()
        assert not play.complaints, told([play])
        assert len(set(play.trace)) == len(play.trace) > 0
        # Handlers side by side may take turns in another order, and ask together or one after the other.
        if certain(play.trace) == certain(before):
            return before
        before = play.trace
    raise AssertionError(f"{kind.__name__} makes other calls each time; the last: {before}")
