"""One run, step by step: look and judge until it is confirmed or well, act with the guard's intent, watch, tell.

Every step can be repeated after a crash at any point. What must not be repeated is the act: its step asks the guard
first, and the guard lets nobody begin an act that was begun.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anyio import to_thread

from joelclaw_bus import Step
from joelclaw_contracts import Audit, SendMessage, Status
from joelclaw_healing import RUNTIME as TARGET
from joelclaw_healing import Answer, Guard, Intent, Outcome, Rule, Seen, close_target
from joelclaw_healing.alerts import DEFAULT_CHANNEL
from joelclaw_runtime_remediator.probe import Prober
from joelclaw_runtime_remediator.request import RUNTIME_DOMAIN, Request
from joelclaw_runtime_remediator.sample import Sample
from joelclaw_runtime_remediator.settings import Times
from joelclaw_runtime_remediator.supervise import RestartFailed, Supervisor
from joelclaw_runtime_remediator.telling import answer, health_evidence
from joelclaw_runtime_remediator.watch import Watch, pause_s, watch

NOT_CONFIGURED = "not-configured"
DEADLINE_PAST = "deadline-past"
_OUTCOMES = {Watch.HELD: Outcome.FIXED, Watch.FAILED: Outcome.FAILED, Watch.UNVERIFIED: Outcome.UNVERIFIED}

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a run works with. `at`: called between the parts of an act, with its name; only tests hand one in."""

    guard: Guard
    prober: Prober
    supervisor: Supervisor
    times: Times
    configured: bool
    at: Callable[[str], None] = lambda place: None

    async def run(self, request: Request, step: Step) -> Told:
        """What came of it: {status, rule, reason}. Answers whoever is owed an answer, as the last step."""
        if not self.configured:
            return await self._tell(request, step, "noop", NOT_CONFIGURED, "no runtime is configured", None)
        late: bool = await step.run("deadline", request.is_late, step.now_ms)  # asked once: a replay comes later
        if late:
            return await self._too_late(request, step)
        sample, ruling = await self._confirm(request, step)
        if request.dry_run:
            reason = f"dry run: {ruling.why}"
            return await self._tell(request, step, "detected", str(ruling.rule), reason, sample)
        told = {"rule": str(ruling.rule), "why": ruling.why}
        before = health_evidence(self.guard.voice, f"{step.key}:before", "before", sample, request, told)
        await step.send_event("before", before)
        if ruling.rule.acts and ruling.intent:
            return await self._act(request, step, ruling.intent)
        return await self._tell(request, step, _status(ruling.rule), str(ruling.rule), ruling.why, sample)

    async def _too_late(self, request: Request, step: Step) -> Told:
        """Its deadline was over before anything was decided: a person hears of it, unless a digest is enough."""
        reason = "the request's deadline was over before it was looked at"
        asked = request.requested
        if asked and asked.fallback_action == "escalate" and not request.dry_run:
            text = f"{TARGET.text}: {reason}\nproblem: {asked.problem_summary[:600]}"
            channel = (self.guard.channels or (DEFAULT_CHANNEL,))[0]
            await step.send_event(
                "page", SendMessage(channel=channel, text=text, audit=Audit(producer=self.guard.voice.source))
            )
        return await self._tell(request, step, "exhausted", DEADLINE_PAST, reason, None)

    async def _confirm(self, request: Request, step: Step) -> tuple[Sample, Answer]:
        """Look and judge, again while it is failing and not confirmed often enough."""
        samples: list[Sample] = []
        forced_by = request.forced_by if self.supervisor.command else ""  # nothing can be forced that has no command
        while True:
            number = len(samples)
            samples.append(Sample.from_json(await step.run(f"probe-{number}", self._look)))

            async def judge(number: int = number) -> dict[str, Any]:
                symptoms = [sample.symptom(forced_by) for sample in samples]
                if request.dry_run:
                    return (await self.guard.rehearse(TARGET, symptoms)).to_json()
                return (await self.guard.judge(f"{step.key}:judge-{number}", TARGET, symptoms[-1])).to_json()

            ruling = Answer.from_json(await step.run(f"judge-{number}", judge))
            if ruling.rule is Rule.UNCONFIRMED and number < self.guard.limits.confirmations + 2:
                await step.sleep(f"confirm-{number}", self.times.confirm_every_ms / 1000)
            elif not (ruling.rule is Rule.INTERRUPTED and number == 0 and not request.dry_run):
                return samples[-1], ruling

    async def _act(self, request: Request, step: Step, intent: Intent) -> Told:
        """The act, its verification, its outcome."""

        async def act() -> dict[str, Any]:
            return await self._restart(step.key, intent)

        done: dict[str, Any] = await step.run("restart", act)
        if not done["goes_on"]:
            rule = _rule(done["rule"])
            return await self._tell(request, step, _status(rule), str(rule), done["why"], None)
        if done["failed"]:
            sample, outcome, detail = None, Outcome.FAILED, str(done["failed"])
        else:
            await step.sleep("settle", (self.times.settle_ms if request.wait_ms is None else request.wait_ms) / 1000)
            sample, outcome = await self._watch(step)
            detail = f"{done['did']}; then {sample.detail}"

        async def settle() -> dict[str, Any]:
            return (await self.guard.settle(f"{step.key}:outcome", TARGET, intent, outcome, detail)).to_json()

        settled = Answer.from_json(await step.run("outcome", settle))
        sample = sample or Sample.from_json(await step.run("probe-after", self._look))
        told = {"rule": str(settled.rule), "why": detail, "outcome": outcome.value, "intent": intent.id}
        failed = settled.rule is Rule.FAILED
        after = health_evidence(self.guard.voice, f"{step.key}:after", "after", sample, request, told, failed=failed)
        await step.send_event("after", after)
        if settled.rule is Rule.FIXED:
            _closed: bool = await step.run("close", self._close, detail)
        return await self._tell(request, step, _status(settled.rule), str(settled.rule), detail, sample, detail=detail)

    async def _restart(self, run: str, intent: Intent) -> dict[str, Any]:
        """The only place that acts. A fresh look first; then the guard says whether this process may begin."""
        self.at("intended")
        sample = await self.prober.look()
        found = sample.alive and sample.fence == intent.fence
        # Every try asks anew, also a repeated one of this process: the same id would get the same leave twice.
        id = f"{run}:enter:{secrets.token_hex(4)}"
        entered = await self.guard.enter(id, TARGET, intent, sample.symptom(intent.forced_by), found_done=found)
        done = {"goes_on": entered.rule.goes_on, "rule": str(entered.rule), "why": entered.why, "failed": "", "did": ""}
        if entered.rule is Rule.FOUND_DONE:
            return {**done, "did": "restarted before a crash of the remediator"}
        if not entered.rule.goes_on:
            return done
        self.at("entered")
        try:
            restarted = await to_thread.run_sync(self.supervisor.restart, intent.fence)
        except RestartFailed as error:
            return {**done, "failed": str(error)}
        self.at("acted")
        was = "nothing of it ran" if restarted.ended_by == "nothing" else f"ended by {restarted.ended_by}"
        return {**done, "did": f"{was}, started as process {restarted.identity.pid}"}

    async def _watch(self, step: Step) -> tuple[Sample, Outcome]:
        """Independent looks after the act, until they held, failed, or took too long."""
        samples: list[Sample] = []
        while True:
            number = len(samples)
            samples.append(Sample.from_json(await step.run(f"after-{number}", self._look)))
            seen = watch(samples, self.guard.limits)
            if seen is not Watch.GO_ON:
                return samples[-1], _OUTCOMES[seen]
            await step.sleep(f"watch-{number}", pause_s(samples, self.guard.limits, self.times.confirm_every_ms))

    async def _look(self) -> dict[str, Any]:
        return (await self.prober.look()).to_json()

    async def _close(self, detail: str) -> bool:
        """Whatever incident the target has is over: this is the observer that saw it end."""
        guard = self.guard
        return await close_target(
            guard.ledger, TARGET.domain, TARGET.name, by=guard.voice.source, detail=detail, voice=guard.voice,
            channels=guard.channels,
        )  # fmt: skip

    async def _tell(
        self,
        request: Request,
        step: Step,
        status: Status,
        rule: str,
        reason: str,
        sample: Sample | None,
        detail: str | None = None,
    ) -> Told:
        if request.answers:
            detected = int(sample is not None and sample.seen is not Seen.OK) or int(status == "remediated")
            completed = answer(
                request, RUNTIME_DOMAIN, status, rule=rule, reason=reason, detected=detected,
                inspected=int(rule not in (NOT_CONFIGURED, DEADLINE_PAST)), detail=detail,
            )  # fmt: skip
            await step.send_event("answer", completed, id=f"answer:{RUNTIME_DOMAIN}:{request.event_id}")
        return {"status": status, "rule": rule, "reason": reason}


def _rule(name: str) -> Rule:
    return next(rule for rule in Rule if str(rule) == name)


def _status(rule: Rule) -> Status:
    status: Status = rule.status  # type: ignore[assignment]  # a test holds the table against the contract
    return status
