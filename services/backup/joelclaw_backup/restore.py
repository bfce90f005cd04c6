"""What a dump holds: by a checker that loads nothing, and by a server that loads it.

Both programs are Valkey's own, from its wheel: `valkey-server` under the name `valkey-check-rdb` is the checker. A dump
of a Redis newer than 7.2 has a format that Valkey refuses; where a `redis-server` is on PATH, that one is asked.
"""

from __future__ import annotations

import re
from pathlib import Path

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import DUMP
from joelclaw_backup.parts import Held
from joelclaw_backup.policy import Counts
from joelclaw_backup.threads import in_thread
from joelclaw_backup.throwaway import Tools, leashed, reason, said, scratch_directory, throwaway


async def count(dump: Path, tools: Tools, seconds: float) -> Counts:
    """What the checker reads in the dump. BackupFailed (rdb-invalid)."""
    async with scratch_directory(dump) as scratch:
        checker = scratch / f"{tools.family}-check-rdb"
        checker.symlink_to(tools.binary)
        async with leashed([str(checker), str(scratch / DUMP)], scratch, seconds) as process:
            code = await process.wait()
            told = await said(process)
    if code or not re.search(r"Check RDB returned error code 0|RDB looks OK", told) or "error code 1" in told:
        why = f"ended with {code}" if code else reason(told)
        raise BackupFailed(FailureClass.RDB_INVALID, f"the checker refuses the dump: {why}")
    return Counts(
        keys=_number(told, "keys read"),
        expires=_number(told, "expires"),
        expired=_number(told, "already expired"),
        libraries=_number(told, "functions", 0),
    )


async def restore(
    dump: Path, tools: Tools, seconds: float, databases: int = 0, users: Path | None = None, by: str = ""
) -> tuple[Held, int]:
    """Load it: (what the server holds then, milliseconds until it had loaded). users: an ACL that it must take as well,
    where it is what `by` names, the very software that wrote it: another version may know other commands."""
    async with (
        scratch_directory(dump) as scratch,
        throwaway(tools, scratch, seconds, databases=databases) as server,
    ):
        ms = await server.loaded()
        held = await server.held()
        if users is not None and held.by == by:
            await server.takes_users(await in_thread(users.read_text, "utf-8", "surrogateescape"))
        return held, ms


def _number(told: str, what: str, default: int | None = None) -> int:
    found = re.search(rf"\[info\] ([0-9]+) {re.escape(what)}\b", told)
    if found:
        return int(found[1])
    if default is None:
        raise BackupFailed(FailureClass.RDB_INVALID, f"the checker does not say how many {what}")
    return default
