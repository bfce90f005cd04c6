"""What the self-healing router adds to a request when it sends it on to its route event.

The route event's own model may not read all of it (a health check has no use for a playbook), but the
suite is known to send it, so it is *carried* there and not counted as unknown.
"""

from __future__ import annotations

ROUTED_FIELDS = frozenset(
    {
        # what every request has
        "sourceFunction", "targetComponent", "problemSummary", "attempt", "retryPolicy", "evidence", "playbook",
        # what a request may have
        "domain", "targetEventName", "routeToEventName", "routeToFunction", "context", "owner", "deadlineAt",
        "fallbackAction", "dryRun", "reason", "requestedBy", "lookbackMinutes", "maxRuns",
        # what the router adds
        "incidentId", "nextAttempt", "decision",
    }
)  # fmt: skip
"""Wire names; a test holds them against the models."""
