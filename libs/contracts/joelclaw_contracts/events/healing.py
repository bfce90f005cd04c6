"""Self-healing: a request for it, and the answer or closing that comes back."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from joelclaw_contracts.event import EventModel
from joelclaw_contracts.fields import Confidence, Count, Flag, Instant, JsonObject, Name, PositiveCount, Strings, Text

from .parts import Action, EvidenceList, Playbook, RetryDecision, RetryPolicy, RunContext
from .routed import ROUTED_FIELDS

FallbackAction = Literal["escalate", "manual"]
"""What happens when a deadline passes: page the owner and queue, or queue and digest."""

Status = Literal["scheduled", "noop", "blocked", "detected", "remediated", "exhausted", "escalated", "invalid"]
"""Outcome of a request or an incident; the contract's table says when which."""

EVERY_DOMAIN = "all"
KNOWN_DOMAINS = (
    "backup",
    "sdk-reachability",
    "inngest-runtime",
    "gateway-bridge",
    "gateway-provider",
    "otel-pipeline",
    EVERY_DOMAIN,
)
"""Domains with a known owner. Any other non-empty string is a domain too."""


class HealingRequested(EventModel):
    """Something is broken and wants a decision: retry, pause or escalate."""

    event_name: ClassVar[str] = "system/self.healing.requested"
    carried: ClassVar[frozenset[str]] = ROUTED_FIELDS

    source_function: Name
    """Who asks; named in alerts and evidence."""
    target_component: Name
    """What is broken; with the domain it is the incident's identity."""
    problem_summary: Text
    """What is wrong, for people; classified by adapters only where no typed cause exists."""
    attempt: Count
    """The attempt the requester believes it is at; the incident's own counter decides."""
    retry_policy: RetryPolicy
    """The requester's wishes; configuration fills, policy clamps."""
    evidence: EvidenceList
    """What backs the claim; summarised in telemetry, shown to people."""
    playbook: Playbook
    """What people know about mending it; shown and carried, never executed."""

    domain: Name = EVERY_DOMAIN
    """Chooses the one owner that answers; `all` goes to the self-healing router and wakes the others' probes."""
    target_event_name: Name | None = None
    """The event that a retry sends; must be on the route allowlist. See `route`."""
    route_to_event_name: Name | None = None
    """The older name of `targetEventName`; if both are given they must agree."""
    route_to_function: Name | None = None
    """The function expected to run the route event; named in the answer, the alert and the evidence."""
    context: JsonObject | None = None
    """The domain's own context; carried to the route event, where `runContext` is added."""
    owner: Name | None = None
    """Who is told, unless configuration names an owner; the incident's first is kept, later ones watch."""
    deadline_at: Instant | None = None
    """Bounds every decision and sets a timer: unresolved then, `fallbackAction` happens."""
    fallback_action: FallbackAction = "escalate"
    """At the deadline: `escalate` pages the owner and queues, `manual` queues for the digest."""
    dry_run: Flag = False
    """Decide and answer `detected`, with the rule; write nothing else, act on nothing."""
    reason: Text | None = None
    """Why this was asked now; shown beside the summary."""
    requested_by: Name | None = None
    """The person who asked; can't be the one who approves."""
    lookback_minutes: PositiveCount | None = None
    """How far back an investigator looks for failed runs, minutes."""
    max_runs: PositiveCount | None = None
    """How many failed runs an investigator looks at."""

    @property
    def route(self) -> str | None:
        """The event that a retry sends: `targetEventName`, else its alias `routeToEventName`."""
        return self.target_event_name or self.route_to_event_name

    def retry_wire(
        self,
        *,
        incident_id: str,
        next_attempt: int,
        retry_policy: RetryPolicy,
        decision: RetryDecision,
        run_context: RunContext,
    ) -> dict[str, Any]:
        """The payload that a retry sends to the route event: this request, and what the router adds.

        `attempt` becomes `next_attempt`, `retry_policy` is the clamped one. Validate it against the route
        event's model before scheduling it.
        """
        return {
            **self.to_wire(),
            "incidentId": incident_id,
            "attempt": next_attempt,
            "nextAttempt": next_attempt,
            "retryPolicy": retry_policy.to_wire(),
            "decision": decision.to_wire(),
            "context": run_context.within(self.context),
        }

    @model_validator(mode="after")
    def _one_route(self) -> Self:
        if None not in (self.target_event_name, self.route_to_event_name) and self.route != self.route_to_event_name:
            raise PydanticCustomError(
                "conflict",
                'is "{one}" but its alias targetEventName is "{other}"; give one of them, or the same in both',
                {
                    "field": "routeToEventName",
                    "one": self.route_to_event_name,
                    "other": self.target_event_name,
                },
            )
        return self


class HealingCompleted(EventModel):
    """The one answer to a request (keyed by `eventId`), or the one closing of an incident (`incidentId`)."""

    event_name: ClassVar[str] = "system/self.healing.completed"
    told: ClassVar[bool] = True

    domain: Name
    """The domain that answers; `all` if the request could not be read."""
    status: Status
    """What happened."""
    detected: Count
    """How many problems were found."""
    inspected: Count
    """How many candidates were looked at."""

    incident_id: Name | None = None
    """The incident that was opened, joined or closed."""
    event_id: Name | None = None
    """The request that this answers; absent in a closing."""
    source_function: Name | None = None
    """Who asked."""
    target_component: Name | None = None
    """What was broken."""
    action: Action | None = None
    """What was decided."""
    attempt: Count | None = None
    """The incident's attempt at the decision."""
    next_attempt: Count | None = None
    """The attempt that a scheduled retry makes."""
    reason: Text | None = None
    """Why, for people; `joined` if an open incident absorbed the request."""
    rule: Name | None = None
    """The named rule that decided."""
    delay_ms: Count | None = None
    """How long the retry or hold waits, ms."""
    due_at: Instant | None = None
    """When the retry or hold is due."""
    route_to_event_name: Name | None = None
    """The event that the retry sends."""
    route_to_function: Name | None = None
    """The function expected to run it."""
    confidence: Confidence | None = None
    """How sure the decider was."""
    model: Name | None = None
    """The configured model id that took part."""
    evidence: EvidenceList | None = None
    """What backs the outcome."""
    playbook: Playbook | None = None
    """The request's playbook, carried."""
    owner: Name | None = None
    """Who is told."""
    context: JsonObject | None = None
    """The request's context, carried."""
    dry_run: Flag | None = None
    """Whether nothing was done on purpose."""
    remediation_detail: Text | None = None
    """What the act did, and what the probe after it saw."""
    sample_run_ids: Strings | None = None
    """A few of the runs that were inspected."""
