"""The backup service's read models, found by its entry point: the command imports no service."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from joelclaw_cli.failures import Failure


class Backups(Protocol):
    """What `joelclaw_backup.provider` offers; each answer is JSON-able."""

    def destination(self, environ: dict[str, str]) -> dict[str, Any]: ...
    def list_artefacts(self, environ: dict[str, str], target: str = "redis") -> list[dict[str, Any]]: ...
    def verify(self, environ: dict[str, str], artefact: str) -> dict[str, Any] | None: ...


def backups() -> Backups:
    """Failure `backup_not_installed` where the service isn't."""
    for point in entry_points(group="joelclaw.providers", name="backup"):
        provider: Backups = point.load()
        return provider
    raise Failure(
        "backup_not_installed", "the backup service is not installed beside this command", fix="install joelclaw-backup"
    )


def environ_for(state_dir: Path) -> dict[str, str]:
    """The environment as the service of this state directory has it."""
    return {**os.environ, "JOELCLAW_STATE_DIR": str(state_dir.expanduser().absolute())}
