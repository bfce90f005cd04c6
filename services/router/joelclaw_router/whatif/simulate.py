"""One recorded incident under another configuration, with a virtual clock.

The record says when the failure was first and last reported, and when it was over. From this a small world is made:

| in the record                            | in the world                                                       |
|------------------------------------------|--------------------------------------------------------------------|
| the last report that it fails            | from then on a retry succeeds                                      |
| it was closed after a retry              | a retry that succeeds closes it as long after as that one did      |
| it was closed without one                | it closes by itself at that time, whatever is decided              |
| it was closed after a page               | no retry succeeds; a page closes it as long after as that one did  |
| it was not closed as resolved            | no retry ever succeeds                                             |
| a retry failed                           | a failed retry is reported again as long after (the median; 1 s)   |
| it was paused, or eyes were mistrusted   | it is so at the same judgement; the next recorded one goes on      |
| so many others of its group failed       | so many fail, and the tried configuration says if that is a storm  |
| its outages of before                    | they were                                                          |

The policy, the budgets and the clamps are the real ones; no model is asked, and none is heard. What is assumed is the
world, never the decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median

from joelclaw_healing.incident import Act, Incident, Kind, State
from joelclaw_healing.lifecycle import served
from joelclaw_healing.move import DAY_MS, HOUR_MS
from joelclaw_router.failure import Budgets, Decision, Failure, RouteTrouble
from joelclaw_router.policy import decide
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.rules import Verdict
from joelclaw_router.whatif.history import History, Judged

TURNS = 200
"""More judgements than any budget allows: a simulation that gets here is a defect, and ends."""
REPORTED_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Course:
    """How an incident goes: acts, pages, and how it ends. `recovery_ms`: from the first report; None: not by itself."""

    retries: int
    pauses: int
    pages: int
    recovery_ms: int | None
    last_rule: str


@dataclass
class Spent:
    """When each target's retries were, over all incidents of one simulation; ms."""

    retries: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def today(self, target: tuple[str, str], now: int) -> int:
        return sum(1 for at in self.retries.get(target, []) if at > now - DAY_MS)

    def of_all(self, now: int) -> int:
        return sum(1 for times in self.retries.values() for at in times if at > now - HOUR_MS)

    def add(self, target: tuple[str, str], now: int) -> None:
        self.retries.setdefault(target, []).append(now)


def recorded(history: History) -> Course:
    """What really happened."""
    rules = [str(j.decision["rule"]) for j in history.judged]
    verdicts = [j.decision["verdict"] for j in history.judged]
    pages = [
        rule
        for n, rule in enumerate(rules)
        if verdicts[n] in ("escalate", "refuse") and (n == 0 or rule != rules[n - 1])
    ]
    recovery = history.closed_ms - history.opened_ms if history.resolved else None
    acted = [rule for rule, verdict in zip(rules, verdicts, strict=True) if verdict != "join"]
    return Course(len(history.handed_over), verdicts.count("pause"), len(pages), recovery, (acted or rules)[-1])


def simulate(history: History, rules: Rulebook, spent: Spent, *, present: Rulebook | None = None) -> Course:
    """The same incident under `rules`. `spent` counts on, so incidents are simulated in the order of their opening.
    `present`: the configuration that is in force, by which a window is told from one that a request gave itself."""
    world = _World.of(history)
    return _Play(history, rules, spent, world, present or rules).run()


@dataclass(frozen=True, slots=True)
class _World:
    mends_from: int | None
    closes_after: int
    closes_at: int | None
    reported_after: int
    person_after: int | None = None
    """How long after its page a person ended it."""

    @classmethod
    def of(cls, history: History) -> _World:
        reports = [j.at for j in history.judged if j.afresh] or [history.opened_ms]
        gaps = [min(later) - at for at in history.handed_over if (later := [r for r in reports if r > at])]
        reported_after = round(median(gaps)) if gaps else REPORTED_AFTER_MS
        if not history.resolved:
            return cls(None, 0, None, reported_after)
        if not history.handed_over:
            return cls(None, 0, history.closed_ms, reported_after)
        paged = [j.at for j in history.judged if j.decision["verdict"] == "escalate"]
        if paged and max(paged) > max(history.handed_over):
            return cls(None, 0, None, reported_after, max(0, history.closed_ms - max(paged)))
        return cls(max(reports), max(0, history.closed_ms - max(history.handed_over)), None, reported_after)


@dataclass
class _Play:
    history: History
    rules: Rulebook
    spent: Spent
    world: _World
    present: Rulebook

    def run(self) -> Course:
        """Judge, wait, act, until it is over, a person has it, or nothing more will happen."""
        first, acting = self.history.judged[0], self._acting()
        incident = replace(first.incident, state=State.OPEN, attempt=0, holds=0, last_act="", act=None)
        now, retries, pauses, opened = first.at, 0, 0, first.at
        target = (self.history.domain, self.history.target)
        for turn in range(TURNS):
            judged = acting[min(turn, len(acting) - 1)]
            decision = self._decide(judged, incident, now)
            if decision.rule.passes and turn + 1 < len(acting):
                now = max(now, acting[turn + 1].at)
                continue
            if decision.verdict not in (Verdict.RETRY, Verdict.PAUSE):
                ends = self._by_itself(opened) if self.world.person_after is None else None
                if decision.rule.alert and self.world.person_after is not None:
                    ends = now + self.world.person_after - opened
                return Course(retries, pauses, int(decision.rule.alert), ends, str(decision.rule))
            kind = Kind.RETRY if decision.verdict is Verdict.RETRY else Kind.PAUSE
            closes = self.world.closes_at
            if closes is not None and closes <= decision.due_ms:
                return Course(retries, pauses + (kind is Kind.PAUSE), 0, closes - opened, str(decision.rule))
            now = decision.due_ms
            incident = served(replace(incident, act=Act("simulated", kind, now)))
            if kind is Kind.PAUSE:
                pauses += 1
                continue
            retries += 1
            self.spent.add(target, now)
            if self.world.mends_from is not None and now >= self.world.mends_from:
                return Course(retries, pauses, 0, now + self.world.closes_after - opened, str(decision.rule))
            now += self.world.reported_after
        return Course(retries, pauses, 0, None, "no end")

    def _acting(self) -> list[Judged]:
        """Those that were more than joining: the draws of chance and the failures that acts followed."""
        return [j for j in self.history.judged if j.decision["verdict"] != "join"] or list(self.history.judged)

    def _by_itself(self, opened: int) -> int | None:
        return self.world.closes_at - opened if self.world.closes_at is not None else None

    def _decide(self, judged: Judged, incident: Incident, now: int) -> Decision:
        domain, target = judged.failure.domain, judged.failure.target
        policy = self.rules.policy(domain, judged.wish, None, target)
        budgets = Budgets(self.spent.today((domain, target), now), self.spent.of_all(now))
        # A storm that raged was made by the configuration of then; how many failed is a fact of the world.
        around = replace(judged.around, storm_until_ms=0, storms=0)
        failure = self._failure(judged)
        return decide(failure, incident, budgets, now=now, policy=policy, dice=judged.dice, around=around)

    def _failure(self, judged: Judged) -> Failure:
        """The recorded failure with what configuration says of its route and its window."""
        failure, rules = judged.failure, self.rules
        if failure.route_trouble is RouteTrouble.NOT_ALLOWED and rules.permits(failure.route):
            failure = replace(failure, route_trouble=None, route_detail="")
        elif failure.route_trouble is None and failure.route and not rules.permits(failure.route):
            detail = f"{failure.route} is not among the routes that configuration allows"
            failure = replace(failure, route_trouble=RouteTrouble.NOT_ALLOWED, route_detail=detail)
        recorded = failure.window_end_ms - judged.first_failure_ms if judged.first_failure_ms else 0
        if failure.window_end_ms and recorded == self.present.window_ms(failure.domain, None):
            window = rules.window_ms(failure.domain, None)
            failure = replace(failure, window_end_ms=judged.first_failure_ms + window)
        return failure
