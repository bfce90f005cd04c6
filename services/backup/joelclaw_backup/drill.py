"""The restore drill: a throwaway server from a set at the destination, compared with what the source held.

| verdict             | means                                                                           | the set is |
|---------------------|---------------------------------------------------------------------------------|------------|
| verified            | every byte is what left the source; it restores; keys and contents are the same | verified   |
| hash-differs, …     | a file is not what left the source (`inspection.py`); nothing was started       | damaged    |
| did-not-start       | the bytes are right, and no server here would load them                         | unknown    |
| started-and-differs | it loaded, and holds something else than the source did                         | damaged    |
| unknown, timeout, … | it could not be found out                                                       | unknown    |

`source` says what became of the source since: `unchanged`, `changed since`, `another server`, or `unknown`. That is no
part of the verdict: a backup is compared with its moment, not with today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joelclaw_backup import killable
from joelclaw_backup.address import Address, node_of
from joelclaw_backup.checks import GOOD, Check
from joelclaw_backup.clock import now_ms
from joelclaw_backup.cluster import Part, read_cluster
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.fetch import scratch_in
from joelclaw_backup.inspection import Finding
from joelclaw_backup.looking import Shelved, check_of, fetching_set
from joelclaw_backup.manifest import ClusterManifest, Manifest, RedisManifest, Restored
from joelclaw_backup.parts import Source, Taken
from joelclaw_backup.policy import class_of, compare
from joelclaw_backup.records import iso
from joelclaw_backup.reviving import require_server, restored_from
from joelclaw_backup.source import identify, located


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill found. `held` is None where nothing was started."""

    check: Check
    findings: tuple[Finding, ...] = ()
    manifest: Manifest | None = None
    held: Restored | None = None


async def drill(
    at: Shelved, artefact: str, staging: Destination, told: killable.Told | None = None, *, typesense: str = ""
) -> Drilled:
    """Fetch, restore, compare; nothing is left behind. `check` is what has to be remembered, by the caller. typesense:
    the server to start for a set of it.

    BackupFailed only when the destination is not there, this disk has no room, or nothing here could start from such a
    set: then nothing is said of it.
    """
    with scratch_in(staging, artefact) as scratch:
        inspected = await killable.run(at.destination.path, fetching_set, told, at, artefact, scratch)
        check = check_of(inspected, "drill")
        if inspected.findings or inspected.manifest is None:
            return Drilled(check, inspected.findings, inspected.manifest)
        manifest = inspected.manifest
        require_server(manifest, typesense)
        try:
            held, ms = await restored_from(scratch.path, manifest, typesense)
        except (BackupFailed, OSError, TimeoutError) as error:
            return Drilled(_judged(check, class_of(error), str(error)), (), manifest)
    compared = compare(manifest, held)
    verdict = compared.verdict or GOOD
    done = _judged(check, verdict, compared.detail).model_copy(update={"restore_ms": ms})
    return Drilled(done, (), manifest, held)


def _judged(check: Check, verdict: str, detail: str) -> Check:
    return check.model_copy(update={"verdict": str(verdict), "detail": detail, "at": iso(now_ms())})


async def since(manifest: Manifest, address: Address | None) -> str:
    """What became of the source since the dump, by its own replication offset."""
    if address is None:
        return "unknown"
    try:
        match manifest:
            case RedisManifest():
                return _since(manifest.source, manifest.taken, await identify(await located(address)))
            case ClusterManifest():
                return await _since_of_all(manifest, await read_cluster(address), address)
            case _:
                return "unknown"
    except BackupFailed:
        return "unknown"


async def _since_of_all(manifest: ClusterManifest, parts: Sequence[Part], address: Address) -> str:
    """What is worst among its shards."""
    there = {part.node: node_of(address, (part.host, part.port)) for part in parts}
    if set(there) != {shard.node for shard in manifest.shards}:
        return "changed since"
    told = {_since(shard.source, shard.taken, await identify(there[shard.node])) for shard in manifest.shards}
    return next(word for word in ("another server", "unknown", "changed since", "unchanged") if word in told)


def _since(source: Source, taken: Taken, now: Source) -> str:
    if now.replication_id != taken.replication_id:
        return "another server" if now.run_id != source.run_id else "unknown"
    if taken.offset < 0:  # a file that does not tell which
        return "unknown"
    return "unchanged" if now.offset == taken.offset else "changed since"
