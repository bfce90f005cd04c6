"""Our own way out: places that depend on nothing that we watch. If none of them answers, it is we who are cut off."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from joelclaw_health.sample import Sample

COMPONENT, CONDITION = "health", "connectivity"


async def canary(places: Sequence[str], *, now: int, timeout: float) -> Sample:
    """One sample of `host:port` places, all asked at once: a connection is enough."""
    answered: list[str] = []

    async def ask(place: str) -> None:
        host, _, port = place.rpartition(":")
        with anyio.move_on_after(timeout):
            try:
                async with await anyio.connect_tcp(host.strip("[]"), int(port)):
                    answered.append(place)
            except OSError:
                return  # what did not answer is counted

    async with anyio.create_task_group() as tasks:
        for place in places:
            tasks.start_soon(ask, place)
    value = f"{len(answered)} of {len(places)} answer"
    reason = "" if answered else f"no canary answers ({', '.join(places[:5])}): this machine is cut off"
    return Sample(COMPONENT, CONDITION, "ok" if answered else "failing", now, value, reason)
