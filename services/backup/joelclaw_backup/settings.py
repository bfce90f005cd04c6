"""What the service is told, read once and strictly: the source, the destination, how many sets stay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from joelclaw_backup.address import Address, AddressInvalid, parse_address
from joelclaw_backup.destination import Destination
from joelclaw_contracts import Config
from joelclaw_pod import SettingsError

DEFAULT_STATE = Path(".joelclaw") / "state"
SAME_DISK = "same disk"


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """`staging`: where a dump lies before it is copied; `keep`: verified sets that stay; `window_hours`: how long an
    incident's retries may go on, told to the router with each failure."""

    source: Address
    destination: Destination
    staging: Destination
    keep: int = 7
    window_hours: float = 4.0
    schedule: str = "30 3 * * *"


def read_backup_settings(config: Config, redis_url: str, state_dir: Path) -> BackupSettings:
    """SettingsError names what has to be mended; nothing is touched yet."""
    url = config.backup.redis.url or redis_url
    try:
        source = parse_address(url)
    except AddressInvalid as error:
        name = "backup.redis.url" if config.backup.redis.url else "REDIS_URL"
        raise SettingsError(name, str(error), "mend the address") from None
    return BackupSettings(
        source=source,
        destination=destination_of(config, state_dir),
        staging=Destination("directory", state_dir / "backup-staging", label="staging", ours=True),
        keep=config.backup.destination.keep,
        window_hours=config.transport.recovery_window_hours,
        schedule=config.schedules["system/backup.redis"],
    )


def destination_of(config: Config, state_dir: Path) -> Destination:
    """Where copies are kept: what is configured, else the NAS's mount, else the state directory, said to be no more."""
    wanted, nas = config.backup.destination, config.transport.nas
    if wanted.path:
        kind = wanted.kind or "directory"
        root = Path(wanted.path)
        return Destination(kind, root, wanted.tier, SAME_DISK if _same_disk(root, state_dir) else kind)
    if nas is not None and wanted.kind != "directory":
        return Destination("mount", Path(nas.hdd_root if wanted.tier == "hdd" else nas.nvme_root), wanted.tier, "NAS")
    if wanted.kind == "mount":
        raise SettingsError("backup.destination.path", "is not set, and no NAS is configured", "name the mount point")
    return Destination("directory", state_dir, wanted.tier, SAME_DISK, ours=True)


def state_directory(environ: Mapping[str, str]) -> Path:
    """JOELCLAW_STATE_DIR, else `~/.joelclaw/state`."""
    home = Path(environ.get("HOME") or "/")
    named = environ.get("JOELCLAW_STATE_DIR", "").strip()
    if not named:
        return home / DEFAULT_STATE
    return (home / named[2:] if named.startswith("~/") else Path(named)).absolute()


def _same_disk(root: Path, state_dir: Path) -> bool:
    """Whether one broken disk takes the copies along with the state; False when it can't be told."""
    try:
        there = next(p for p in (state_dir, *state_dir.parents) if p.exists())
        return os.stat(root).st_dev == os.stat(there).st_dev
    except OSError:
        return False
