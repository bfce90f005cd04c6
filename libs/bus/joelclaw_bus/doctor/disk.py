"""Whether what a server acknowledges ever reaches its disk: one judgement, for `doctor` and for health. Pure.

A setting that may not be read is None or absent: then nothing is said of it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.durability import PAUSED

DISK_SETTINGS = ("save", "appendfsync", "no-appendfsync-on-rewrite")
REMEDY = "appendonly yes (CONFIG SET for now, and in its configuration file)"


def judge_disk(where: str, info: Mapping[str, str], settings: Mapping[str, str | None]) -> Iterator[Check]:
    """What weakens what a server writes to its disk; nothing when all is well. info: the fields of its INFO."""
    append_only, save = info.get("aof_enabled") == "1", settings.get("save")
    if not append_only and save == "":
        yield Check("finding", where, "nothing is ever written to disk: append-only file off, no save points", REMEDY)
    elif not append_only:
        yield Check("warning", where, "append-only file is off: a crash loses all since the last snapshot", REMEDY)
    elif settings.get("appendfsync") == "no":
        yield Check(
            "warning", where, "appendfsync is no: the system decides what a power cut takes", "appendfsync everysec"
        )
    if append_only and settings.get("no-appendfsync-on-rewrite") == "yes":
        yield Check("warning", where, f"{PAUSED}: a power cut takes it", "no-appendfsync-on-rewrite no")
    for name, what in (
        ("aof_last_write_status", "writing the append-only file fails"),
        ("aof_last_bgrewrite_status", "rewriting the append-only file fails"),
        ("rdb_last_bgsave_status", "saving a snapshot fails; with save points the server refuses all writes"),
    ):
        if info.get(name, "ok") != "ok":
            yield Check("finding", where, f"{what} ({name}: {info[name]})", "look at its disk and its log")
    if info.get("loading", "0") != "0":
        yield Check("finding", where, "it is still loading its data", "wait; leases and runs wait too")
