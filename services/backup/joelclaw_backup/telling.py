"""What a run says: the failure for its router, the closing of an incident, evidence for people. Builders, no I/O."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.manifest import Manifest, iso, ms_of
from joelclaw_backup.policy import DAMAGE, Outcome, class_of, needs_a_person
from joelclaw_backup.settings import BackupSettings
from joelclaw_bus import Failure
from joelclaw_contracts import BackupFailureDetected, BackupRetryRequested, EventModel, HealingCompleted, OtelEvent

FUNCTION = "system/backup.redis"
TARGET = "redis"
ACTION = "system.backup.redis"
MODE = "local"


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: this process."""

    settings: BackupSettings
    system_id: str
    session_id: str

    def failed(self, failure: Failure) -> Sequence[EventModel]:
        """What a run's final failure sends, in the same step as its end."""
        retry = failure.event.data if isinstance(failure.event.data, BackupRetryRequested) else None
        now = int(time.time() * 1000)
        kind = class_of(failure.cause)
        error = failure.error.strip() or kind
        destination = str(self.settings.destination.path)
        attempt = retry.attempt if retry else 0
        detected = BackupFailureDetected(
            target_function_id=FUNCTION,
            target=TARGET,
            error=error,
            backup_failure_detected_at=retry.backup_failure_detected_at if retry else iso(now),
            attempt=attempt,
            failure_class=kind,
            transport_mode=MODE,
            transport_attempts=1,
            transport_destination=destination,
            retry_window_hours=(retry.retry_window_hours if retry else None) or self.settings.window_hours,
            context={"run": failure.run, "classified": isinstance(failure.cause, BackupFailed)},
        )
        pages = needs_a_person(kind)
        metadata = {
            "outcome": Outcome.FAILED,
            "failureClass": kind,
            "run": failure.run,
            "attempt": attempt,
            "incidentId": retry.incident_id if retry else None,
            "destination": destination,
            "transportMode": MODE,
            "transportAttempts": 1,
        }
        evidence = self._evidence(f"{failure.run}:failed", now, metadata, pages=pages, error=error)
        return [detected, evidence]

    def stored(self, run: str, at_ms: int, result: dict[str, Any], incident: str | None) -> OtelEvent:
        """Evidence of a stored backup; it pages when an older set was found damaged on the way."""
        older = result["rechecked"]
        bad = older["id"] and older["verdict"] != "verified"
        error = f"an older copy, {older['id']}, is {older['verdict']}: {older['detail']}" if bad else None
        pages = older["verdict"] in DAMAGE
        metadata = {**result, "run": run, "incidentId": incident, "transportMode": MODE, "transportAttempts": 1}
        took = float(result["durationMs"])
        return self._evidence(f"{run}:stored", at_ms, metadata, pages=pages, error=error, duration_ms=took)

    def _evidence(
        self,
        id: str,
        at_ms: int,
        metadata: dict[str, Any],
        *,
        pages: bool = False,
        error: str | None = None,
        duration_ms: float | None = None,
    ) -> OtelEvent:
        return OtelEvent(
            id=f"backup:{id}",
            timestamp=at_ms,
            session_id=self.session_id,
            system_id=self.system_id,
            level="error" if pages else "warn" if error else "info",
            source="backup",
            component=FUNCTION,
            action=ACTION,
            success=not pages,
            duration_ms=duration_ms,
            error=error,
            metadata={k: v for k, v in metadata.items() if v is not None},
        )


def closing(incident: dict[str, Any], result: dict[str, Any]) -> HealingCompleted:
    """The closing of an incident by the one who saw it end."""
    detail = f"{result['path']} is stored and verified: {result['bytes']} bytes, {result['keys']} keys"
    return HealingCompleted(
        domain="backup",
        status="remediated",
        detected=1,
        inspected=1,
        incident_id=incident["id"],
        source_function=FUNCTION,
        target_component=TARGET,
        attempt=incident["attempt"],
        reason="a backup is stored and verified",
        remediation_detail=detail,
        context={"artefact": result["id"], "sha256": result["sha256"]},
    )


def closing_id(incident: dict[str, Any]) -> str:
    """The same however often it is said: one closing for each time an incident was open."""
    return f"closing:{incident['id']}:{incident['reopened']}"


def result_of(
    manifest: Manifest,
    proven: dict[str, Any],
    published: dict[str, Any],
    rechecked: dict[str, Any],
    settings: BackupSettings,
) -> dict[str, Any]:
    """What the run returns, for people and programs; no proof: that is on the shelf."""
    first = manifest.files[0]
    verified = proven["verified"]
    return {
        "outcome": Outcome.STORED,
        **published,
        "bytes": manifest.bytes,
        "file": first.name,
        "sha256": first.sha256,
        "keys": manifest.dump.keys,
        "restored": sum(verified["restored"]["databases"].values()),
        "digest": verified["restored"]["digest"],
        "witnessed": manifest.witness is not None,
        "restoreMs": verified["restoreMs"],
        "rechecked": rechecked,
        "verified": True,
        "destination": settings.destination.label,
        "tier": settings.destination.tier,
        "source": manifest.source.address,
        "durationMs": max(0, ms_of(verified["verifiedAt"]) - ms_of(manifest.taken.started_at)),
    }
