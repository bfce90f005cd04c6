"""Failed runs of this bus that could not reach an endpoint. Evidence is marked as seen only after it was examined.

The clock reports what it has not seen yet; whoever asks gets all there is within the time asked for. If the endpoint is
the runtime's own, its remediator is woken: it looks for itself, and acts on what it confirms.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joelclaw_bus import Step, Store
from joelclaw_bus.inspect.replies import text
from joelclaw_bus.inspect.runs import RunFacts, list_runs
from joelclaw_contracts import Level, RuntimeHealthRequested, Status
from joelclaw_healing import Ledger, Voice
from joelclaw_runtime_remediator.request import RUNTIME_DOMAIN, SDK_DOMAIN, Request
from joelclaw_runtime_remediator.telling import SDK_ACTION, answer, evidence
from joelclaw_runtime_remediator.unreachable import SAMPLES, findings_of, kind_of

LOOKBACK_MINUTES = 60
MAX_RUNS = 200
MOST_RUNS = 5_000
KEEP_SEEN_MS = 2 * 86_400_000  # longer than the bus keeps an ended run

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Investigator:
    """runtime_url: the supervised runtime's, None if there is none."""

    store: Store
    voice: Voice
    function: str
    runtime_url: str | None = None

    async def run(self, request: Request, step: Step) -> Told:
        """{detected, inspected, endpoints, …}. Answers whoever is owed an answer, as the last step."""
        scan: Told = await step.run("scan", self.scan, request)
        fresh = scan["fresh"]
        told = scan if request.answers or request.dry_run else {**scan, "detected": len(fresh)}
        if not request.dry_run:
            level: Level = "warn" if fresh else "info"
            metadata = {k: v for k, v in told.items() if k != "fresh"} | {
                "new": len(fresh),
                "eventId": request.event_id,
            }
            record = evidence(
                self.voice, f"{step.key}:scan", SDK_ACTION, "investigator", metadata, scan["at"], level=level
            )
            await step.send_event("evidence", record)
            if fresh and self._names_the_runtime(scan["endpoints"]):
                await step.send_event("wake", self._wake())
            _marked: int = await step.run("mark", self.mark, fresh)  # only now: what was examined and told is seen
        if request.answers:
            found = scan["detected"]
            status: Status = "detected" if found or request.dry_run else "noop"
            where = ", ".join(f"{e['endpoint']} ({e['count']})" for e in scan["endpoints"][:SAMPLES])
            reason = (
                f"{found} of {scan['inspected']} failed runs could not reach: {where}"
                if found
                else (f"none of {scan['inspected']} failed runs says that an endpoint is unreachable")
            )
            completed = answer(
                request, SDK_DOMAIN, status, rule="unreachable-endpoints" if found else "all-reachable", reason=reason,
                detected=found, inspected=scan["inspected"], samples=scan["sampleRunIds"],
            )  # fmt: skip
            await step.send_event("answer", completed, id=f"answer:{SDK_DOMAIN}:{request.event_id}")
        return {k: v for k, v in told.items() if k != "fresh"}

    async def scan(self, request: Request) -> Told:
        """Looks at the failed runs; changes nothing."""
        now = await self.store.time_ms()
        since = now - (request.lookback_minutes or LOOKBACK_MINUTES) * 60_000
        most = min(request.max_runs or MAX_RUNS, MOST_RUNS)
        runs = [run for run in await list_runs(self.store, state="failed", limit=most) if run.moved_ms >= since]
        findings = findings_of(runs)
        found = [run for finding in findings for run in finding.runs]
        return {
            "at": time.time_ns() // 1_000_000,
            "inspected": len(runs),
            "detected": len(found),
            "endpoints": [
                {"endpoint": f.endpoint, "count": len(f.runs), "kinds": f.kinds, "samples": list(f.runs[:SAMPLES])}
                for f in findings[:20]
            ],
            "sampleRunIds": found[:SAMPLES],
            "fresh": await self._unseen(runs),
        }

    async def mark(self, runs: Sequence[str]) -> int:
        """Remembers that these were examined."""
        if not runs:
            return 0
        now = await self.store.time_ms()
        key = self._seen
        await self.store.calls(
            [
                ("ZADD", key, *(part for run in runs for part in (now, run))),
                ("ZREMRANGEBYSCORE", key, "-inf", now - KEEP_SEEN_MS),
                ("PEXPIRE", key, KEEP_SEEN_MS),
            ]
        )
        return len(runs)

    async def _unseen(self, runs: Sequence[RunFacts]) -> list[str]:
        found = [run.id for run in runs if kind_of(run.error)]
        seen = {text(run) for run in await self.store.call("ZRANGE", self._seen, 0, -1)}
        return [run for run in found if run not in seen]

    def _names_the_runtime(self, endpoints: Sequence[Told]) -> bool:
        own = urlsplit(self.runtime_url or "").netloc.rpartition("@")[2].lower()
        return bool(own) and any(e["endpoint"] == own for e in endpoints)

    def _wake(self) -> RuntimeHealthRequested:
        return RuntimeHealthRequested(
            domain=RUNTIME_DOMAIN, source_function=self.function, problem_summary="failed runs could not reach it"
        )

    @property
    def _seen(self) -> str:
        return Ledger(self.store).slot.key("seen", SDK_DOMAIN)
