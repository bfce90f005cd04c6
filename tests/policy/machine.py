"""Everything that can happen to the router and the guard, in any order, on the real scripts and a clock of our own."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from joelclaw_contracts import Approval, Budgets, Config, RouterKnobs
from joelclaw_healing import (
    STORM,
    Guard,
    GuardLimits,
    Intent,
    Ledger,
    Outcome,
    PauseReason,
    Seen,
    State,
    Symptom,
    Target,
    Voice,
    close_incident,
    dismiss_incident,
)
from joelclaw_healing.errors import HealingError
from joelclaw_healing.move_call import KEEP_DONE_MS
from joelclaw_router import persons, storms
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.replies import iso
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.whatif.replay import replay
from tests.model.virtual import VirtualStore, finished
from tests.policy.book import Book, Bounds, World
from tests.router.conftest import backup, healing
from tests.support.server import MARK

BEGINNING = 1_800_000_000_000
KNOBS = RouterKnobs(max_retries=64, sleep_min_ms=5_000, sleep_max_ms=60_000, sleep_step_ms=5_000)
BUDGETS = Budgets(
    max_retries=3, retries_per_day=4, all_retries_per_hour=7, storm_targets=3, storm_window_ms=60_000,
    storm_cool_down_ms=90_000, report_ms=120_000, flap_outages=3, flap_long_outages=6, flap_days=1,
)  # fmt: skip
CONFIG = Config(
    healing_router=KNOBS, backup_router=KNOBS, budgets=BUDGETS, approval=Approval(required=("asks",), expiry_ms=300_000)
)
LIMITS = GuardLimits(
    confirmations=1, cool_down_ms=0, hold_ms=0, stability_ms=0, passes=1, per_hour=2, per_day=4, all_per_hour=3,
    outcomes=100,
)  # fmt: skip
BOUNDS = Bounds(4, 7, 3, 5_000, 60_000, 2, 4, 3)
DOMAINS = st.sampled_from(["a", "a", "b", "asks"])
TARGETS = st.sampled_from([f"t{n}" for n in range(4)] + ["*", " "])
ROUTES = st.sampled_from(["system/health.check.requested"] * 6 + ["not/known", None])
SCOPES = ["all", "domain:a", "target:a/t1", "domain:backup"]
ERRORS = st.sampled_from(["Connection refused", "gremlins", "timed out", "No space left on device", "queued"])
DICE = st.floats(0, 1, exclude_max=True)
PICK = st.integers(0, 10**6)


class PolicyMachine(RuleBasedStateMachine):
    store: ClassVar[VirtualStore]
    steps: ClassVar[int] = 0
    seen: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        assert finished(self.store.call("GET", MARK)), "refusing to flush a store that is not the tests' own"
        for command in (("FLUSHALL",), ("SET", MARK, "policy")):
            finished(self.store.call(*command))
        self.store.now_ms = BEGINNING
        self.ledger, self.world, self.book = Ledger(self.store), World(), Book(BOUNDS)
        self.die = 0.5
        self.desk = Desk(self.ledger, Bench(Rulebook(CONFIG), Voice("router")), lambda: self.die, {}, self._eyes)
        self.guard = Guard(self.ledger, Voice("guard"), "me", LIMITS)
        self.requests: list[Request] = []
        self.asked_at: list[int] = []
        self.acts: list[tuple[str, str]] = []
        self.timers: list[tuple[int, str, dict[str, Any]]] = []
        self.incidents: list[str] = []
        self.approvals: list[tuple[str, str]] = []
        self.intents: list[tuple[Target, Intent]] = []
        self.number = 0

    async def _eyes(self, now: int) -> str:
        return self.world.blind

    # What producers send

    @rule(
        domain=DOMAINS, name=TARGETS, route=ROUTES, retries=st.sampled_from([None, None, 0, 1, 64]), dice=DICE,
        deadline=st.sampled_from([None, None, None, 30_000, 300_000, -1]), defer=st.booleans(),
        dry=st.sampled_from([False] * 9 + [True]), by=st.sampled_from(["ann", None]),
    )  # fmt: skip
    def report(
        self, domain: str, name: str, route: str | None, retries: int | None, dice: float, deadline: int | None,
        defer: bool, dry: bool, by: str | None,
    ) -> None:  # fmt: skip
        self.die = dice
        changes: dict[str, Any] = {"domain": domain, "targetComponent": name, "targetEventName": route}
        changes |= {"retryPolicy": {"maxRetries": retries} if retries is not None else {}, "requestedBy": by}
        changes |= {"deadlineAt": iso(self.store.now_ms + deadline) if deadline else None, "dryRun": dry}
        changes |= {"playbook": {"defer": ["a deploy runs"]} if defer else {}}
        if name.strip():
            self._decide(healing(self._id(), **changes))

    @rule(dice=DICE, later=st.sampled_from([0, 6_000, 61_000]))
    def many_fail_together(self, dice: float, later: int) -> None:
        """The first ones have acts scheduled when the last makes it a storm: by chance alone that is seldom met."""
        self.die = dice
        for name in ("t0", "t1", "t2"):
            changes = {"domain": "a", "targetComponent": name, "targetEventName": "system/health.check.requested"}
            self._decide(healing(self._id(), **changes))
        finished(self.store.advance(later))

    @rule(
        backed_up=st.sampled_from(["redis", "typesense"]), error=ERRORS, dice=DICE, ago=st.sampled_from([0, 14_300_000])
    )
    def backup_fails(self, backed_up: str, error: str, dice: float, ago: int) -> None:
        self.die = dice
        kind = {"failureClass": "deferred"} if error == "queued" else {}
        at = iso(self.store.now_ms - ago)
        function = f"system/backup.{backed_up}"
        request = backup(
            self._id(), target=backed_up, targetFunctionId=function, error=error, backupFailureDetectedAt=at, **kind
        )
        self._decide(request)

    @precondition(lambda self: self.requests)
    @rule(pick=PICK)
    def redeliver(self, pick: int) -> None:
        # A move is known for 48 h; whoever sends after that asks anew.
        known = [r for r, at in zip(self.requests, self.asked_at, strict=True) if self.store.now_ms - at < KEEP_DONE_MS]
        if not known:
            return
        request = known[pick % len(known)]
        before = dict(self.book.answers)
        self._note(finished(self.desk.decide(request)))
        assert self.book.answers == before, "a redelivered request adds nothing"

    # What time brings

    @rule(ms=st.sampled_from([1, 1_000, 6_000, 30_000, 61_000, 600_000, 4_000_000, 50_000_000]))
    def time_passes(self, ms: int) -> None:
        finished(self.store.advance(ms))

    @precondition(lambda self: self.acts)
    @rule(pick=PICK, dice=DICE, check=st.integers(0, 20))
    def look_at_an_act(self, pick: int, dice: float, check: int) -> None:
        self.die = dice
        self._note(finished(self.desk.due(*self.acts[-1 - pick % min(8, len(self.acts))], check)))

    @precondition(lambda self: self.timers)
    @rule(dice=DICE)
    def timers_ring(self, dice: float) -> None:
        """All that are due; and one that is not, which must change nothing."""
        self.die, now = dice, self.store.now_ms
        ringing = [t for t in self.timers if t[0] <= now]
        self.timers = [t for t in self.timers if t[0] > now]
        for _, event, data in [*ringing, *self.timers[:1]]:
            self._ring(event, data)

    # What persons and observers do

    @precondition(lambda self: self.incidents)
    @rule(pick=PICK, dismissed=st.booleans())
    def it_ends(self, pick: int, dismissed: bool) -> None:
        id = self.incidents[pick % len(self.incidents)]
        try:
            if dismissed:
                finished(dismiss_incident(self.ledger, id, actor="joel", reason="known", voice=Voice("cli")))
            else:
                finished(close_incident(self.ledger, id, by="probe", detail="well", voice=Voice("walk")))
        except HealingError:
            return  # it is over already
        self.book.last_act.pop(id, None)

    @rule(on=st.booleans())
    def the_switch(self, on: bool) -> None:
        finished((self.ledger.stop if on else self.ledger.start)(actor="joel", reason="why"))
        self.world.stopped = on

    @rule(scope=st.sampled_from(SCOPES), on=st.booleans())
    def a_pause(self, scope: str, on: bool) -> None:
        if on:
            now = self.store.now_ms
            finished(self.ledger.pause(PauseReason(scope, scope, "joel", "why", now, now + 10**12)))
            self.world.paused.add(scope)
        else:
            finished(self.ledger.resume(scope, actor="joel"))
            self.world.paused.discard(scope)

    @rule(blind=st.sampled_from(["", "", "", "all fails"]))
    def eyes(self, blind: str) -> None:
        self.world.blind = blind

    @precondition(lambda self: self.approvals)
    @rule(pick=PICK, who=st.sampled_from(["bob", "ann@desk", ""]), dice=DICE)
    def a_word(self, pick: int, who: str, dice: float) -> None:
        self.die = dice
        incident, approval = self.approvals[pick % len(self.approvals)]
        if who:
            self._note(finished(persons.approve(self.desk, incident, approval, who, self._id())))
        else:
            self._note(finished(persons.deny(self.desk, incident, approval)))

    @precondition(lambda self: self.incidents)
    @rule(pick=PICK)
    def an_order(self, pick: int) -> None:
        incident = self.incidents[pick % len(self.incidents)]
        self._note(finished(persons.order(self.desk, incident, "bob", "now", self._id())))

    # What the guard is asked

    @rule(domain=DOMAINS, name=st.sampled_from(["t1", "t2", "t3"]), failing=st.booleans(), forced=st.booleans())
    def guard_judges(self, domain: str, name: str, failing: bool, forced: bool) -> None:
        target = Target(domain, name, group="rack")
        seen = Symptom(Seen.FAILING if failing else Seen.OK, "as seen", "p1", forced_by="joel" if forced else "")
        answer = finished(self.guard.judge(self._id(), target, seen))
        if answer.rule.acts:
            self.intents.append((target, answer.intent))

    @precondition(lambda self: self.intents)
    @rule(outcome=st.sampled_from(Outcome))
    def guard_settles(self, outcome: Outcome) -> None:
        target, intent = self.intents.pop()
        finished(self.guard.settle(self._id(), target, intent, outcome, "as seen"))

    # What must hold

    @invariant()
    def nothing_is_overdrawn(self) -> None:
        type(self).steps += 1
        self._drain()
        self.book.check(self.store.now_ms)
        assert all(count == 1 for count in self.book.answers.values())
        assert set(self.book.answers) == {request.id for request in self.requests}

    def teardown(self) -> None:
        self._drain()
        for id in self.incidents:
            found, timeline = finished(self.ledger.show(id))
            if found.domain != STORM:
                assert found.attempt <= BOUNDS.max_retries + self.book.ordered[id]
            waits = found.act is not None or found.watch
            assert waits or found.state is not State.OPEN or found.barred.startswith("route-"), f"nobody watches {id}"
            assert all(row.same for row in replay(timeline)), [row for row in replay(timeline) if not row.same]
        type(self).seen |= set(self.book.rules)

    # Helpers

    def _id(self) -> str:
        self.number += 1
        return f"e{self.number}"

    def _decide(self, request: Request) -> None:
        self.requests.append(request)
        self.asked_at.append(self.store.now_ms)
        self._note(finished(self.desk.decide(request)))

    def _note(self, outcome: dict[str, Any]) -> None:
        self._drain()
        incident = outcome["incident"]
        if incident and incident not in self.incidents:
            self.incidents.append(incident)
        if outcome["act"] and (act := (incident, outcome["act"]["decision"])) not in self.acts:
            self.acts.append(act)
        if outcome.get("approval"):
            self.approvals.append((incident, outcome["approval"]["id"]))

    def _ring(self, event: str, data: dict[str, Any]) -> None:
        match event:
            case "healing/incident.due" if "deadlineMs" in data:
                if self.store.now_ms >= data["deadlineMs"]:  # the function sleeps until then
                    self._note(finished(self.desk.deadline(data["incidentId"], data["deadlineMs"])))
            case "healing/incident.due":
                self._note(finished(self.desk.due(data["incidentId"], data["decision"])))
                self.acts.append((data["incidentId"], data["decision"]))
            case "healing/storm.seen":
                self._note(finished(storms.open_storm(self.desk, data["group"], self._id())))
            case "healing/storm.due":
                outcome = finished(storms.look_at_storm(self.desk, data["incidentId"], data["watch"]))
                if outcome["act"]:
                    self.timers.append((outcome["act"]["due_ms"], event, data))
                self._drain()

    def _drain(self) -> None:
        """What the bus would deliver: read in the order of writing, and gone from the outbox."""
        slot = self.ledger.slot
        flat = finished(self.store.call("HGETALL", slot.outbox_items))
        if not flat:
            return
        items = [json.loads(flat[i]) for i in range(1, len(flat), 2)]
        for key in (slot.outbox, slot.outbox_items):
            finished(self.store.call("DEL", key))
        self._deadlines()
        # What is handed over is judged by what was ordered before it: evidence is read first.
        for item in sorted(items, key=lambda item: item["target"] != "otel/event"):
            data = json.loads(item["data"])
            self.book.read(self.store.now_ms, item, data, self.world)
            if item["target"].startswith("healing/"):
                self.timers.append((item.get("at_ms") or 0, item["target"], data))

    def _deadlines(self) -> None:
        for id in self.incidents:
            deadline = finished(self.store.call("HGET", self.ledger.slot.key("incident", id), "deadline_ms"))
            self.book.deadlines[id] = int(deadline or 0)
