"""What a run says: the failure for its router, the closing of an incident, evidence for people. Builders, no I/O."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_backup.carrying import Carried, NotCarried
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest, iso, ms_of
from joelclaw_backup.policy import DAMAGE, Outcome, class_of, needs_a_person
from joelclaw_backup.settings import BackupSettings
from joelclaw_bus import Failure
from joelclaw_contracts import BackupFailureDetected, BackupRetryRequested, EventModel, HealingCompleted, OtelEvent

FUNCTION = "system/backup.redis"
TARGET = "redis"
ACTION = "system.backup.redis"


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
        way = failure.cause if isinstance(failure.cause, NotCarried) else None
        places = {str(mode): place for mode, place in self.settings.ways.items()}
        mode, attempts = (way.mode, way.attempts) if way else (self.settings.destination.mode, 1)
        destination = str(places.get(mode, self.settings.destination).path)
        attempt = retry.attempt if retry else 0
        detected = BackupFailureDetected(
            target_function_id=FUNCTION,
            target=TARGET,
            error=error,
            backup_failure_detected_at=retry.backup_failure_detected_at if retry else iso(now),
            attempt=attempt,
            failure_class=kind,
            transport_mode=mode,
            transport_attempts=attempts,
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
            "transportMode": mode,
            "transportAttempts": attempts,
            "transportRules": list(way.rules) if way else None,
        }
        evidence = self._evidence(f"{failure.run}:failed", now, metadata, pages=pages, error=error)
        return [detected, evidence]

    def stored(self, run: str, at_ms: int, result: dict[str, Any], incident: str | None) -> OtelEvent:
        """Evidence of a stored backup; it pages when an older set was found damaged, or a way is one that a person must
        mend."""
        older = result["rechecked"]
        bad = older["id"] and older["verdict"] != "verified"
        error = f"an older copy, {older['id']}, is {older['verdict']}: {older['detail']}" if bad else None
        pages = older["verdict"] in DAMAGE or bool(result["transportTrouble"])
        error = "; ".join(filter(None, (error, result["transportTrouble"]))) or None
        metadata = {**result, "run": run, "incidentId": incident}
        took = float(result["durationMs"])
        return self._evidence(f"{run}:stored", at_ms, metadata, pages=pages, error=error, duration_ms=took)

    def deferred(
        self, run: str, at_ms: int, carried: Carried, retry: BackupRetryRequested | None, target: str = TARGET
    ) -> BackupFailureDetected:
        """What the router hears of a queued set: it holds the incident open, and retries nothing."""
        return BackupFailureDetected(
            target_function_id=FUNCTION,
            target=target,
            error=f"queued on the local disk: {carried.failure}",
            backup_failure_detected_at=retry.backup_failure_detected_at if retry else iso(at_ms),
            attempt=retry.attempt if retry else 0,
            failure_class=FailureClass.DEFERRED,
            transport_mode="queued",
            transport_attempts=carried.attempts,
            transport_destination=str(self.settings.queue.root) if self.settings.queue else None,
            retry_window_hours=(retry.retry_window_hours if retry else None) or self.settings.window_hours,
            context={"run": run, "classified": True},
        )

    def waits(self, run: str, at_ms: int, result: dict[str, Any], retry: BackupRetryRequested | None) -> OtelEvent:
        """Evidence of a queued set: degraded; it pages where a person must mend a way."""
        pages, error = bool(result["transportTrouble"]), result["transportTrouble"] or result["waitsFor"]
        metadata = {**result, "run": run, "incidentId": retry.incident_id if retry else None}
        return self._evidence(f"{run}:deferred", at_ms, metadata, pages=pages, error=error)

    def drains(self, id: str, at_ms: int, metadata: dict[str, Any], error: str | None, *, pages: bool) -> OtelEvent:
        """Evidence of the drainer: a set that left the queue, or what keeps it there."""
        return self._evidence(id, at_ms, metadata, pages=pages, error=error)

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


def deferred_result(manifest: Manifest, carried: Carried) -> dict[str, Any]:
    """What a run returns whose set waits in the queue."""
    return {
        "outcome": Outcome.DEFERRED,
        "id": manifest.id,
        **(carried.queued or {}),
        "waitsFor": carried.failure,
        "verified": False,
        "transportMode": "queued",
        "transportAttempts": carried.attempts,
        "transportRules": list(carried.rules),
        "transportTrouble": carried.trouble,
    }


def result_of(
    manifest: Manifest, carried: Carried, rechecked: dict[str, Any], settings: BackupSettings
) -> dict[str, Any]:
    """What the run returns, for people and programs; no proof: that is on the shelf."""
    assert carried.proven is not None
    assert carried.published is not None
    first = manifest.files[0]
    verified = carried.proven["verified"]
    return {
        "outcome": Outcome.STORED,
        **carried.published,
        "transportMode": carried.mode,
        "transportAttempts": carried.attempts,
        "transportRules": list(carried.rules),
        "transportTrouble": carried.trouble,
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
