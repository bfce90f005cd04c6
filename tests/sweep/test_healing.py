"""Healing's scripts under the same faults: one target's story, with every store call failing once in each way.

A step that has returned is journaled and is not asked again, as the bus does it; one that has not is asked again, by a
new process after a crash, by the same one after a lost reply. Judged is what lies in the store in the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count, product
from typing import Any

import anyio
import pytest

from joelclaw_bus import StoreSettings
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.keys import Keys
from joelclaw_bus.script import Script, load_script, scripts_of
from joelclaw_healing import (
    Guard,
    GuardLimits,
    Ledger,
    Outcome,
    PauseReason,
    Seen,
    Symptom,
    Target,
    Voice,
    close_incident,
)
from joelclaw_healing.guard_memory import Answer
from joelclaw_healing.record import flaws
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.whatif.replay import replay
from tests.router.conftest import CONFIG, HEALING, healing, outbox
from tests.sweep.faults import Crashed, Fault, FaultyStore, How, Point
from tests.sweep.play import Stage

VOICE, LIMITS = Voice("sweep"), GuardLimits(confirmations=1, stability_ms=0, passes=1)
BRIDGE = Target("gateway-bridge", HEALING["targetComponent"])
SICK = Symptom(Seen.FAILING, "it answers 502", "p1")
_numbers = count()


@dataclass
class Story:
    """One play. `done`: what each step returned, by its name; `trace`: the store calls of the first process."""

    stage: Stage
    fault: Fault | None = None
    mutant: Script | None = None
    done: dict[str, Any] = field(default_factory=dict)
    trace: list[Point] = field(default_factory=list)
    struck: bool = False

    def __post_init__(self) -> None:
        self.prefix = f"healed-{next(_numbers)}:"
        self.eyes = Ledger(self._store(None))
        self.eyes.store.numbering = False  # type: ignore[attr-defined]  # the judge's own: in no trace

    def _store(self, fault: Fault | None) -> FaultyStore:
        stage, prefix = self.stage, self.prefix
        settings = StoreSettings(stage.url, prefix=prefix)
        return FaultyStore(settings, Keys(prefix), stage.address, stage.nodes, fault=fault, mutant=self.mutant)

    async def play(self) -> list[str]:
        """To its end; what is wrong then."""
        first = store = self._store(self.fault)
        for name, step in STEPS.items():
            await self._until_due()
            while name not in self.done:
                try:
                    self.done[name] = await step(self, Ledger(store))
                except Crashed:
                    store = self._store(None)
                except StoreUnavailable:
                    assert first.struck, "the store is away"
        self.trace, self.struck = first.trace, first.struck
        return await self._complaints()

    async def _until_due(self) -> None:
        """Steps look when their time has come, so that each play makes the same calls."""
        for incident in await self.eyes.list_incidents():
            while incident.act is not None and await self.eyes.store.time_ms() < incident.act.due_ms:  # noqa: ASYNC110  the server's clock moves
                await anyio.sleep(0.001)

    async def _complaints(self) -> list[str]:
        ledger = self.eyes
        incident, lines = await ledger.show(self.done["decide"]["incident"])
        letters = [(row["target"], row["data"]) for row in await outbox(ledger)]
        answers = sorted(data["eventId"] for name, data in letters if name.endswith("completed") and "eventId" in data)
        closings = [data for name, data in letters if name.endswith("completed") and "eventId" not in data]
        routed = sorted(data["attempt"] for name, data in letters if name == HEALING["targetEventName"])
        spent = ledger.slot.key("budget", "*")
        budgets = {
            key.decode().split(":")[-2]: await ledger.store.call("ZCARD", key)
            for key in await ledger.store.call("KEYS", spent.replace("{", "\\{"))
        }
        rules = [data["metadata"].get("rule") for name, data in letters if name == "otel/event"]
        guard = await self._guard(ledger).audit(BRIDGE)
        pauses = await ledger.store.call("LRANGE", ledger.slot.key("pauses", "log"), 0, -1)
        told: dict[str, tuple[object, object]] = {
            "answers": (answers, ["1-0", "2-0"]),
            "closings": (len(closings), 1),
            "routed": (routed, [1, 2]),
            "budgets": (budgets, {"retries": 2, "retries-of-all": 2, "acts-of-all": 1}),
            "counts": ((incident.attempt, incident.requests, incident.decisions, incident.end), (2, 2, 2, "resolved")),
            "record": (flaws(lines, moves=incident.seq, kept=500), []),
            "moves": (len({line["move"] for line in lines}), len(lines)),
            "replay": ([row for row in replay(lines) if not row.same], []),
            "evidence": (sorted(filter(None, rules)), sorted([*RULES])),
            "guard": ([line["rule"] for line in guard], ["act-permitted", "act-fixed"]),
            "switch": ([line["verb"] for line in await ledger.switch_log()], ["stop", "start"]),
            "pauses": ([json.loads(line)["verb"] for line in pauses], ["pause", "resume"]),
        }
        return [f"{what}: {is_}, not {wanted}" for what, (is_, wanted) in told.items() if is_ != wanted]

    @staticmethod
    def _guard(ledger: Ledger) -> Guard:
        return Guard(ledger, VOICE, "me", LIMITS)


RULES = ("retry-within-budget",) * 2 + ("handed-over",) * 2 + ("act-permitted", "act-fixed")
Step = Callable[[Story, Ledger], Awaitable[Any]]


def _desk(ledger: Ledger) -> Desk:
    return Desk(ledger, Bench(Rulebook(CONFIG), VOICE), lambda: 0.5)


def _decides(id: str) -> Step:
    return lambda story, ledger: _desk(ledger).decide(healing(id))


def _hands_over(decided: str) -> Step:
    async def step(story: Story, ledger: Ledger) -> Any:
        outcome = story.done[decided]
        if outcome["act"] is None:
            return None  # it went wrong, and the judge says how
        return await _desk(ledger).due(outcome["incident"], outcome["act"]["decision"])

    return step


async def _restart(story: Story, ledger: Ledger) -> Answer:
    return await story._guard(ledger).judge("act-1", BRIDGE, SICK)


async def _restarted(story: Story, ledger: Ledger) -> Answer:
    intent = story.done["restart"].intent
    return await story._guard(ledger).settle("act-1:end", BRIDGE, intent, Outcome.FIXED, "it answers")


async def _close(story: Story, ledger: Ledger) -> bool:
    incident = story.done["decide"]["incident"]
    await close_incident(ledger, incident, by="probe", detail="it answers", voice=VOICE)
    return True


async def _pause(story: Story, ledger: Ledger) -> bool:
    return await ledger.pause(PauseReason("p1", "domain:other", "joel", "why", 1, 2**50))


STEPS: dict[str, Step] = {
    "stop": lambda story, ledger: ledger.stop(actor="joel", reason="why"),
    "start": lambda story, ledger: ledger.start(actor="joel", reason="why"),
    "pause": _pause,
    "resume": lambda story, ledger: ledger.resume("p1", actor="joel"),
    "decide": _decides("1-0"),
    "hand over": _hands_over("decide"),
    "decide again": _decides("2-0"),
    "hand over again": _hands_over("decide again"),
    "restart": _restart,
    "restarted": _restarted,
    "close": _close,
}


async def test_a_fault_at_any_store_call_leaves_one_answer_one_route_event_and_one_charge(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    sound = Story(stage)
    assert await sound.play() == []
    assert set(scripts_of("joelclaw_healing")) <= {point.kind for point in sound.trace}
    stories = [Story(stage, Fault(point, how)) for point, how in product(sound.trace, How)]
    wrong = {str(story.fault): found for story in stories if (found := await story.play())}
    assert not wrong
    assert all(story.struck for story in stories)
    record_property("crash_points", len(stories))


@pytest.mark.parametrize("name", ["move", "guard"])
async def test_a_move_that_leaves_no_word_that_it_was_made_is_noticed(stage: Stage, name: str) -> None:
    script = load_script("joelclaw_healing", name)
    line = next(line for line in script.text.splitlines() if line.startswith("redis.call('SET', KEYS[1], m.outcome"))
    text = script.text.replace(line, "")
    mutant = replace(script, text=text, sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    sound = Story(stage)
    assert await sound.play() == []
    nth = next(point for point in sound.trace if point.kind == name)
    assert await Story(stage, Fault(nth, How.LOST), mutant).play()
