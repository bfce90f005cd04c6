"""Evidence as a letter: what a move did, told once, in the same step as the move itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_contracts import Evidence, Level, OtelEvent
from joelclaw_contracts.redact import redact_text
from joelclaw_healing.move import Letter

SAMPLES = 6
_SAMPLE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: the service, the machine or deployment, the process incarnation."""

    source: str
    system_id: str = "local"
    session_id: str = "none"

    def evidence(
        self,
        id: str,
        *,
        at_ms: int,
        component: str,
        action: str,
        metadata: Mapping[str, Any],
        level: Level = "info",
        success: bool = True,
        error: str = "",
    ) -> Letter:
        """One record for `otel/event`. success: False only for what should page."""
        event = OtelEvent(
            id=f"evidence:{id}",
            timestamp=at_ms,
            session_id=self.session_id,
            system_id=self.system_id,
            level=level,
            source=self.source,
            component=component,
            action=action,
            success=success,
            error=error or None,
            metadata=dict(metadata),
        )
        return Letter(OtelEvent.event_name, f"evidence:{id}", event.to_json().decode())


def evidence_summary(evidence: Sequence[Evidence]) -> dict[str, Any]:
    """What CONTRACT 8 asks of every decision: how much evidence, up to six samples, how many of which type."""
    return {
        "count": len(evidence),
        # Cut after it was redacted: half a secret is one that no pattern knows any more.
        "samples": [redact_text(f"{e.type}: {e.detail}")[: _SAMPLE_CHARS + len(e.type)] for e in evidence[:SAMPLES]],
        "types": dict(Counter(e.type for e in evidence).most_common(20)),
    }
