"""What people and programs are told of sets: JSON-able, camelCase. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from joelclaw_backup.artefacts import Artefact
from joelclaw_backup.checks import GOOD
from joelclaw_backup.drill import Drilled
from joelclaw_backup.inspection import Finding, Inspected
from joelclaw_backup.looking import verdict_of
from joelclaw_backup.manifest import ClusterManifest, RedisManifest, Restored, TypesenseManifest
from joelclaw_backup.parts import Collected, Sharded

Model = dict[str, Any]


def artefact_model(artefact: Artefact, newest: bool) -> Model:
    """A line of the list. `rereadAt` is None where nobody has read it since it was verified. `vouched`: this
    suite's own ledger has its proof. `provenBy`: `restore`, or
    `read-back` where the bytes alone were compared and no server ever started from it; None where nothing is proven."""
    manifest, verified, checks = artefact.manifest, artefact.verified, artefact.checks
    model: Model = {
        "id": artefact.id,
        "path": artefact.path,
        "verified": bool(artefact.verified_ms),
        "standing": artefact.standing,
        "provenBy": _proven_by(artefact),
        "newest": newest,
        "target": PurePath(artefact.path).parent.name,
        "problem": artefact.problem,
        "verifiedAt": verified.verified_at if verified else None,
        "verifiedMs": artefact.verified_ms or None,
        "vouched": artefact.vouched,
        "rereadAt": checks.good.at if checks and checks.good else None,
        "lastDrill": _drill(artefact),
    }
    if manifest:
        model |= {
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
            "keys": manifest.told.count,
            "of": manifest.told.of,
            "digest": manifest.told.digest,
            "source": manifest.told.source,
            "takenAt": manifest.told.ended_at,
            "requestedBy": manifest.requested_by,
            "parent": manifest.parent or None,
        }
    return model


def _proven_by(artefact: Artefact) -> str | None:
    if not (artefact.verified_ms or artefact.claimed_ms) or artefact.verified is None:
        return None
    drilled = artefact.checks.drill if artefact.checks else None
    return "restore" if artefact.verified.restored or (drilled and drilled.verdict == GOOD) else "read-back"


def _drill(artefact: Artefact) -> Model | None:
    """The last drill: the one that the set was verified by, or a later one; None where it was never restored."""
    checks, verified = artefact.checks, artefact.verified
    if checks and checks.drill:
        return {"at": checks.drill.at, "verdict": checks.drill.verdict, "restoreMs": checks.drill.restore_ms}
    if verified and verified.restored:
        return {"at": verified.verified_at, "verdict": "verified", "restoreMs": verified.restore_ms}
    return None


def verdict_model(artefact: Artefact, inspected: Inspected) -> Model:
    """What reading a set again found, and how it stands now: `problem` is empty only where it is `ok`."""
    manifest, verified = inspected.manifest, inspected.verified
    first = verdict_of(inspected.findings)
    return {
        "id": artefact.id,
        "path": artefact.path,
        "ok": artefact.standing == "verified" and not inspected.findings,
        "verdict": first.verdict.value if first else artefact.standing,
        "standing": artefact.standing,
        "problem": artefact.problem,
        "findings": findings_model(inspected.findings),
        "rereadBytes": inspected.bytes,
        "files": [f.model_dump() for f in manifest.files] if manifest else [],
        "keys": manifest.told.count if manifest else None,
        "of": manifest.told.of if manifest else "keys",
        "verifiedAt": verified.verified_at if verified else None,
    }


def drill_model(artefact: Artefact, drilled: Drilled, source: str, after: Artefact | None) -> Model:
    """What a drill found. after: the set as it stands now; None where that is not known. A passing drill is `ok` only
    where the set stands as verified then: it lifts a drill that failed, and no damage."""
    check, manifest = drilled.check, drilled.manifest
    kinds = RedisManifest | ClusterManifest | TypesenseManifest
    witness = manifest.witness if isinstance(manifest, kinds) else None
    return {
        "id": artefact.id,
        "path": artefact.path,
        "ok": check.verdict == "verified" and (after is None or after.standing == "verified"),
        "standing": after.standing if after else "unknown",
        "problem": after.problem if after else "",
        "verdict": check.verdict,
        "detail": check.detail,
        "findings": findings_model(drilled.findings),
        "rereadBytes": check.reread_bytes,
        "restoreMs": check.restore_ms,
        "expected": held_model(witness) if witness else None,
        "restored": held_model(drilled.held) if drilled.held else None,
        "source": source,
        "at": check.at,
    }


def held_model(held: Restored) -> Model:
    if isinstance(held, Sharded):
        each = {name: held_model(one) for name, one in held.shards.items()}
        return {"of": "keys", "keys": held.keys, "shards": each, "digest": held.digest}
    if isinstance(held, Collected):
        counts = {name: collection.documents for name, collection in held.collections.items()}
        return {
            "keys": held.count,
            "of": "documents",
            "collections": counts,
            "digest": held.digest,
            "by": held.by,
        }
    return {
        "of": "keys",
        "keys": held.keys,
        "databases": held.databases,
        "libraries": held.libraries,
        "digest": held.digest,
        "by": held.by,
    }


def findings_model(findings: Sequence[Finding]) -> list[Model]:
    return [{"file": f.file, "verdict": f.verdict.value, "detail": f.detail} for f in findings]
