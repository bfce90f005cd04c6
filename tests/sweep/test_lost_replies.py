"""A lost acknowledgement (F16): the reply of each finish is dropped once. One end, told once; no handler runs again."""

from __future__ import annotations

import pytest

from joelclaw_bus.observer import RunEnded
from tests.sweep.faults import Fault, How
from tests.sweep.ledger import Acted
from tests.sweep.play import Play, Stage, told
from tests.sweep.plays import may_fall_away, play_all, trace_of
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios import every
from tests.sweep.scenarios.runs import HandedBack, Unwanted

ENDING = [kind for kind in every() if kind.ends and kind not in (HandedBack, Unwanted)]
"""All that end runs with handlers, by a worker that lives on."""


@pytest.mark.parametrize("kind", ENDING, ids=lambda kind: kind.__name__)
async def test_a_finish_whose_reply_is_lost_is_one_end_and_one_run(stage: Stage, kind: type[Scenario]) -> None:
    sound = Play(stage, kind)
    await sound.run()
    finishes = [point for point in await trace_of(stage, kind) if point.kind == "finish"]
    plays = [Play(stage, kind, Fault(point, How.LOST)) for point in finishes]
    await play_all(plays)
    failed = [play for play in plays if play.complaints]
    assert not failed, told(failed)
    for point, play in zip(finishes, plays, strict=True):
        assert play.struck or may_fall_away(point)  # two ends that share a call this time have no second one
        assert begins(play) == begins(sound)
        assert len(play.seen.all(RunEnded)) == len(sound.seen.all(RunEnded))


def begins(play: Play) -> int:
    """How often a handler began."""
    return sum(isinstance(line, Acted) and not line.step for line in play.ledger.lines)
