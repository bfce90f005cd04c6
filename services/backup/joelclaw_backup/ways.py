"""What the command tells of the ways to a destination: each one's state, what waits for one, how far a transfer is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from joelclaw_backup.artefacts import Artefact, newest_verified
from joelclaw_backup.clock import now_ms
from joelclaw_backup.due import due_again_ms
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.here import Here, looked_at, on_shelf
from joelclaw_backup.models import Model, artefact_model
from joelclaw_backup.policy import class_of
from joelclaw_backup.progress import progress_file, read_progress
from joelclaw_backup.records import iso
from joelclaw_backup.space import MIB
from joelclaw_backup.travel import queue_of
from joelclaw_backup.waiting_sets import TARGETS, retry_soon, waiting


def transports(environ: Mapping[str, str]) -> list[Model]:
    """Every way to a destination, in the order in which a backup tries them: {"mode": `local` | `remote`, all that
    `destination` tells, "copies", "verified", "newest", "newestVerifiedAt"}; over SSH "host", "hostKey" and "lacks".
    """
    here, told = Here.of(environ), []
    for at in here.everywhere("redis"):
        place = at.destination
        model = {"mode": place.mode, **looked_at(place), "host": place.ssh.shown if place.ssh else None}
        sets: list[Artefact] = []
        if model["state"] == "ok":
            with suppress(BackupFailed):  # it is not there any more: what it told a moment ago stands
                sets = [a for target in TARGETS for a in on_shelf(replace(at, target=target), False)]
        good = newest_verified(sorted(sets, key=lambda a: a.verified_ms, reverse=True))
        model |= {"copies": len(sets), "verified": sum(bool(a.verified_ms) for a in sets)}
        model |= {
            "newest": good.id if good else None,
            "lastDrill": artefact_model(good, True)["lastDrill"] if good else None,
        }
        model["newestVerifiedAt"] = good.verified.verified_at if good and good.verified else None
        told.append(model)
    return told


def queue(environ: Mapping[str, str]) -> Model:
    """What waits on this disk for a way to the NAS: {"path", "capBytes", "bytes", "oldestMs", "entries": [{"id",
    "target", "bytes", "queuedAt", "waitedMs", "tries", "triedAt", "againAt", "failure", "detail"}], "progress"}; see
    `progress.py`. againAt: None where the next tick tries it."""
    here, now = Here.of(environ), now_ms()
    place = queue_of(here.config, here.state)
    entries = waiting(place)
    return {
        "path": str(place.root),
        "capBytes": here.config.backup.destination.queue_cap_mb * MIB,
        "bytes": sum(entry.bytes for entry in entries),
        "oldestMs": max((now - entry.since_ms for entry in entries), default=None),
        "entries": [
            {
                "id": entry.id,
                "target": entry.target,
                "bytes": entry.bytes,
                "queuedAt": entry.record.queued_at,
                "waitedMs": max(0, now - entry.since_ms),
                "tries": entry.record.tries,
                "triedAt": entry.record.tried_at or None,
                "againAt": iso(at) if (at := due_again_ms(entry.record)) is not None else None,
                "failure": entry.record.failure or None,
                "detail": entry.record.detail,
            }
            for entry in entries
        ],
        "progress": [p for target in TARGETS if (p := progress(environ, target))],
    }


def retry(environ: Mapping[str, str], artefact: str) -> Model | None:
    """A set of the queue is tried at the next tick, though its data were the trouble: {"id", "target", "failure",
    "detail"}, what kept it so far. None where no such set waits. BackupFailed."""
    here = Here.of(environ)
    place = queue_of(here.config, here.state)
    entry = next((entry for entry in waiting(place) if entry.id == artefact), None)
    if entry is None:
        return None
    try:
        retry_soon(place, entry)
    except OSError as error:
        raise BackupFailed(class_of(error), f"{artefact} can't be marked in the queue: {error}") from error
    return {"id": entry.id, "target": entry.target, "failure": entry.record.failure, "detail": entry.record.detail}


def progress(environ: Mapping[str, str], target: str = "redis") -> Model | None:
    """How far the transfer of a target is that is under way; see `progress.py`."""
    return read_progress(progress_file(Here.of(environ).staging.root, target))
