"""What the service is told, read once and strictly: the source, the destination, how many sets stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from joelclaw_backup.address import Address, AddressInvalid, parse_address
from joelclaw_backup.destination import Destination
from joelclaw_backup.retention import Rule
from joelclaw_backup.space import MIB
from joelclaw_backup.travel import Travel, travel_of
from joelclaw_contracts import Config
from joelclaw_contracts.config import PlaceMissing, backup_place
from joelclaw_pod import SettingsError


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """`staging`: where a dump lies before it is copied; `aside`: where findings are kept that the destination takes
    not; `rdb`: the file that the source's BGSAVE writes, where it is to be taken by that; `witness`: whether a
    throwaway replica tells what the source held; `window_hours`: how long an incident's retries may go on, told to the
    router with each failure."""

    source: Address
    destination: Destination
    staging: Destination
    aside: Path
    rule: Rule = field(default_factory=Rule)
    rdb: Path | None = None
    witness: bool = True
    window_hours: float = 4.0
    schedule: str = "30 3 * * *"
    travel: Travel = field(default_factory=Travel)


def read_backup_settings(config: Config, redis_url: str, state_dir: Path) -> BackupSettings:
    """SettingsError names what has to be mended; nothing is touched yet."""
    url = config.backup.redis.url or redis_url
    try:
        source = parse_address(url)
    except AddressInvalid as error:
        name = "backup.redis.url" if config.backup.redis.url else "REDIS_URL"
        raise SettingsError(
            name, str(error), "set backup.redis.url to the server to copy, its sentinels, or its cluster"
        ) from None
    if config.backup.redis.rdb_path and source.cluster:
        why = "names the file of one server, and the source is a cluster of several"
        raise SettingsError("backup.redis.rdbPath", why, "leave it away: clusters are taken over the network")
    return BackupSettings(
        source=source,
        destination=destination_of(config, state_dir),
        staging=staging_of(config, state_dir),
        aside=aside_of(state_dir),
        rule=rule_of(config),
        rdb=Path(config.backup.redis.rdb_path) if config.backup.redis.rdb_path else None,
        witness=config.backup.redis.witness,
        window_hours=config.transport.recovery_window_hours,
        schedule=config.schedules["system/backup.redis"],
        travel=travel_of(config, state_dir),
    )


def destination_of(config: Config, state_dir: Path) -> Destination:
    """Where copies are kept: the contracts' one rule, which health watches by too."""
    try:
        place = backup_place(config, state_dir)
    except PlaceMissing as missing:
        raise SettingsError(missing.key, missing.problem, missing.remedy) from None
    reserve = config.backup.destination.reserve_mb * MIB
    return Destination(place.kind, place.root, place.tier, place.label, place.ours, reserve)


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
