"""An accepted request, whichever event it came as: what the router needs of it, and its way into an incident and back.

Two events ask for healing: `system/self.healing.requested`, and `system/backup.failure.detected`, whose domain is
`backup`. This is the edge: everything behind it knows no wire names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joelclaw_bus.event import Event
from joelclaw_contracts import (
    BackupFailureDetected,
    BackupRetryRequested,
    Evidence,
    HealingRequested,
    Playbook,
    RetryDecision,
    RetryPolicy,
    RunContext,
)
from joelclaw_contracts.redact import redact_text
from joelclaw_healing.lifecycle import Report
from joelclaw_router.adapters import Adapter, Symptom, adapter_of
from joelclaw_router.clamps import Wish

HEALING_ROUTER = "system/self-healing.router"
BACKUP_ROUTER = "system/backup.failure.router"
BACKUP = "backup"
TRACE = 100
"""So many steps of a chain's trace travel on; the oldest go."""
PROBLEM_CHARS = 4_000

Model = HealingRequested | BackupFailureDetected


@dataclass(frozen=True, slots=True)
class Request:
    """One accepted request. event, id: its stream and id, which only together are its identity."""

    event: str
    id: str
    traceparent: str
    data: Model

    @classmethod
    def of(cls, event: Event[Any]) -> Request:
        return cls(event.name, event.id, event.traceparent, event.data)

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Back from an incident, where it waited for a hold to end."""
        raw = json.loads(text)
        model = BackupFailureDetected if raw["event"] == BackupFailureDetected.event_name else HealingRequested
        return cls(raw["event"], raw["id"], raw["traceparent"], model.from_wire(raw["data"]))

    def to_json(self) -> str:
        wire = {"event": self.event, "id": self.id, "traceparent": self.traceparent, "data": self.data.to_wire()}
        return json.dumps(wire, separators=(",", ":"), ensure_ascii=False)

    @property
    def key(self) -> str:
        """Names the request in moves and letters."""
        return f"{self.event}:{self.id}"

    @property
    def function(self) -> str:
        """The function that decides it, as answers and evidence name it."""
        return BACKUP_ROUTER if isinstance(self.data, BackupFailureDetected) else HEALING_ROUTER

    @property
    def domain(self) -> str:
        return BACKUP if isinstance(self.data, BackupFailureDetected) else self.data.domain

    @property
    def adapter(self) -> Adapter:
        return adapter_of(self.domain)

    @property
    def target(self) -> str:
        """The target's canonical name."""
        name = self.data.target if isinstance(self.data, BackupFailureDetected) else self.data.target_component
        return self.adapter.target(name)

    @property
    def source_function(self) -> str:
        if isinstance(self.data, BackupFailureDetected):
            return self.data.target_function_id
        return self.data.source_function

    @property
    def problem(self) -> str:
        """As people read it. Cut after it was redacted: half a secret is one that no pattern knows any more."""
        text = self.data.error if isinstance(self.data, BackupFailureDetected) else self.data.problem_summary
        return redact_text(text)[:PROBLEM_CHARS]

    @property
    def symptom(self) -> Symptom:
        if isinstance(self.data, BackupFailureDetected):
            return Symptom(self.data.error, self.data.failure_class or "")
        cause = (self.data.context or {}).get("failureClass")
        return Symptom(self.data.problem_summary, cause if isinstance(cause, str) else "")

    @property
    def wish(self) -> Wish:
        if isinstance(self.data, BackupFailureDetected):
            return Wish()
        policy = self.data.retry_policy
        return Wish(policy.max_retries, policy.sleep_min_ms, policy.sleep_max_ms, policy.sleep_step_ms)

    @property
    def route(self) -> str:
        """The event that a retry sends; empty: none."""
        if isinstance(self.data, BackupFailureDetected):
            return BackupRetryRequested.event_name
        return self.data.route or self.adapter.default_route

    @property
    def route_function(self) -> str:
        if isinstance(self.data, BackupFailureDetected):
            return self.data.target_function_id
        return self.data.route_to_function or ""

    @property
    def dry_run(self) -> bool:
        return isinstance(self.data, HealingRequested) and self.data.dry_run

    @property
    def requested_by(self) -> str:
        """The person who asked, if one did."""
        return getattr(self.data, "requested_by", None) or ""

    @property
    def owner(self) -> str:
        return getattr(self.data, "owner", None) or ""

    @property
    def playbook(self) -> Playbook:
        return self.data.playbook if isinstance(self.data, HealingRequested) else Playbook()

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return self.data.evidence if isinstance(self.data, HealingRequested) else ()

    @property
    def is_critical(self) -> bool:
        """Whether its sender says so (`context.severity`): then it pages whatever else was asked."""
        return (self.data.context or {}).get("severity") == "critical"

    def report(self, now: int, failure_class: str, *, group: str = "", appointed: str = "") -> Report:
        """What the incident learns from it."""
        failed, deadline, fallback = now, 0, "escalate"
        if isinstance(self.data, BackupFailureDetected):
            # Another machine's clock may run ahead; the window never starts in the future.
            failed = min(now, _ms(self.data.backup_failure_detected_at))
        else:
            deadline = max(1, _ms(self.data.deadline_at)) if self.data.deadline_at else 0  # 0 is none
            fallback = self.data.fallback_action
        return Report(
            cause=self.key,
            domain=self.domain,
            target=self.target,
            failed_ms=failed,
            owner=self.owner,
            deadline_ms=deadline,
            fallback=fallback,
            failure_class=failure_class,
            problem=self.problem,
            source_function=self.source_function,
            group=group,
            appointed=appointed,
        )

    def run_context(self, incident: str, attempt: int) -> RunContext:
        """The thread through a chain of retries: taken up where the request brings one, begun where it doesn't."""
        before = RunContext.read(self.data.context)
        trace = (before.flow_trace if before else ()) or (self.source_function,)
        return RunContext(
            run_context_key=before.run_context_key if before else incident,
            flow_trace=(*trace, self.event, self.function)[-TRACE:],
            source_event_name=before.source_event_name if before else self.event,
            source_event_id=before.source_event_id if before else self.id,
            attempt=attempt,
            next_attempt=attempt + 1,
        )

    def retry_wire(
        self, *, incident: str, attempt: int, first_failure: str, policy: RetryPolicy, decision: RetryDecision
    ) -> dict[str, Any]:
        """The payload of the route event. first_failure: ISO 8601, when the incident's first failure was seen."""
        context = self.run_context(incident, attempt)
        if isinstance(self.data, HealingRequested):
            wire = self.data.retry_wire(
                incident_id=incident,
                next_attempt=attempt + 1,
                retry_policy=policy,
                decision=decision,
                run_context=context,
            )
            return {**self._as_backup(first_failure), **wire} if self.route == BackupRetryRequested.event_name else wire
        return {
            **self.data.to_wire(),
            "backupFailureDetectedAt": first_failure,
            "incidentId": incident,
            "attempt": attempt + 1,
            "nextAttempt": attempt + 1,
            "retryPolicy": policy.to_wire(),
            "decision": decision.to_wire(),
            "context": context.within(self.data.context),
        }

    def _as_backup(self, first_failure: str) -> Mapping[str, Any]:
        """What a retry of a backup needs beyond what a request for healing says."""
        return {
            "target": self.target,
            "targetFunctionId": f"system/backup.{self.target}",
            "error": self.problem,
            "backupFailureDetectedAt": first_failure,
        }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
