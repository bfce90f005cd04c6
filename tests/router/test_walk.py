"""Long seeded walks of reports, hand-overs, closings and stops on a real store: no budget is ever overdrawn, no
answer is missing, nothing is said twice."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from joelclaw_bus import StoreSettings, open_store
from joelclaw_contracts import Budgets, Config, RouterKnobs
from joelclaw_healing import Ledger, Voice, close_incident
from joelclaw_healing.errors import IncidentUnknown
from joelclaw_router.desk import Desk, Outcome
from joelclaw_router.judgement import Bench
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook
from tests.router.conftest import backup, healing, outbox
from tests.support.server import Server

STEPS = 400
KNOBS = RouterKnobs(max_retries=64, sleep_min_ms=1, sleep_max_ms=2, sleep_step_ms=1)
BUDGETS = Budgets(max_retries=5, retries_per_day=12, flap_outages=0, flap_long_outages=0)
CONFIG = Config(healing_router=KNOBS, backup_router=KNOBS, budgets=BUDGETS)
ERRORS = ["Connection refused", "gremlins", "timed out", "queued"]


@dataclass
class Walk:
    ledger: Ledger
    desk: Desk
    dice: random.Random
    requests: list[Request] = field(default_factory=list)
    acts: list[tuple[str, str]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    async def step(self, n: int) -> None:
        match self.dice.choices(
            ["report", "again", "due", "close", "stop", "start", "deadline"], [30, 8, 40, 6, 3, 10, 3]
        )[0]:
            case "report":
                await self._decide(self._request(n))
            case "again" if self.requests:
                await self._decide(self.dice.choice(self.requests))
            case "due" if self.acts:
                self._note(await self.desk.due(*self.dice.choice(self.acts[-6:])))
            case "close" if self.opened:
                try:
                    await close_incident(
                        self.ledger, self.dice.choice(self.opened), by="probe", detail="well", voice=Voice("walk")
                    )
                except IncidentUnknown:
                    pytest.fail("an incident was lost")
            case "stop":
                await self.ledger.stop(actor="a", reason="b")
            case "start":
                await self.ledger.start(actor="a", reason="b")
            case "deadline" if self.opened:
                await self.desk.deadline(self.dice.choice(self.opened), 1)

    def _request(self, n: int) -> Request:
        if self.dice.random() < 0.5:
            kind = self.dice.choice([None, None, "deferred", "unknown"])
            request = backup(f"e{n}", error=self.dice.choice(ERRORS), **({"failureClass": kind} if kind else {}))
        else:
            target = f"t{self.dice.randrange(2)}"
            route = self.dice.choice(["system/health.check.requested"] * 5 + ["not/known"])
            request = healing(f"e{n}", targetComponent=target, targetEventName=route)
        self.requests.append(request)
        return request

    async def _decide(self, request: Request) -> None:
        self._note(await self.desk.decide(request))

    def _note(self, outcome: Outcome) -> None:
        if outcome["incident"] and outcome["incident"] not in self.opened:
            self.opened.append(outcome["incident"])
        if outcome["act"]:
            act = (outcome["incident"], outcome["act"]["decision"])
            if act not in self.acts:
                self.acts.append(act)


@pytest.mark.parametrize("seed", range(4))
async def test_no_walk_overdraws_a_budget_or_says_a_thing_twice(one_server: Server, seed: int) -> None:
    async with open_store(StoreSettings(one_server.url)) as store:
        ledger = Ledger(store)
        desk = Desk(ledger, Bench(Rulebook(CONFIG), Voice("router")), random.Random(seed).random)
        walk = Walk(ledger, desk, random.Random(seed))
        for n in range(STEPS):
            await walk.step(n)
        letters = await outbox(ledger)
        shown = [await ledger.show(id) for id in walk.opened]
    answers = Counter(r["data"]["eventId"] for r in letters if "eventId" in r["data"])
    assert answers == {request.id: 1 for request in walk.requests}
    routed = Counter(r["data"]["incidentId"] for r in letters if isinstance(r["data"].get("decision"), dict))
    by_target: Counter[str] = Counter()
    for incident, timeline in shown:
        assert incident.attempt == routed[incident.id] + incident.holds <= 5
        by_target[incident.target] += routed[incident.id]
        assert [line["seq"] for line in timeline] == list(range(1, incident.seq + 1))
        assert not two_holds_in_a_row(timeline)
    assert sum(routed.values()) > 0
    assert max(by_target.values()) <= 12


def two_holds_in_a_row(timeline: list[dict[str, Any]]) -> bool:
    acts = [line["what"] for line in timeline if line["what"] in ("retry", "pause", "closed")]
    return any(a == b == "pause" for a, b in itertools.pairwise(acts))


def test_the_watchman_of_holds_would_see_two() -> None:
    lines = [{"what": what} for what in ("pause", "join", "pause")]
    assert two_holds_in_a_row(json.loads(json.dumps(lines)))
