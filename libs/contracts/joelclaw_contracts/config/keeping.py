"""What is backed up, where copies are kept, and how many stay."""

from __future__ import annotations

from .kinds import DestinationKind, Kept, Megabytes, RedisUrl, RootPath, Spared, Switch, Tier
from .section import Section


class RedisSource(Section):
    """The Redis that is backed up."""

    url: RedisUrl | None = None
    """redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, as REDIS_URL; None: the bus's own. A node of
    a cluster means all of it."""
    rdb_path: RootPath | None = None
    """The file that this server's BGSAVE writes, where this machine reads it. Set, the server is asked to save and the
    file is taken; None: it is taken over the network, as by a replica, and nothing is written on its disk."""
    witness: Switch = True
    """Whether a throwaway replica tells what the source held when the dump was made, so that a restored copy is
    compared with the source itself: a second full synchronisation, and so much memory here. Else counts alone."""


class BackupDestination(Section):
    """Where verified copies are kept. With nothing set: the NAS if one is configured, else the state directory."""

    kind: DestinationKind | None = None
    """`mount`: nothing is written unless a file system is mounted there; `directory`: a plain one.
    None: `mount` for the NAS's root, else `directory`."""
    path: RootPath | None = None
    """The root; None: the NAS's root of `tier`, else the state directory. It is never created."""
    tier: Tier = "hdd"
    """Which of the NAS's roots, and the label of the copies."""
    keep: Kept = 7
    """How many of the newest verified copies of each target stay."""
    keep_daily: Spared = 7
    """So many days (UTC) keep the newest verified copy of theirs."""
    keep_weekly: Spared = 4
    """So many weeks keep theirs."""
    keep_monthly: Spared = 6
    """So many months keep theirs."""
    keep_at_least: Kept = 3
    """So many verified copies nothing ever prunes, whatever the numbers above are."""
    reserve_mb: Megabytes = 256
    """MiB that stay free at the destination and on this disk: a copy that would need them is not begun."""
    queue_cap_mb: Megabytes = 10_240
    """MiB that may wait on this disk while no way to the NAS is open; a backup that would not fit fails."""
    ssh_limit_mb: Megabytes = 0
    """MiB per second that a copy over SSH may use; 0: as many as there are."""


class Backup(Section):
    """What is backed up, and where to."""

    redis: RedisSource = RedisSource()
    """The Redis side; Typesense is configured by its own variables."""
    destination: BackupDestination = BackupDestination()
    """Where copies are kept."""
