"""Where backups go: whether it takes a realistic write now, asked in a child that can be killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from joelclaw_health.probes.child import ask
from joelclaw_health.sample import Sample

CONDITION = "destination"
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Destination:
    """`mount`: something must be mounted exactly there; `ours`: it may be missing, the first backup makes it;
    `note`: what it is worth, said in coverage."""

    name: str
    kind: Literal["directory", "mount", "ours"]
    path: str
    note: str = ""


async def destination(d: Destination, *, now: int, timeout: float, free_mb: int) -> Sample:
    """No answer in time is unknown."""
    told = await ask("joelclaw_health.probes.touch", d.kind, d.path, timeout=timeout)
    if isinstance(told, str):
        return Sample(d.name, CONDITION, "unknown", now, "", f"{d.path} {told}")
    ok, reason, value = bool(told.get("ok")), str(told.get("reason", "")), "nothing was kept there yet"
    if ok and "free" in told:
        free = int(told["free"]) // _MIB
        value = f"{free} MiB free"
        if free < free_mb:
            ok, reason = False, f"{d.path} has {free} MiB left, less than {free_mb}"
    return Sample(d.name, CONDITION, "ok" if ok else "failing", now, value if ok or "free" in told else "", reason)
