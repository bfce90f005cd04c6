"""What a run says: the failure for its router, the closing of an incident, evidence for people. Builders, no I/O."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_backup.carrying import Carried, NotCarried
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.policy import DAMAGE, Outcome, class_of, needs_a_person
from joelclaw_backup.records import iso, ms_of
from joelclaw_backup.steps import Keeping
from joelclaw_backup.switch import Move, Tried
from joelclaw_bus import Failure
from joelclaw_contracts import (
    BackupFailureDetected,
    BackupFunctionId,
    BackupRetryRequested,
    BackupTarget,
    EventModel,
    HealingCompleted,
    OtelEvent,
)

FUNCTION = "system/backup."


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: this process, about one target."""

    settings: Keeping
    system_id: str
    session_id: str
    target: BackupTarget = "redis"

    @property
    def function(self) -> BackupFunctionId:
        return "system/backup.typesense" if self.target == "typesense" else "system/backup.redis"

    def failed(self, failure: Failure) -> Sequence[EventModel]:
        """What a run's final failure sends, in the same step as its end."""
        retry = failure.event.data if isinstance(failure.event.data, BackupRetryRequested) else None
        now = int(time.time() * 1000)
        kind = class_of(failure.cause)
        error = failure.error.strip() or kind
        way = failure.cause if isinstance(failure.cause, NotCarried) else None
        local = self.settings.destination
        places = {str(mode): place for mode, place in self.settings.travel.ways(local).items()}
        mode, attempts = (way.mode, way.attempts) if way else (local.mode, 1)
        destination = str(places.get(mode, local).path)
        attempt = retry.attempt if retry else 0
        detected = BackupFailureDetected(
            target_function_id=self.function,
            target=self.target,
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
        """Evidence of a stored backup; it pages when an older set was found damaged, or a person must mend a way."""
        older = result["rechecked"]
        bad = older["id"] and older["verdict"] != "verified"
        found = [f"an older copy, {older['id']}, is {older['verdict']}: {older['detail']}"] if bad else []
        found += [
            result[name]
            for name in ("transportTrouble", "retentionTrouble", "sourceTrouble", "unproven", "note")
            if result.get(name)
        ]
        error = "; ".join(found) or None
        pages = older["verdict"] in DAMAGE or bool(result["transportTrouble"])
        metadata = {**result, "run": run, "incidentId": incident}
        took = float(result["durationMs"])
        return self._evidence(f"{run}:stored", at_ms, metadata, pages=pages, error=error, duration_ms=took)

    def deferred(
        self, run: str, at_ms: int, carried: Carried, retry: BackupRetryRequested | None
    ) -> BackupFailureDetected:
        """What the router hears of a queued set: it holds the incident open, and retries nothing."""
        queue = self.settings.travel.queue
        return BackupFailureDetected(
            target_function_id=self.function,
            target=self.target,
            error=f"queued on the local disk: {carried.failure}",
            backup_failure_detected_at=retry.backup_failure_detected_at if retry else iso(at_ms),
            attempt=retry.attempt if retry else 0,
            failure_class=FailureClass.DEFERRED,
            transport_mode="queued",
            transport_attempts=carried.attempts,
            transport_destination=str(queue.root) if queue else None,
            retry_window_hours=(retry.retry_window_hours if retry else None) or self.settings.window_hours,
            context={"run": run, "classified": True},
        )

    def waits(self, run: str, at_ms: int, result: dict[str, Any], retry: BackupRetryRequested | None) -> OtelEvent:
        """Evidence of a queued set: degraded; it pages where a person must mend a way."""
        pages, error = bool(result["transportTrouble"]), result["transportTrouble"] or result["waitsFor"]
        metadata = {**result, "run": run, "incidentId": retry.incident_id if retry else None}
        return self._evidence(f"{run}:deferred", at_ms, metadata, pages=pages, error=error)

    def switches(self, id: str, at_ms: int, move: Move, failed: Tried, attempts: int) -> OtelEvent:
        """Evidence of one rule of the switch, between a failure of a way and what is tried next."""
        metadata = {
            "rule": move.rule,
            "failedMode": failed.mode,
            "failureClass": failed.failure,
            "transportMode": move.mode if move.act == "use" else None,
            "waitMs": move.ms or None,
            "transportAttempts": attempts,
        }
        return self._evidence(id, at_ms, metadata, error=failed.detail)

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
            component=self.function,
            action=self.function.replace("/", "."),
            success=not pages,
            duration_ms=duration_ms,
            error=error,
            metadata={k: v for k, v in metadata.items() if v is not None},
        )


def closing(incident: dict[str, Any], result: dict[str, Any], target: str = "redis") -> HealingCompleted:
    """The closing of an incident by the one who saw it end."""
    held = f"{result['keys']} {result['of']}"
    detail = f"{result['path']} is stored and verified: {result['bytes']} bytes, {held}"
    return HealingCompleted(
        domain="backup",
        status="remediated",
        detected=1,
        inspected=1,
        incident_id=incident["id"],
        source_function=f"{FUNCTION}{target}",
        target_component=target,
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
        **_transport(carried, "queued"),
    }


def result_of(manifest: Manifest, carried: Carried, rechecked: dict[str, Any], settings: Keeping) -> dict[str, Any]:
    """What the run returns, for people and programs; no proof: that is on the shelf."""
    assert carried.proven is not None
    assert carried.published is not None
    first, told = manifest.files[0], manifest.told
    verified = Verified.model_validate(carried.proven["verified"])
    restored = verified.restored
    return {
        "outcome": Outcome.STORED,
        **carried.published,
        **_transport(carried, carried.mode),
        "bytes": manifest.bytes,
        "file": first.name,
        "sha256": manifest.sha256,
        "keys": told.count,
        "of": told.of,
        "restored": restored.count if restored else None,
        "digest": told.digest,
        "note": told.note,
        "unproven": "" if restored else "it was read back, and not restored: no server of its kind is here",
        "witnessed": told.digest is not None,
        "restoreMs": verified.restore_ms,
        "rechecked": rechecked,
        "verified": True,
        "destination": settings.destination.label,
        "tier": settings.destination.tier,
        "source": told.source,
        "durationMs": max(0, ms_of(verified.verified_at) - ms_of(told.started_at)),
    }


def _transport(carried: Carried, mode: str) -> dict[str, Any]:
    return {
        "transportMode": mode,
        "transportAttempts": carried.attempts,
        "transportRules": list(carried.rules),
        "transportTrouble": carried.trouble,
    }
