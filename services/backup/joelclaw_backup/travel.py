"""How copies may travel: the ways to a destination, how patient one is with them, and where sets wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joelclaw_backup.destination import Destination
from joelclaw_backup.space import MIB
from joelclaw_backup.ssh_options import SshFlagsInvalid, parse_ssh
from joelclaw_backup.switch import Mode, Patience
from joelclaw_contracts import Config
from joelclaw_pod import SettingsError


@dataclass(frozen=True, slots=True)
class Travel:
    """`remote`: the NAS itself, over SSH, where one is configured; `queue`: where sets wait when neither way is open;
    None: then a backup fails instead. `queue_cap` in bytes."""

    remote: Destination | None = None
    prefer_remote: bool = False
    patience: Patience = field(default_factory=Patience)
    queue: Destination | None = None
    queue_cap: int = 10_240 * MIB

    def ways(self, local: Destination) -> dict[Mode, Destination]:
        """By mode, in the order of preference."""
        if self.remote is None:
            return {local.mode: local}
        both = (self.remote, local) if self.prefer_remote else (local, self.remote)
        return {place.mode: place for place in both}

    def kept_in(self, taken: Mapping[str, Any], staging: Destination) -> Destination:
        """Where what was taken lies now: in the staging directory, or in the queue."""
        return self.queue if self.queue is not None and taken.get("queued") else staging


def travel_of(config: Config, state_dir: Path) -> Travel:
    """As configured. SettingsError."""
    remote, transport = remote_of(config), config.transport
    if remote is None or transport.nas is None:
        return Travel()
    return Travel(
        remote,
        transport.nas.prefer_remote,
        Patience(transport.max_attempts, transport.retry_base_ms, transport.retry_max_ms),
        queue_of(config, state_dir),
        config.backup.destination.queue_cap_mb * MIB,
    )


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


def queue_of(config: Config, state_dir: Path) -> Destination:
    """Where sets wait: on this machine's own, durable disk."""
    reserve = config.backup.destination.reserve_mb * MIB
    return Destination("directory", state_dir / "backup-queue", label="queue", ours=True, reserve=reserve)
