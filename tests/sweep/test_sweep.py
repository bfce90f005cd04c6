"""Every store call of every scenario × crash before, crash after, reply lost: enumerated, none sampled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from joelclaw_bus.many import SHAPES
from joelclaw_bus.script import scripts_of
from tests.sweep.faults import Fault, How
from tests.sweep.play import Play, Stage, told
from tests.sweep.plays import play_all, trace_of
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios import every


@pytest.mark.parametrize("kind", every(), ids=lambda kind: kind.__name__)
async def test_a_fault_at_any_store_call_loses_and_doubles_nothing(
    stage: Stage, kind: type[Scenario], record_property: Callable[[str, object], None]
) -> None:
    trace = await trace_of(stage, kind)
    faults = [Fault(point, how) for point, how in product(trace, How)]
    plays = [Play(stage, kind, fault) for fault in faults]
    await play_all(plays)
    for _ in range(3):  # a slow machine may let a fallback come first, and a call fall away: then again, and alone
        for missed in [play for play in plays if not play.struck]:
            plays.remove(missed)
            plays.append(Play(stage, kind, missed.fault))
            await plays[-1].run()
    failed = [play for play in plays if play.complaints]
    assert not failed, told(failed)
    never = [play for play in plays if not play.struck and not may_fall_away(play.fault)]
    assert not never, f"never reached: {[str(play.fault) for play in never]}"
    assert {play.fault for play in plays} == set(faults)
    assert len(plays) == 3 * len(trace)
    record_property("crash_points", len(plays))


def may_fall_away(fault: Fault) -> bool:
    """Runs of one moment share a call, and which runs those are differs from play to play: the second call of such a
    script may be one with the first."""
    return fault.point.kind in SHAPES and fault.point.nth > 1


async def test_the_scenarios_call_every_script_of_the_bus(stage: Stage) -> None:
    plays = [Play(stage, kind) for kind in every()]
    await play_all(plays)
    called = {point.kind for play in plays for point in play.trace}
    assert set(scripts_of("joelclaw_bus")) - called == {"confirm"}, "it is no step: it goes with a write and its WAIT"
