"""Whatever a store loses, no run hangs silently: each key, member, field, entry, group and pending row, one at a time
and in pairs. A worker, its auditor with it, then works until nothing is left to do; each run ends, or was named."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, Step, event
from joelclaw_bus.observer import AuditFound, OutboxUndeliverable, StreamLost, TakenOver
from joelclaw_bus.reader import GroupReader
from joelclaw_contracts import EventModel
from tests.support.open_work import OpenWork, functions
from tests.sweep.crank import Crank
from tests.sweep.harm import Harm, harms_of
from tests.sweep.outlook import look
from tests.sweep.play import Play, Stage
from tests.sweep.plays import play_all
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Done, Job

PAIRS, SEED, PARTS = 60, 4, 4
ROUNDS = 24
"""If it takes so many: one that finds something due at once doesn't sleep until the wait's end, half a second off."""


class Loss(Scenario):
    """A store with a run in every state, of which something is lost; nobody was at work meanwhile."""

    spoilt = True
    harms: ClassVar[Sequence[int]] = ()

    sends: ClassVar[Mapping[str, EventModel]] = {"waits": Job()}

    def declare(self, functions_: Functions) -> None:
        self.functions = functions([])

        @self.functions.function("test/wait", on=[event(Job)], retries=1, awaits=[Done])
        async def wait(e: Event[Job], step: Step) -> None:
            await step.wait_for_event("answer", Done, match={"name": "yes"}, timeout=0.5)

    async def prepare(self) -> None:
        await self._lay_out()
        while await self.play.raw.call("ZSCORE", self.work.slot.due, "e:later") is None:
            await self.play._strike()  # so slow a machine that "later" had come when it was sent: then anew
            await self._lay_out()
        there = await harms_of(self.play.raw)
        self.done = [there[n] for n in self.harms]
        for harm in self.done:
            await self.play.raw.call(*harm.command)

    async def _lay_out(self) -> None:
        self.work = OpenWork(self.play.raw, Limits())
        await self.work.prepare()
        async with self.play.worker() as w:
            reader = next(r for r in w.parts.all(GroupReader) if r.fn.id == "test/wait")
            await w.register()
            await self.play.send(w, "waits")
            await reader.ensure()
            await reader.step(w.store)
            await w.handled()
            await w.deliver()

    async def drive(self, w: Crank) -> None:
        for _ in range(ROUNDS):
            await self.play.time_passes()
            await w.round(audit=True)
            outlook = await look(self.play.raw)
            if not outlook.left:
                break
            if outlook.due_ms is not None and 0 < outlook.due_ms < 1_000:
                await anyio.sleep(outlook.due_ms / 1000 + 0.002)


class Lost(Play):
    """A play that is judged by one rule only: nothing hangs silently."""

    async def run(self) -> list[str]:
        with anyio.fail_after(60):
            await self.scenario.prepare()
            await self._drive()
            self.complaints += [f"left: {line}" for line in (await look(self.raw)).left]
            assert isinstance(self.scenario, Loss)
            self.scenario.work.runs["waits"] = "test/wait:waits"
            work, named = self.scenario.work, " ".join(str(f) for kind in TELLS for f in self.seen.all(kind))
            for name, run in work.runs.items():
                slot = self.raw.keys.slot("test/job") if name == "waits" else work.slot
                state = await self.raw.call("HGET", slot.run(run), "state")
                if state != b"ended" and run not in named and name != "over":  # that one had its end before
                    self.complaints.append(f"{name} is {state!r}, and nobody was told")
            await self._strike()
        return self.complaints


TELLS = (AuditFound, OutboxUndeliverable, StreamLost, TakenOver)


def losing(harms: Sequence[int]) -> type[Loss]:
    return type("Losing", (Loss,), {"harms": harms})


def told(plays: Sequence[Play]) -> str:
    lines = []
    for play in plays:
        done: list[Harm] = getattr(play.scenario, "done", [])
        lines.append("; ".join(h.what for h in done) + ":\n  " + "\n  ".join(play.complaints))
    return "\n".join(lines)


@pytest.mark.parametrize("part", range(PARTS))  # so that they can be tried side by side
async def test_whatever_is_lost_no_run_hangs_silently(
    stage: Stage, part: int, record_property: Callable[[str, object], None]
) -> None:
    sound = Lost(stage, losing(()))
    await sound.scenario.prepare()
    places = [harm.place for harm in await harms_of(sound.raw)]
    await sound._strike()
    plays = [Lost(stage, losing((n,))) for n in range(part, len(places), PARTS)]
    await play_all(plays)
    failed = [play for play in plays if play.complaints]
    assert not failed, told(failed)
    tried = [harm.place for play in plays for harm in play.scenario.done]  # type: ignore[attr-defined]  # it is a Loss
    assert sorted(tried) == sorted(places[part::PARTS])
    record_property("losses", len(tried))


async def test_two_losses_at_once_leave_no_run_hanging_silently(stage: Stage) -> None:
    sound = Lost(stage, losing(()))
    await sound.scenario.prepare()
    many = len(await harms_of(sound.raw))
    await sound._strike()
    dice = random.Random(SEED)
    plays = [Lost(stage, losing(dice.sample(range(many), 2))) for _ in range(PAIRS)]
    await play_all(plays)
    failed = [play for play in plays if play.complaints]
    assert not failed, told(failed)
