"""A throwaway server of a fetched set's own kind: what it holds once it has started from it."""

from __future__ import annotations

from pathlib import Path

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import Manifest, Restored, TypesenseManifest
from joelclaw_backup.redis_backup import restored_from as restored_redis
from joelclaw_backup.typesense.restore import restored_from as restored_typesense


def require_server(manifest: Manifest, typesense: str) -> None:
    """BackupFailed where nothing here could start from such a set. That says nothing of the set."""
    if isinstance(manifest, TypesenseManifest) and not typesense:
        why = "no Typesense server is here to be started from it: put typesense-server on PATH, or set"
        raise BackupFailed(FailureClass.RESOURCE_UNAVAILABLE, f"{why} TYPESENSE_SERVER_BINARY")


async def restored_from(folder: Path, manifest: Manifest, typesense: str = "") -> tuple[Restored, int]:
    """(what it holds, milliseconds until it had started). BackupFailed (did-not-start), also where there is none."""
    if not isinstance(manifest, TypesenseManifest):
        return await restored_redis(folder, manifest)
    require_server(manifest, typesense)
    return await restored_typesense(folder, manifest, Path(typesense))
