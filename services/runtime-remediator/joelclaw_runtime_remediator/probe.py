"""Looks at the runtime: its process, its HTTP, and what a restart would kill. Changes nothing."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from joelclaw_bus import Store
from joelclaw_bus.inspect.active import active_runs
from joelclaw_healing.http_probe import Http, ask
from joelclaw_runtime_remediator.process import State, sight
from joelclaw_runtime_remediator.sample import Sample
from joelclaw_runtime_remediator.supervise import Supervisor, reap
from joelclaw_runtime_remediator.verdict import verdict


@dataclass(frozen=True, slots=True)
class Prober:
    """owner: the function that asks, whose own run is none that a restart would kill; lease_ms: the deployment's."""

    store: Store
    supervisor: Supervisor
    url: str | None
    timeout_s: float
    lease_ms: int
    owner: str

    async def look(self) -> Sample:
        """One sample. StoreUnavailable, StoreRefused: what runs can't be told, so nobody may act."""
        process = sight(self.supervisor.state_file) if self.supervisor.command else None
        if process is not None and process.identity is not None and not process.alive:
            reap(process.identity.pid)
        # A stopped process can only time out: the kernel has said enough.
        asked = self.url is not None and not (process and process.state is State.STOPPED)
        http, told = await ask(self.url or "", self.timeout_s) if asked else (Http.UNASKED, "")
        found = verdict(process, http)
        now = time.time_ns() // 1_000_000
        identity = process.identity if process else None
        alive = process is not None and process.alive
        return Sample(
            at_ms=now,
            seen=found.seen,
            detail=", ".join(part for part in (process.detail if process else "not supervised", told) if part),
            process=process.state.value if process else "not supervised",
            http=http.value,
            alive=alive,
            identity=identity.text if identity else "",
            age_ms=max(0, now - identity.started_ms) if identity and alive else None,
            fence=identity.fence if identity else 0,
            starting=found.starting_may_explain,
            active_runs=await self._active() if alive else 0,
        )

    async def _active(self) -> int:
        """Runs in the hands of the runtime's own processes. One that is stopped renews nothing: its leases run out."""
        pids, here = self.supervisor.pids(), socket.gethostname()
        runs = await active_runs(self.store, lease_ms=self.lease_ms)
        return sum(run.host == here and run.pid in pids and run.function != self.owner for run in runs)
