"""What the service is told, read once and strictly: the source, the destination, how many sets stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joelclaw_backup.address import Address, AddressInvalid, parse_address
from joelclaw_backup.destination import Destination
from joelclaw_backup.retention import Rule
from joelclaw_backup.space import MIB
from joelclaw_backup.ssh_options import SshFlagsInvalid, parse_ssh
from joelclaw_backup.switch import Mode, Patience
from joelclaw_contracts import Config
from joelclaw_contracts.config import PlaceMissing, backup_place
from joelclaw_pod import SettingsError


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """`staging`: where a dump lies before it is copied; `aside`: where findings are kept that the destination takes
    not; `witness`: whether a throwaway replica tells what the source held; `window_hours`: how long an incident's
    retries may go on, told to the router with each failure.

    `remote`: the NAS itself, over SSH, where one is configured; `queue`: where sets wait when neither way is open;
    None: then a backup fails instead."""

    source: Address
    destination: Destination
    staging: Destination
    aside: Path
    rule: Rule = field(default_factory=Rule)
    witness: bool = True
    window_hours: float = 4.0
    schedule: str = "30 3 * * *"
    remote: Destination | None = None
    prefer_remote: bool = False
    patience: Patience = field(default_factory=Patience)
    queue: Destination | None = None
    queue_cap: int = 10_240 * MIB

    @property
    def ways(self) -> dict[Mode, Destination]:
        """By mode, in the order of preference."""
        if self.remote is None:
            return {self.destination.mode: self.destination}
        both = (self.remote, self.destination) if self.prefer_remote else (self.destination, self.remote)
        return {place.mode: place for place in both}

    def kept_in(self, taken: Mapping[str, Any]) -> Destination:
        """Where what was taken lies now: in the staging directory, or in the queue."""
        return self.queue if self.queue is not None and taken.get("queued") else self.staging

    def towards(self, mode: Mode) -> BackupSettings:
        """The same, going that way."""
        return replace(self, destination=self.ways[mode], remote=None)


def read_backup_settings(config: Config, redis_url: str, state_dir: Path) -> BackupSettings:
    """SettingsError names what has to be mended; nothing is touched yet."""
    url = config.backup.redis.url or redis_url
    try:
        source = parse_address(url)
    except AddressInvalid as error:
        name = "backup.redis.url" if config.backup.redis.url else "REDIS_URL"
        raise SettingsError(
            name, str(error), "set backup.redis.url to the one server to copy, or to its sentinels"
        ) from None
    remote = remote_of(config)
    return BackupSettings(
        source=source,
        destination=destination_of(config, state_dir),
        staging=staging_of(config, state_dir),
        aside=aside_of(state_dir),
        rule=rule_of(config),
        witness=config.backup.redis.witness,
        window_hours=config.transport.recovery_window_hours,
        schedule=config.schedules["system/backup.redis"],
        remote=remote,
        prefer_remote=config.transport.nas is not None and config.transport.nas.prefer_remote,
        patience=patience_of(config) if remote else Patience(),
        queue=queue_of(config, state_dir) if remote else None,
        queue_cap=config.backup.destination.queue_cap_mb * MIB,
    )


def destination_of(config: Config, state_dir: Path) -> Destination:
    """Where copies are kept: the contracts' one rule, which health watches by too."""
    try:
        place = backup_place(config, state_dir)
    except PlaceMissing as missing:
        raise SettingsError(missing.key, missing.problem, missing.remedy) from None
    reserve = config.backup.destination.reserve_mb * MIB
    return Destination(place.kind, place.root, place.tier, place.label, place.ours, reserve)


def remote_of(config: Config) -> Destination | None:
    """The NAS over SSH: the other way of copies that go to the NAS, or to a path that somebody named."""
    nas, wanted = config.transport.nas, config.backup.destination
    if nas is None or (wanted.kind == "directory" and not wanted.path):
        return None
    try:
        ssh = parse_ssh(nas.ssh_host, nas.ssh_flags)
    except SshFlagsInvalid as error:
        raise SettingsError("NAS_SSH_FLAGS", str(error), "mend NAS_SSH_FLAGS, or nasSshFlags in the file") from None
    ssh = replace(ssh, bytes_per_second=wanted.ssh_limit_mb * MIB)
    return Destination("ssh", Path(nas.remote_root), wanted.tier, "NAS", reserve=wanted.reserve_mb * MIB, ssh=ssh)


def patience_of(config: Config) -> Patience:
    """How often and how far apart a transfer is tried."""
    transport = config.transport
    return Patience(transport.max_attempts, transport.retry_base_ms, transport.retry_max_ms)


def queue_of(config: Config, state_dir: Path) -> Destination:
    """Where sets wait: on this machine's own, durable disk."""
    reserve = config.backup.destination.reserve_mb * MIB
    return Destination("directory", state_dir / "backup-queue", label="queue", ours=True, reserve=reserve)


def staging_of(config: Config, state_dir: Path) -> Destination:
    """Where dumps lie on their way; the same reserve stays free on this disk."""
    reserve = config.backup.destination.reserve_mb * MIB
    return Destination("directory", state_dir / "backup-staging", label="staging", ours=True, reserve=reserve)


def aside_of(state_dir: Path, target: str = "redis") -> Path:
    """Where findings about sets are kept that the destination takes not."""
    return state_dir / "backup-checks" / target


def rule_of(config: Config) -> Rule:
    """What retention goes by."""
    wanted = config.backup.destination
    return Rule(wanted.keep, wanted.keep_daily, wanted.keep_weekly, wanted.keep_monthly, wanted.keep_at_least)
