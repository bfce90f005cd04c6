"""The second act: of two workers, the one that holds a run is killed in the middle of it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import anyio

from joelclaw_bus.inspect.entries import latest
from joelclaw_bus.inspect.runs import RunDetail, find_run
from joelclaw_bus.inspect.workers import list_workers
from joelclaw_bus.publisher import Publisher
from joelclaw_cli.demo.stage import Stage
from joelclaw_cli.demo.telling import Teller
from joelclaw_cli.demo.watch import NotSeen, lines_of, until
from joelclaw_cli.demo.worker import FUNCTION, STEPS, WorkDone, WorkRequested

TITLE = "A worker is killed, and its run goes on elsewhere"
LEASE_MS = 2000
ORDER = "demo-order"


async def play(stage: Stage, tell: Teller, facts: dict[str, Any]) -> None:
    """Fills `facts` with what is seen. NotSeen."""
    journal, run = stage.folder / "work.journal", f"{FUNCTION}:{ORDER}"
    words = (stage.redis_url, str(journal), str(LEASE_MS))
    workers = {p.pid: p for p in (stage.processes.start("joelclaw_cli.demo.worker", *words) for _ in range(2))}

    async def ready() -> bool | None:
        if dead := [pid for pid, process in workers.items() if process.poll() is not None]:
            raise NotSeen(f"worker {dead[0]} ended before it worked: {stage.processes.last_words()}")
        # Heartbeats are written after a read cycle that ended well.
        return sum(FUNCTION in worker.functions for worker in await list_workers(stage.store)) == len(workers) or None

    await until("two live workers", ready)
    tell.line(f"two workers run the same function: processes {' and '.join(map(str, workers))}; lease {LEASE_MS} ms")
    await Publisher(stage.store, source="joelclaw demo").send(WorkRequested(order=ORDER), id=ORDER)
    tell.line(f"a run of {len(STEPS)} steps is asked for: {WorkRequested.event_name}")

    async def in_step_two() -> dict[str, Any] | None:
        found = await find_run(stage.store, run)
        if found is None or "one" not in found.steps:
            return None
        return next((line for line in lines_of(journal) if line.get("step") == "two"), None)

    begun = await until("the run in its second step", in_step_two)
    holder = int(begun["pid"])
    survivor = next(pid for pid in workers if pid != holder)
    tell.line(f"process {holder} holds it: step one is recorded, step two is begun")
    os.kill(holder, signal.SIGKILL)
    killed_at = time.monotonic()
    facts.update(heldBy=holder, killed=holder, survivor=survivor, stepAtDeath=begun["step"])
    facts["killedExit"] = await anyio.to_thread.run_sync(workers[holder].wait)
    tell.line(f"process {holder} is killed (SIGKILL): it can tell nobody", style="red")

    async def taken_over() -> dict[str, Any] | None:
        return next((x for x in lines_of(journal) if x["pid"] == survivor and x.get("did") == "took over"), None)

    await until("the take-over", taken_over)
    facts["silenceMs"] = round((time.monotonic() - killed_at) * 1000)
    tell.line(
        f"{facts['silenceMs']} ms later its lease has run out: process {survivor} takes the run over", style="yellow"
    )
    ended = await until("the end of the run", lambda: _ended(stage, run))
    acts = [line for line in lines_of(journal) if line.get("did") == "step"]
    facts.update(run=run, state=ended.facts.state, recorded={name: ended.steps.get(name) for name in STEPS})
    facts["done"] = {name: [a["pid"] for a in acts if a["step"] == name] for name in STEPS}
    tell.line(f"the run is {ended.facts.state}: it went on at step two, which had no record", style="green")
    await until("its result", lambda: _results(stage))
    facts["results"] = await _results(stage)


async def _ended(stage: Stage, run: str) -> RunDetail | None:
    found = await find_run(stage.store, run)
    return found if found and found.ended_ms else None


async def _results(stage: Stage) -> int | None:
    return len(await latest(stage.store, WorkDone.event_name)) or None
