"""What the `joelclaw` command reads of us (entry point group `joelclaw.providers`): plain functions, JSON-able answers.

The command imports no service; it finds this module by its entry point and calls these. Each takes the environment, as
the service does, and reads the shelf: never the store, never a run. ConfigError, SettingsError and BackupFailed tell
what is wrong, in one line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joelclaw_backup.artefacts import Artefact, find, newest_verified, read_artefacts
from joelclaw_backup.destination import Destination, check_destination
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.files import open_directory
from joelclaw_backup.inspection import Inspected, inspecting
from joelclaw_backup.settings import destination_of
from joelclaw_backup.shelf import Shelf, open_shelf
from joelclaw_contracts import load_config
from joelclaw_contracts.config import state_directory

TARGETS = ("redis",)

Model = dict[str, Any]


def destination(environ: Mapping[str, str]) -> Model:
    """{"kind", "path", "tier", "label", "state", "detail"}; state is `ok` or the class of what is wrong with it."""
    place = _place(environ)
    model: Model = {"kind": place.kind, "path": str(place.root), "tier": place.tier, "label": place.label}
    if place.ours and not place.root.exists():  # it is made by the first backup: looking makes nothing
        return {**model, "state": "ok", "detail": "nothing was kept there yet"}
    try:
        check_destination(Destination(place.kind, place.root, place.tier, place.label))
    except BackupFailed as failed:
        return {**model, "state": failed.failure_class.value, "detail": str(failed)}
    return {**model, "state": "ok", "detail": ""}


def list_artefacts(environ: Mapping[str, str], target: str = "redis") -> list[Model]:
    """Every set of a target: newest verified first, then those that are not verified, each with its problem."""
    try:
        with open_shelf(_reading(environ), target, make=False) as shelf:
            found = read_artefacts(shelf)
            newest = newest_verified(found)
            return [_model(a, a is newest) for a in found]
    except FileNotFoundError:
        return []


def newest(environ: Mapping[str, str], target: str = "redis") -> Model | None:
    """The newest verified set: all that may be believed of a target's backups. None: there is none."""
    return next((model for model in list_artefacts(environ, target) if model["verified"]), None)


def verify(environ: Mapping[str, str], artefact: str) -> Model | None:
    """Reads a set again, all of it, and compares; `artefact` is an id or `latest`. None where there is no such set."""
    for target in TARGETS:
        try:
            with open_shelf(_reading(environ), target, make=False) as shelf:
                name = find(shelf, artefact)
                return _verdict(shelf, name, _inspect(shelf, name))
        except FileNotFoundError:
            continue
    return None


def _inspect(shelf: Shelf, name: str) -> Inspected:
    fd = open_directory(name, shelf.fd)
    try:
        work = inspecting(fd, artefact=name, finished=True)
        while True:
            try:
                next(work)
            except StopIteration as stop:
                inspected: Inspected = stop.value
                return inspected
    finally:
        os.close(fd)


def _verdict(shelf: Shelf, name: str, inspected: Inspected) -> Model:
    findings = [{"file": f.file, "verdict": f.verdict.value, "detail": f.detail} for f in inspected.findings]
    manifest, verified = inspected.manifest, inspected.verified
    return {
        "id": name,
        "path": str(shelf.path / name),
        "ok": not findings,
        "verdict": findings[0]["verdict"] if findings else "verified",
        "findings": findings,
        "rereadBytes": inspected.bytes,
        "files": [f.model_dump() for f in manifest.files] if manifest else [],
        "keys": manifest.dump.keys if manifest else None,
        "verifiedAt": verified.verified_at if verified else None,
    }


def _model(artefact: Artefact, newest: bool) -> Model:
    manifest, verified = artefact.manifest, artefact.verified
    model: Model = {
        "id": artefact.id,
        "path": artefact.path,
        "verified": bool(artefact.verified_ms),
        "newest": newest,
        "problem": artefact.problem,
        "verifiedAt": verified.verified_at if verified else None,
        "verifiedMs": artefact.verified_ms or None,
    }
    if manifest:
        model |= {
            "target": manifest.target,
            "bytes": manifest.bytes,
            "sha256": manifest.files[0].sha256,
            "keys": manifest.dump.keys,
            "source": manifest.source.address,
            "takenAt": manifest.taken.ended_at,
            "requestedBy": manifest.requested_by,
        }
    return model


def _place(environ: Mapping[str, str]) -> Destination:
    config = load_config(environ, home=Path(environ.get("HOME") or "/"))
    return destination_of(config, state_directory(environ))


def _reading(environ: Mapping[str, str]) -> Destination:
    """The same place, for one who makes nothing there."""
    place = _place(environ)
    if place.ours and not place.root.exists():
        raise FileNotFoundError(place.root)
    return Destination(place.kind, place.root, place.tier, place.label)
