"""A Redis backup's `take`: as a replica, or by BGSAVE and a file, of one server or of each primary of a cluster; and
how its copy is restored. How one server is taken is in `taking.py`, the rest in `steps.py`.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from joelclaw_backup.address import Address, node_of
from joelclaw_backup.cluster import is_cluster, read_cluster
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import USERS, artefact_id, is_users, shard_files
from joelclaw_backup.manifest import ClusterManifest, Manifest, RedisManifest, Restored
from joelclaw_backup.parts import Dump, Held, Shard, Sharded, Source
from joelclaw_backup.records import plain
from joelclaw_backup.restore import restore
from joelclaw_backup.settings import BackupSettings
from joelclaw_backup.source import identify, located
from joelclaw_backup.staging import StagedDump
from joelclaw_backup.steps import Facts, Steps, classified
from joelclaw_backup.taking import CHECK_SECONDS, Took, highest_of, take_server
from joelclaw_backup.threads import in_thread
from joelclaw_backup.throwaway import tools_for

TARGET = "redis"


@dataclass(frozen=True)
class RedisBackup(Steps):
    """The steps over one source and one destination."""

    settings: BackupSettings
    target: ClassVar[str] = TARGET

    @property
    def keeping(self) -> BackupSettings:
        return self.settings

    def going_to(self, place: Destination) -> RedisBackup:
        return replace(self, settings=replace(self.settings, destination=place))

    async def take(self, run: str, round: int, requested_by: str, at_ms: int) -> Facts:
        artefact, settings = artefact_id(run, round, at_ms), self.settings
        there = await self.newest()
        address = await located(settings.source)
        about = {"run": run, "round": round, "requested_by": requested_by, "parent": there["parent"]}
        async with classified("the dump can't be put into the staging directory"):
            source = None if address.cluster else await identify(address)
            if source is None or (source.mode == "cluster" and await is_cluster(address)):
                self._require_no_file(address)
                manifest, staged = await self._of_cluster(address, artefact, about)
            else:
                manifest, staged = await self._of_one(address, source, artefact, about)
        return {"staged": staged, "manifest": plain(manifest)}

    async def _of_one(
        self, address: Address, source: Source, artefact: str, about: dict[str, Any]
    ) -> tuple[Manifest, str]:
        self._require_primary(source, address)
        staged = await in_thread(StagedDump.begin, self.settings.staging, TARGET, artefact)
        try:
            rdb = self.settings.rdb
            took = await take_server(address, source, staged, USERS, witness=self.settings.witness, rdb=rdb)
        finally:
            staged.close()
        if self.settings.source.sentinels:
            await self._require_the_same(source)
        manifest = RedisManifest(
            id=artefact,
            target=TARGET,
            source=source,
            taken=took.taken,
            dump=took.dump,
            witness=took.witness,
            tools=_tools((took,)) | ({"taken-by": "BGSAVE"} if rdb else {}),
            files=took.files,
            **about,
        )
        return manifest, staged.partial

    async def _of_cluster(self, address: Address, artefact: str, about: dict[str, Any]) -> tuple[Manifest, str]:
        """One primary after the other; the map must be the same before and after."""
        parts = await read_cluster(address)
        staged = await in_thread(StagedDump.begin, self.settings.staging, TARGET, artefact, shard_files(1)[0])
        shards: list[Shard] = []
        all_took: list[Took] = []
        try:
            for n, part in enumerate(parts, 1):
                file, users = shard_files(n)
                if n > 1:
                    await in_thread(staged.next, file)
                node = node_of(address, (part.host, part.port))
                source = await identify(node)
                took = await take_server(node, source, staged, users, witness=self.settings.witness)
                all_took.append(took)
                shards.append(
                    Shard(
                        node=part.node,
                        slots=part.slots,
                        epoch=part.epoch,
                        file=file,
                        users=users if len(took.files) > 1 else "",
                        source=source,
                        taken=took.taken,
                        dump=took.dump,
                        witness=took.witness,
                    )
                )
        finally:
            staged.close()
        if await read_cluster(address) != parts:
            why = "was resharded or failed over while it was copied"
            raise BackupFailed(FailureClass.SOURCE_CHANGED, f"cluster {address.shown} {why}")
        files = tuple(file for took in all_took for file in took.files)
        manifest = ClusterManifest(
            id=artefact, target=TARGET, shards=tuple(shards), tools=_tools(all_took), files=files, **about
        )
        return manifest, staged.partial

    def _require_no_file(self, address: Address) -> None:
        if self.settings.rdb is not None:
            why = "is a cluster of several servers, and backup.redis.rdbPath names the file of one; leave it away"
            raise BackupFailed(FailureClass.SNAPSHOT_REFUSED, f"{address.shown} {why}")

    def _require_primary(self, source: Source, address: Address) -> None:
        if self.settings.source.sentinels and source.role != "master":
            why = f"the sentinels name {address.shown}, which is a {source.role}: a failover is under way"
            raise BackupFailed(FailureClass.SERVER_UNAVAILABLE, why)

    async def _require_the_same(self, before: Source) -> None:
        """A primary that was cut off goes on as one for a while, and takes writes that will be thrown away."""
        now = await identify(await located(self.settings.source))
        if (now.run_id, now.role) != (before.run_id, before.role):
            why = f"named {before.address} before the dump, and after it {now.address} ({now.role}): a failover"
            raise BackupFailed(FailureClass.SOURCE_CHANGED, f"the sentinels of {self.settings.source.shown} {why}")

    async def restored(self, folder: Path, manifest: Manifest) -> tuple[Restored, int]:
        return await restored_from(folder, manifest)


async def restored_from(folder: Path, manifest: Manifest) -> tuple[Restored, int]:
    """Start a throwaway server from each fetched dump: (what they hold, milliseconds until all had loaded)."""
    match manifest:
        case RedisManifest():
            users = next((file.name for file in manifest.files if is_users(file.name)), "")
            databases = manifest.witness.databases if manifest.witness else manifest.source.databases
            return await _restored(folder, manifest.files[0].name, users, manifest.dump, databases, manifest.source)
        case ClusterManifest():
            found, all_ms = {}, 0
            for s in manifest.shards:
                databases = s.witness.databases if s.witness else s.source.databases
                found[s.file], ms = await _restored(folder, s.file, s.users, s.dump, databases, s.source)
                all_ms += ms
            return Sharded(shards=found), all_ms
        case _:
            raise BackupFailed(FailureClass.UNKNOWN, f"{manifest.id} is of {manifest.target}, not of Redis")


async def _restored(
    folder: Path, dump: str, users: str, told: Dump, databases: dict[str, int], source: Source
) -> tuple[Held, int]:
    tools = tools_for(told.magic, told.version)
    with_users = folder / users if users else None
    by = f"{source.software} {source.version}"
    return await restore(folder / dump, tools, CHECK_SECONDS, highest_of(databases), with_users, by)


def _tools(took: Sequence[Took]) -> dict[str, str]:
    first = took[0]
    return {
        "joelclaw-backup": version("joelclaw-backup"),
        "python": platform.python_version(),
        "checker": first.checker,
        **({"witness": first.witness.by} if first.witness else {}),
    }
